<?php
// SPDX-License-Identifier: Apache-2.0

declare(strict_types=1);

check('nack requeue', function (Session $s): void {
    $queue = $s->queue();
    $queue->consume();
    $s->send($queue, '1', '2', '3');
    is_message(receive($queue), '1', false);
    is_message(receive($queue), '2', false);
    $queue->nack(is_message(receive($queue), '3', false), AMQP_MULTIPLE | AMQP_REQUEUE);
    foreach (['1', '2', '3'] as $body) {
        $queue->nack(is_message(receive($queue), $body, true));
    }

    // A message goes back to where it stood.
    $queue->cancel();
    $s->send($queue, '4', '5');
    $queue->nack(is_message(get($queue), '4', false), AMQP_REQUEUE);
    is_message(get($queue, AMQP_AUTOACK), '4', true);
    is_message(get($queue, AMQP_AUTOACK), '5', false);
    $s->holds($queue);
});

check('reject requeue', function (Session $s): void {
    $queue = $s->queue();
    $s->send($queue, 'once more');
    $queue->reject(is_message(get($queue), 'once more', false), AMQP_REQUEUE);
    $queue->reject(is_message(get($queue), 'once more', true));
    $s->holds($queue);

    // So does everything that a closed channel had not acknowledged.
    $s->send($queue, 'left behind');
    $other = $s->fresh_channel();
    is_message(get(queue_on($other, $queue->getName())), 'left behind', false);
    $other->close();
    is_message(get($queue, AMQP_AUTOACK), 'left behind', true);
});

check('recover', function (Session $s): void {
    $queue = $s->queue();
    $s->send($queue, '1', '2');
    is_message(get($queue), '1', false);
    is_message(get($queue), '2', false);
    $s->channel->basicRecover(true);
    is_message(get($queue, AMQP_AUTOACK), '1', true);
    is_message(get($queue, AMQP_AUTOACK), '2', true);
});

// What waits in the queue and what was delivered add up to what was published, so nothing is on its
// way beyond the prefetch.
check('prefetch', function (Session $s): void {
    $queue = $s->queue();
    $confirmed_up_to = confirming($s->channel);
    $s->send($queue, ...array_map('strval', range(1, 10)));
    $confirmed_up_to(10);
    $s->channel->setPrefetchCount(4);
    $queue->consume();
    $stands = function (int $waiting) use ($s, $queue): void {
        same('messages held back', ready($queue->getName(), $s->channel), $waiting);
    };
    $take = function (int $from, int $to) use ($queue): int {
        for ($i = $from; $i < $to; $i++) {
            is_message(receive($queue), "$i", false);
        }

        return is_message(receive($queue), "$to", false);
    };
    $third = $take(1, 3);
    $take(4, 4);
    $stands(6);
    $queue->ack($third, AMQP_MULTIPLE);
    $seventh = $take(5, 7);
    $stands(3);
    $queue->ack($seventh);
    $take(8, 8);
    $stands(2);
});

check('consumer cancel', function (Session $s): void {
    $queue = $s->queue();
    $queue->consume(null, AMQP_NOPARAM, 'mine');
    $s->send($queue, 'before');
    $before = is_message(receive($queue), 'before', false);
    same('the consumers', array_keys($s->channel->getConsumers()), ['mine']);
    $queue->cancel('mine');
    same('the consumers', $s->channel->getConsumers(), []);
    $confirmed_up_to = confirming($s->channel);
    $s->send($queue, 'after');
    $confirmed_up_to(1);
    same('messages behind the consumer', ready($queue->getName(), $s->channel), 1);
    $queue->ack($before);
    $s->holds($queue, 'after');
});

// As the extension did not ask for notifications, nothing may arrive that it does not expect.
check('no cancel by the server unless announced', function (Session $s): void {
    $queue = $s->queue();
    $queue->consume(null, AMQP_AUTOACK);
    queue_on($s->fresh_channel(), $queue->getName())->delete();
    $next = $s->queue();
    $next->consume(null, AMQP_AUTOACK);
    $s->send($next, 'goes on');
    is_message(receive($next), 'goes on', false);
});
