<?php
// SPDX-License-Identifier: Apache-2.0

declare(strict_types=1);

use PhpAmqpLib\Exception\AMQPBasicCancelException;
use PhpAmqpLib\Message\AMQPMessage;

function comes_back(AMQPMessage $message, string $body, bool $redelivered): AMQPMessage
{
    same('the body', $message->getBody(), $body);
    same("redelivered of $body", (bool) $message->isRedelivered(), $redelivered);

    return $message;
}

check('nack requeue', function (Session $s): void {
    $queue = $s->queue();
    $reader = new Reader($s->channel, $queue);
    $s->send($queue, '1', '2', '3');
    $reader->expect('1', false);
    $reader->expect('2', false);
    $reader->expect('3', false)->nack(true, true);
    foreach (['1', '2', '3'] as $body) {
        $reader->expect($body, true)->nack(false);
    }

    // A message goes back to where it stood.
    $s->channel->basic_cancel($reader->tag);
    $s->send($queue, '4', '5');
    comes_back($s->get($queue, false), '4', false)->nack(true);
    comes_back($s->get($queue, true), '4', true);
    comes_back($s->get($queue, true), '5', false);
    $s->holds($queue, []);
});

check('reject requeue', function (Session $s): void {
    $queue = $s->queue();
    $s->send($queue, 'once more');
    comes_back($s->get($queue, false), 'once more', false)->reject(true);
    comes_back($s->get($queue, false), 'once more', true)->reject(false);
    $s->holds($queue, []);

    // So does everything that a closed channel had not acknowledged.
    $s->send($queue, 'left behind');
    $other = $s->connection->channel();
    $s->get($queue, false, $other);
    $other->close();
    comes_back($s->get($queue, true), 'left behind', true);
});

check('recover', function (Session $s): void {
    $queue = $s->queue();
    $s->send($queue, '1', '2');
    $s->get($queue, false);
    $s->get($queue, false);
    $s->channel->basic_recover(true);
    comes_back($s->get($queue, true), '1', true);
    comes_back($s->get($queue, true), '2', true);
});

// What waits in the queue and what was delivered add up to what was published, so nothing is on its
// way beyond the prefetch.
check('prefetch', function (Session $s): void {
    $queue = $s->queue();
    $s->channel->confirm_select();
    $s->send_confirmed($queue, ...array_map('strval', range(1, 10)));
    $s->channel->basic_qos(0, 3, false);
    $reader = new Reader($s->channel, $queue);
    $stands = function (int $waiting) use ($s, $queue, $reader): void {
        same('messages held back', $s->ready($queue), $waiting);
        $reader->nothing_more();
    };
    $take = function (int $from, int $to) use ($reader): AMQPMessage {
        for ($i = $from; $i < $to; $i++) {
            $reader->expect("$i", false);
        }

        return $reader->expect("$to", false);
    };
    $second = $take(1, 2);
    $take(3, 3);
    $stands(7);
    $second->ack(true);
    $fifth = $take(4, 5);
    $stands(5);
    $fifth->ack();
    $sixth = $take(6, 6);
    $stands(4);
    $sixth->ack(true);
    $take(7, 9);
    $stands(1);
});

check('consumer cancel', function (Session $s): void {
    $queue = $s->queue();
    $reader = new Reader($s->channel, $queue);
    $s->send($queue, 'before');
    $before = $reader->expect('before', false);
    same('the cancelled tag', $s->channel->basic_cancel($reader->tag), $reader->tag);
    $s->channel->confirm_select();
    $s->send_confirmed($queue, 'after');
    same('messages behind the consumer', $s->ready($queue), 1);
    $reader->nothing_more();
    $before->ack();
    $s->holds($queue, ['after']);
});

check('consumer cancelled by the server', function (Session $s): void {
    $queue = $s->queue();
    $reader = new Reader($s->channel, $queue, true);
    $s->connection->channel()->queue_delete($queue);
    try {
        $reader->next();
    } catch (AMQPBasicCancelException $e) {
        same('the cancelled tag', $e->consumerTag, $reader->tag);
        same('messages of a new queue on the channel', $s->ready($s->queue()), 0);

        return;
    }
    throw new Failure('something was delivered from an empty queue');
});
