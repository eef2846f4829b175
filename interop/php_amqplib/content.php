<?php
// SPDX-License-Identifier: Apache-2.0

declare(strict_types=1);

use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPAbstractCollection as Type;
use PhpAmqpLib\Wire\AMQPArray;
use PhpAmqpLib\Wire\AMQPDecimal;
use PhpAmqpLib\Wire\AMQPTable;

const BODY = "h\u{e9}llo";

/** All fourteen. */
function every_property(): array
{
    return [
        'content_type' => 'text/plain',
        'content_encoding' => 'identity',
        'application_headers' => new AMQPTable(['trace' => 'abc']),
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
        'cluster_id' => 'cluster-1',
    ];
}

function carries(AMQPMessage $message): void
{
    $got = $message->get_properties();
    $wanted = every_property();
    same('the properties', array_keys($got), array_keys($wanted));
    foreach ($wanted as $name => $value) {
        same("property $name", plain($got[$name]), plain($value));
    }
    same('the body', $message->getBody(), BODY);
}

check('basic properties by get', function (Session $s): void {
    $queue = $s->queue();
    $s->channel->basic_publish(new AMQPMessage(BODY, every_property()), '', $queue);
    $s->send($queue, 'behind it');
    $message = $s->get($queue, false);
    carries($message);
    same('the exchange', $message->getExchange(), '');
    same('the routing key', $message->getRoutingKey(), $queue);
    same('redelivered', (bool) $message->isRedelivered(), false);
    same('messages left', $message->getMessageCount(), 1);
    same('the delivery tag', $message->getDeliveryTag(), 1);
    $message->ack();
    $s->holds($queue, ['behind it']);
});

check('basic properties by consume', function (Session $s): void {
    $x = $s->exchange('direct');
    $reader = new Reader($s->channel, $s->bound_queue($x, 'key'));
    $s->channel->basic_publish(new AMQPMessage(BODY, every_property()), $x, 'key');
    $message = $reader->next();
    carries($message);
    same('the exchange', $message->getExchange(), $x);
    same('the routing key', $message->getRoutingKey(), 'key');
    same('the consumer tag', $message->getConsumerTag(), $reader->tag);
    same('redelivered', (bool) $message->isRedelivered(), false);
    $message->ack();
});

check('absent properties stay absent', function (Session $s): void {
    $queue = $s->queue();
    $s->send($queue, 'plain');
    same('the properties', $s->get($queue, true)->get_properties(), []);
});

/** Every type the library can write, at the ends of its range: name => [type, value]. */
function every_type(): array
{
    return [
        't true' => [Type::T_BOOL, true],
        't false' => [Type::T_BOOL, false],
        'b low' => [Type::T_INT_SHORTSHORT, -128],
        'b high' => [Type::T_INT_SHORTSHORT, 127],
        'B low' => [Type::T_INT_SHORTSHORT_U, 0],
        'B high' => [Type::T_INT_SHORTSHORT_U, 255],
        's low' => [Type::T_INT_SHORT, -32768],
        's high' => [Type::T_INT_SHORT, 32767],
        'u low' => [Type::T_INT_SHORT_U, 0],
        'u high' => [Type::T_INT_SHORT_U, 65535],
        'I low' => [Type::T_INT_LONG, -2147483648],
        'I high' => [Type::T_INT_LONG, 2147483647],
        'i low' => [Type::T_INT_LONG_U, 0],
        'i high' => [Type::T_INT_LONG_U, 4294967295],
        'l low' => [Type::T_INT_LONGLONG, PHP_INT_MIN],
        'l high' => [Type::T_INT_LONGLONG, PHP_INT_MAX],
        'D' => [Type::T_DECIMAL, new AMQPDecimal(12345, 2)],
        'S' => [Type::T_STRING_LONG, "text \u{fc}"],
        'S empty' => [Type::T_STRING_LONG, ''],
        'x' => [Type::T_BYTES, "\x00\x01\xce\xff"],
        'T' => [Type::T_TIMESTAMP, 1700000001],
        'V' => [Type::T_VOID, null],
        'A empty' => [Type::T_ARRAY, new AMQPArray()],
        'F empty' => [Type::T_TABLE, new AMQPTable()],
    ];
}

function table(array $fields): AMQPTable
{
    $table = new AMQPTable();
    foreach ($fields as $name => [$type, $value]) {
        $table->set($name, $value, $type);
    }

    return $table;
}

/** Types and values as nested arrays. A bool that was read is 0 or 1 until it is asked for. */
function plain(mixed $value, int $type = 0): mixed
{
    if ($value instanceof AMQPDecimal) {
        return ['decimal', $value->getN(), $value->getE()];
    }
    if ($value instanceof Type) {
        $fields = [get_class($value)];
        foreach ($value as $name => [$field_type, $field]) {
            $fields["field $name"] = [$field_type, plain($field, $field_type)];
        }

        return $fields;
    }

    return $type === Type::T_BOOL ? (bool) $value : $value;
}

check('header field types', function (Session $s): void {
    $array = new AMQPArray();
    foreach (every_type() as [$type, $value]) {
        $array->push($value, $type);
    }
    $array->push(new AMQPArray(['deeper', []]));
    $array->push(table(every_type()));
    $headers = table(every_type() + [
        'A' => [Type::T_ARRAY, $array],
        'F' => [Type::T_TABLE, table(every_type() + ['array' => [Type::T_ARRAY, $array]])],
        'S long' => [Type::T_STRING_LONG, str_repeat('0123456789', 3000)],
        str_repeat('n', 128) => [Type::T_STRING_LONG, 'the longest name'],
    ]);
    $queue = $s->queue();
    $message = new AMQPMessage('', ['application_headers' => $headers]);
    $s->channel->basic_publish($message, '', $queue);
    $got = plain($s->get($queue, true)->get('application_headers'));
    $wanted = plain($headers);
    same('the names', array_keys($got), array_keys($wanted));
    foreach ($wanted as $name => $field) {
        same("header $name", $got[$name], $field);
    }
});

function check_body(string $name, int $size): void
{
    check($name, function (Session $s) use ($size): void {
        $body = $size > 0 ? random_bytes($size) : '';
        $queue = $s->queue();
        $s->send($queue, $body);
        same('the body that was got is intact', $s->get($queue, true)->getBody() === $body, true);
        $reader = new Reader($s->channel, $queue, true);
        $s->send($queue, $body);
        same('the body that was delivered is intact', $reader->next()->getBody() === $body, true);
    });
}

check_body('empty body', 0);
check_body('body of 1 byte', 1);
check_body('body of 10 MiB', 10 << 20);
