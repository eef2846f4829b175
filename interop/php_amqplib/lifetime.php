<?php
// SPDX-License-Identifier: Apache-2.0

declare(strict_types=1);

use PhpAmqpLib\Channel\AMQPChannel;
use PhpAmqpLib\Message\AMQPMessage;

function missing(string $what, string $name): string
{
    return "NOT_FOUND - no $what '$name' in vhost '/'";
}

function look_for(string $queue): callable
{
    return fn (AMQPChannel $c) => $c->queue_declare($queue, true);
}

check('exclusive queue', function (Session $s): void {
    $name = unique('exclusive');
    $owner = $s->connect();
    $owner->channel()->queue_declare($name, false, false, true, false);
    $owner->channel()->queue_bind($name, 'amq.direct', $name);
    $locked = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '$name' in vhost "
        . "'/'. It could be originally declared on another connection or the exclusive property "
        . 'value does not match that of the original declaration.';
    $s->refused(405, $locked, fn (AMQPChannel $c) => $c->queue_declare($name, false, false, true));
    $s->refused(405, $locked, fn (AMQPChannel $c) => $c->basic_consume($name));
    $s->refused(405, $locked, fn (AMQPChannel $c) => $c->queue_delete($name));
    $owner->close();
    $s->refused(404, missing('queue', $name), look_for($name));
});

check('auto-delete queue', function (Session $s): void {
    $name = unique('auto-delete');
    $s->channel->queue_declare($name, false, false, false, true);
    $first = new Reader($s->channel, $name, true);
    $second = new Reader($s->channel, $name, true);
    $s->channel->basic_cancel($first->tag);
    same('consumers left', $s->channel->queue_declare($name, true)[2], 1);
    $s->channel->basic_cancel($second->tag);
    $s->refused(404, missing('queue', $name), look_for($name));
});

check('channel error 404', function (Session $s): void {
    $name = unique('missing');
    $s->refused(404, missing('queue', $name), look_for($name));
    $s->refused(404, missing('queue', $name), fn (AMQPChannel $c) => $c->basic_get($name));
    $s->refused(404, missing('exchange', $name), function (AMQPChannel $c) use ($name): void {
        $c->basic_publish(new AMQPMessage('to nowhere'), $name);
        $c->wait(null, false, DEADLINE_S);
    });
});

check('channel error 406', function (Session $s): void {
    $name = unique('transient');
    $s->channel->queue_declare($name, false, false, false, false);
    $s->refused(
        406,
        "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '$name' in vhost '/': "
            . "received 'true' but current is 'false'",
        fn (AMQPChannel $c) => $c->queue_declare($name, false, true, false, false)
    );
    $s->refused(
        406,
        'PRECONDITION_FAILED - unknown delivery tag 77',
        function (AMQPChannel $c): void {
            $c->basic_ack(77);
            $c->wait(null, false, DEADLINE_S);
        }
    );
    $s->refused(
        406,
        'PRECONDITION_FAILED - channel is not transactional',
        fn (AMQPChannel $c) => $c->tx_commit()
    );
    $s->channel->queue_delete($name);
});
