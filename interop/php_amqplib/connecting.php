<?php
// SPDX-License-Identifier: Apache-2.0

declare(strict_types=1);

use PhpAmqpLib\Exception\AMQPConnectionClosedException;
use PhpAmqpLib\Exception\AMQPTimeoutException;
use PhpAmqpLib\Message\AMQPMessage;

check('connect', function (Session $s): void {
    $server = $s->connection->getServerProperties();
    same('product', $server['product'], ['S', 'RabbitMQ']);
    foreach (
        ['publisher_confirms', 'exchange_exchange_bindings', 'basic.nack', 'consumer_cancel_notify',
            'connection.blocked', 'consumer_priorities', 'authentication_failure_close',
            'per_consumer_qos', 'direct_reply_to'] as $name
    ) {
        same("capability $name", $server['capabilities'][1][$name] ?? null, ['t', 1]);
    }
    $s->channel->close();
    same('the channel is open', (bool) $s->channel->is_open(), false);
    $s->connection->close();
    same('the connection is open', $s->connection->isConnected(), false);
});

// The library announces authentication_failure_close, so the refusal arrives as a 403. It also
// knows both of RabbitMQ's mechanisms; its default is AMQPLAIN.
foreach (['AMQPLAIN', 'PLAIN'] as $mechanism) {
    check("refused login by $mechanism", function (Session $s) use ($mechanism): void {
        same('accepted', $s->connect('guest', $mechanism)->isConnected(), true);
        try {
            $s->connect('wrong', $mechanism);
        } catch (AMQPConnectionClosedException $e) {
            same('the code', $e->getCode(), 403);
            same('the text', $e->getMessage(), 'ACCESS_REFUSED - Login was refused using '
                . "authentication mechanism $mechanism. For details see the broker logfile.(0, 0)");

            return;
        }
        throw new Failure('the wrong password was accepted');
    });
}

/** Request and answer between two connections, each reading what the other wrote. */
check('two connections', function (Session $s): void {
    $other = $s->connect()->channel();
    $requests = unique('requests');
    $answers = unique('answers');
    $s->channel->queue_declare($requests);
    $s->channel->queue_declare($answers);
    $incoming = new Reader($other, $requests, true);
    $replies = new Reader($s->channel, $answers, true);
    for ($i = 0; $i < 50; $i++) {
        $s->channel->basic_publish(new AMQPMessage(
            "request $i",
            ['reply_to' => $answers, 'correlation_id' => "$i"]
        ), '', $requests);
        $request = $incoming->expect("request $i", false);
        $other->basic_publish(new AMQPMessage(
            "answer $i",
            ['correlation_id' => $request->get('correlation_id')]
        ), '', $request->get('reply_to'));
        $reply = $replies->expect("answer $i", false);
        same('the correlation id', $reply->get('correlation_id'), "$i");
    }
});

// While it waits, the library sends a heartbeat when it is asked to, and gives up after 2 s without
// a frame from the server; the server gives up after 2 to 3 s without one from the client.
check('heartbeat', function (Session $s): void {
    $idle = $s->connect('guest', 'AMQPLAIN', 1);
    same('the negotiated heartbeat', $idle->getHeartbeat(), 1);
    $channel = $idle->channel();
    $end = microtime(true) + 3.5;
    while (microtime(true) < $end) {
        try {
            $channel->wait(null, false, 0.4);
        } catch (AMQPTimeoutException) {
            $idle->checkHeartBeat();
        }
    }
    same('the idle connection is open', $idle->isConnected(), true);
    $channel->queue_declare('', false, false, true);
});
