<?php
// SPDX-License-Identifier: Apache-2.0

declare(strict_types=1);

use PhpAmqpLib\Message\AMQPMessage;

// The library calls the handler once per message, whatever the server acknowledged in one go.
check('publisher confirms', function (Session $s): void {
    $confirmed = [];
    $s->channel->set_ack_handler(function (AMQPMessage $message) use (&$confirmed): void {
        $confirmed[] = $message->getBody();
    });
    $s->channel->set_nack_handler(function (AMQPMessage $message): void {
        throw new Failure('nack of ' . $message->getBody());
    });
    $s->channel->confirm_select();
    $queue = $s->queue();
    $bodies = array_map('strval', range(1, 200));
    $s->send($queue, ...$bodies);
    $s->channel->wait_for_pending_acks(DEADLINE_S);
    sort($confirmed, SORT_NUMERIC);
    same('what was confirmed', $confirmed, $bodies);
    same('messages once confirmed', $s->ready($queue, $s->connection->channel()), 200);

    // What reaches no queue is confirmed as well.
    $s->send(unique('nowhere'), 'lost');
    $s->channel->wait_for_pending_acks(DEADLINE_S);
    same('the last confirm', end($confirmed), 'lost');
    same('all confirms', count($confirmed), 201);
});

// The library handles what it reads in order.
check('mandatory return before its confirm', function (Session $s): void {
    $events = [];
    $s->channel->set_ack_handler(function (AMQPMessage $message) use (&$events): void {
        $events[] = ['ack', (int) $message->getDeliveryTag()];
    });
    $s->channel->set_return_listener(function (...$returned) use (&$events): void {
        $events[] = $returned;
    });
    $s->channel->confirm_select();
    $missing = unique('missing');
    $s->channel->basic_publish(new AMQPMessage(BODY, every_property()), '', $missing, true);
    wait_until($s->channel, 'return and confirm', function () use (&$events): bool {
        return count($events) === 2;
    });
    same('what came first', array_slice($events[0], 0, 4), [312, 'NO_ROUTE', '', $missing]);
    carries($events[0][4]);
    same('what came next', $events[1], ['ack', 1]);

    $s->channel->basic_publish(new AMQPMessage(BODY), '', $s->queue(), true);
    $s->channel->wait_for_pending_acks_returns(DEADLINE_S);
    same('after a routed message', array_slice($events, 2), [['ack', 2]]);
});

check('tx commit', function (Session $s): void {
    $queue = $s->queue();
    $other = $s->connection->channel();
    $s->channel->tx_select();
    $s->send($queue, '1', '2');
    same('messages before the commit', $s->ready($queue, $other), 0);
    $s->channel->tx_commit();
    same('messages after the commit', $s->ready($queue, $other), 2);

    $s->get($queue, false)->ack();
    $s->channel->tx_commit();
    $s->channel->close();
    $s->holds($queue, ['2'], $other);
});

check('tx rollback', function (Session $s): void {
    $queue = $s->queue();
    $other = $s->connection->channel();
    $s->channel->tx_select();
    $s->send($queue, 'kept');
    $s->channel->tx_commit();
    $s->send($queue, 'undone');
    $s->get($queue, false)->ack();
    $s->channel->tx_rollback();
    $s->channel->tx_commit();
    $s->channel->close();
    $left = $s->get($queue, true, $other);
    same('what is left', $left->getBody(), 'kept');
    same('redelivered, its ack undone', (bool) $left->isRedelivered(), true);
    $s->holds($queue, [], $other);
});
