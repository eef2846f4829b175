<?php
// SPDX-License-Identifier: Apache-2.0

declare(strict_types=1);

const BODY = "h\u{e9}llo";

/** All but cluster-id. */
const EVERY_PROPERTY = [
    'content_type' => 'text/plain; charset=utf-8',
    'content_encoding' => 'identity',
    'headers' => ['trace' => 'abc'],
    'delivery_mode' => 2,
    'priority' => 7,
    'correlation_id' => 'correlation-1',
    'reply_to' => 'some.queue',
    'expiration' => '3600000',
    'message_id' => 'message-1',
    'timestamp' => 1700000000,
    'type' => 'greeting',
    'user_id' => 'guest',
    'app_id' => 'interop',
];

function carries(AMQPBasicProperties $message): void
{
    same('the properties', [
        'content_type' => $message->getContentType(),
        'content_encoding' => $message->getContentEncoding(),
        'headers' => $message->getHeaders(),
        'delivery_mode' => $message->getDeliveryMode(),
        'priority' => $message->getPriority(),
        'correlation_id' => $message->getCorrelationId(),
        'reply_to' => $message->getReplyTo(),
        'expiration' => $message->getExpiration(),
        'message_id' => $message->getMessageId(),
        'timestamp' => (int) $message->getTimestamp(),
        'type' => $message->getType(),
        'user_id' => $message->getUserId(),
        'app_id' => $message->getAppId(),
    ], EVERY_PROPERTY);
    same('the cluster id', $message->getClusterId(), '');
}

check('basic properties by get', function (Session $s): void {
    $queue = $s->queue();
    exchange_on($s->channel, '')->publish(BODY, $queue->getName(), AMQP_NOPARAM, EVERY_PROPERTY);
    $s->send($queue, 'behind it');
    $message = get($queue);
    carries($message);
    same('the exchange', $message->getExchangeName(), '');
    same('the routing key', $message->getRoutingKey(), $queue->getName());
    same('the delivery tag', is_message($message, BODY, false), 1);
    $queue->ack($message->getDeliveryTag());
    $s->holds($queue, 'behind it');
});

check('basic properties by consume', function (Session $s): void {
    $x = $s->exchange(AMQP_EX_TYPE_DIRECT);
    $queue = $s->bound_queue($x, 'key');
    $queue->consume(null, AMQP_NOPARAM, 'the tag');
    $x->publish(BODY, 'key', AMQP_NOPARAM, EVERY_PROPERTY);
    $message = receive($queue);
    carries($message);
    same('the exchange', $message->getExchangeName(), $x->getName());
    same('the routing key', $message->getRoutingKey(), 'key');
    same('the consumer tag', $message->getConsumerTag(), 'the tag');
    $queue->ack(is_message($message, BODY, false));
});

// Those that the extension does not add by itself; what is absent reads as empty.
check('absent properties stay absent', function (Session $s): void {
    $queue = $s->queue();
    $s->send($queue, 'plain');
    $message = get($queue, AMQP_AUTOACK);
    same('the texts', $message->getContentEncoding() . $message->getCorrelationId()
        . $message->getReplyTo() . $message->getExpiration() . $message->getMessageId()
        . $message->getType() . $message->getUserId() . $message->getAppId(), '');
    same('the headers', $message->getHeaders(), []);
});

/** Every type the extension can write, at the ends of its range. */
function every_type(): array
{
    return [
        't true' => true,
        't false' => false,
        'l low' => PHP_INT_MIN,
        'l high' => PHP_INT_MAX,
        'l' => 7,
        'd' => -2.25,
        'd most' => PHP_FLOAT_MAX,
        'd least' => PHP_FLOAT_MIN,
        'D' => new AMQPDecimal(2, 12345),
        'S' => "text \u{fc}",
        'S bytes' => "\x00\x01\xce\xff",
        'S empty' => '',
        'T' => new AMQPTimestamp(1700000001),
        'V' => null,
        'F empty' => [],
    ];
}

function same_field(string $name, mixed $got, mixed $wanted): void
{
    if (is_array($wanted) && is_array($got)) {
        same("the names in $name", array_keys($got), array_keys($wanted));
        foreach ($wanted as $key => $field) {
            same_field("$name.$key", $got[$key], $field);
        }
    } elseif (is_object($wanted)) {
        same("the type of $name", get_debug_type($got), get_class($wanted));
        same($name, $got == $wanted, true);
    } else {
        same($name, $got, $wanted);
    }
}

check('header field types', function (Session $s): void {
    $headers = every_type() + [
        'A' => ['first', 'second', every_type()],
        'F' => every_type() + ['array' => ['only']],
        'S long' => str_repeat('0123456789', 3000),
        str_repeat('n', 255) => 'the longest name',
    ];
    $queue = $s->queue();
    $x = exchange_on($s->channel, '');
    $x->publish('', $queue->getName(), AMQP_NOPARAM, ['headers' => $headers]);
    same_field('headers', get($queue, AMQP_AUTOACK)->getHeaders(), $headers);
});

function check_body(string $name, int $size): void
{
    check($name, function (Session $s) use ($size): void {
        $body = $size > 0 ? random_bytes($size) : '';
        $queue = $s->queue();
        $s->send($queue, $body);
        $got = get($queue, AMQP_AUTOACK)->getBody();
        same('the body that was got is intact', $got === ($size > 0 ? $body : false), true);
        $queue->consume(null, AMQP_AUTOACK);
        $s->send($queue, $body);
        $got = receive($queue)->getBody();
        same('the body that was delivered is intact', $got === ($size > 0 ? $body : false), true);
    });
}

check_body('empty body', 0);
check_body('body of 1 byte', 1);
check_body('body of 10 MiB', 10 << 20);
