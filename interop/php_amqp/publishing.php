<?php
// SPDX-License-Identifier: Apache-2.0

declare(strict_types=1);

check('publisher confirms', function (Session $s): void {
    $confirmed_up_to = confirming($s->channel);
    $queue = $s->queue();
    $s->send($queue, ...array_map('strval', range(1, 200)));
    $confirmed_up_to(200);
    same('messages once confirmed', ready($queue->getName(), $s->channel), 200);

    // What reaches no queue is confirmed as well.
    exchange_on($s->channel, '')->publish('lost', unique('nowhere'));
    $confirmed_up_to(201);
});

// The extension handles what it reads in order. It goes on as long as the callbacks return true.
check('mandatory return before its confirm', function (Session $s): void {
    $events = [];
    $s->channel->setConfirmCallback(
        function (int $tag, bool $multiple) use (&$events): bool {
            $events[] = ['ack', $tag];

            return false;
        },
        function (int $tag) use (&$events): bool {
            $events[] = ['nack', $tag];

            return false;
        }
    );
    $s->channel->setReturnCallback(function (...$returned) use (&$events): bool {
        $events[] = $returned;

        return true;
    });
    $s->channel->confirmSelect();
    $missing = unique('missing');
    $x = exchange_on($s->channel, '');
    $x->publish(BODY, $missing, AMQP_MANDATORY, EVERY_PROPERTY);
    $s->channel->waitForConfirm(DEADLINE_S);
    same('what came first', array_slice($events[0], 0, 4), [312, 'NO_ROUTE', '', $missing]);
    carries($events[0][4]);
    same('the body that came back', $events[0][5], BODY);
    same('what came next', array_slice($events, 1), [['ack', 1]]);

    $x->publish(BODY, $s->queue()->getName(), AMQP_MANDATORY);
    $s->channel->waitForConfirm(DEADLINE_S);
    same('after a routed message', array_slice($events, 2), [['ack', 2]]);
});

check('tx commit', function (Session $s): void {
    $queue = $s->queue();
    $other = $s->fresh_channel();
    $s->channel->startTransaction();
    $s->send($queue, '1', '2');
    same('messages before the commit', ready($queue->getName(), $other), 0);
    $s->channel->commitTransaction();
    same('messages after the commit', ready($queue->getName(), $other), 2);

    $queue->ack(is_message(get($queue), '1', false));
    $s->channel->commitTransaction();
    $s->channel->close();
    $s->holds(queue_on($other, $queue->getName()), '2');
});

check('tx rollback', function (Session $s): void {
    $queue = $s->queue();
    $other = $s->fresh_channel();
    $s->channel->startTransaction();
    $s->send($queue, 'kept');
    $s->channel->commitTransaction();
    $s->send($queue, 'undone');
    $queue->ack(is_message(get($queue), 'kept', false));
    $s->channel->rollbackTransaction();
    $s->channel->commitTransaction();
    $s->channel->close();
    $left = queue_on($other, $queue->getName());
    is_message(get($left, AMQP_AUTOACK), 'kept', true);
    $s->holds($left);
});
