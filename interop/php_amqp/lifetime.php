<?php
// SPDX-License-Identifier: Apache-2.0

declare(strict_types=1);

function missing(string $what, string $name): string
{
    return "NOT_FOUND - no $what '$name' in vhost '/'";
}

function look_for(string $name): callable
{
    return fn (AMQPChannel $c) => ready($name, $c);
}

check('exclusive queue', function (Session $s): void {
    $owner = $s->connect();
    $channel = new AMQPChannel($owner);
    $name = unique('exclusive');
    queue_on($channel, $name, AMQP_EXCLUSIVE)->declareQueue();
    queue_on($channel, $name)->bind('amq.direct', $name);
    $locked = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '$name' in vhost "
        . "'/'. It could be originally declared on another connection or the exclusive property "
        . 'value does not match that of the original declaration.';
    $s->refused(405, $locked, function (AMQPChannel $c) use ($name): void {
        queue_on($c, $name, AMQP_EXCLUSIVE)->declareQueue();
    });
    $s->refused(405, $locked, fn (AMQPChannel $c) => queue_on($c, $name)->consume());
    $s->refused(405, $locked, fn (AMQPChannel $c) => queue_on($c, $name)->delete());
    $owner->disconnect();
    $s->refused(404, missing('queue', $name), look_for($name));
});

check('auto-delete queue', function (Session $s): void {
    $queue = queue_on($s->channel, unique('auto-delete'), AMQP_AUTODELETE);
    $queue->declareQueue();
    $queue->consume(null, AMQP_AUTOACK, 'first');
    $queue->consume(null, AMQP_AUTOACK, 'second');
    $queue->cancel('first');
    same('messages while a consumer is left', ready($queue->getName(), $s->channel), 0);
    $queue->cancel('second');
    $s->refused(404, missing('queue', $queue->getName()), look_for($queue->getName()));
});

check('channel error 404', function (Session $s): void {
    $name = unique('missing');
    $s->refused(404, missing('queue', $name), look_for($name));
    $s->refused(404, missing('queue', $name), fn (AMQPChannel $c) => queue_on($c, $name)->get());
    $s->refused(404, missing('exchange', $name), function (AMQPChannel $c) use ($name, $s): void {
        exchange_on($c, $name)->publish('to nowhere');
        $s->queue($c);
    });
});

check('channel error 406', function (Session $s): void {
    $name = unique('transient');
    queue_on($s->channel, $name)->declareQueue();
    $s->refused(
        406,
        "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '$name' in vhost '/': "
            . "received 'true' but current is 'false'",
        fn (AMQPChannel $c) => queue_on($c, $name, AMQP_DURABLE)->declareQueue()
    );
    $s->refused(
        406,
        'PRECONDITION_FAILED - unknown delivery tag 77',
        function (AMQPChannel $c) use ($name): void {
            queue_on($c, $name)->ack(77);
            ready($name, $c);
        }
    );
    $s->refused(
        406,
        'PRECONDITION_FAILED - channel is not transactional',
        fn (AMQPChannel $c) => $c->commitTransaction()
    );
    queue_on($s->channel, $name)->delete();
});
