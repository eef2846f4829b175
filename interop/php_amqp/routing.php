<?php
// SPDX-License-Identifier: Apache-2.0

declare(strict_types=1);

check('direct exchange', function (Session $s): void {
    $x = $s->exchange(AMQP_EX_TYPE_DIRECT);
    $north = $s->bound_queue($x, 'north');
    $south = $s->bound_queue($x, 'south');
    foreach (['north', 'south', 'east', 'north'] as $i => $key) {
        $x->publish((string) ($i + 1), $key);
    }
    $s->holds($north, '1', '4');
    $s->holds($south, '2');

    $north->bind($x->getName(), 'south');
    $north->unbind($x->getName(), 'north');
    $x->publish('5', 'north');
    $x->publish('6', 'south');
    $s->holds($north, '6');
    $s->holds($south, '6');
});

check('fanout exchange', function (Session $s): void {
    $x = $s->exchange(AMQP_EX_TYPE_FANOUT);
    $queues = [$s->bound_queue($x), $s->bound_queue($x, 'ignored')];
    $x->publish('to all', 'any key');
    foreach ($queues as $queue) {
        $s->holds($queue, 'to all');
    }
});

check('topic exchange', function (Session $s): void {
    $x = $s->exchange(AMQP_EX_TYPE_TOPIC);
    $one = $s->bound_queue($x, '*.eu.*');
    $many = $s->bound_queue($x, 'log.#');
    $many->bind($x->getName(), '#.disk');
    foreach (
        ['app.eu.net', 'log.eu.disk', 'log', 'log.us.disk.full', 'app.eu', 'app.us.disk',
            'logs.eu'] as $key
    ) {
        $x->publish($key, $key);
    }
    $s->holds($one, 'app.eu.net', 'log.eu.disk');
    $s->holds($many, 'log.eu.disk', 'log', 'log.us.disk.full', 'app.us.disk');
});

check('headers exchange', function (Session $s): void {
    $x = $s->exchange(AMQP_EX_TYPE_HEADERS);
    $round = ['shape' => 'round', 'size' => 7];
    $all = $s->bound_queue($x, '', ['x-match' => 'all'] + $round);
    $any = $s->bound_queue($x, '', ['x-match' => 'any'] + $round);
    $messages = [
        'both' => $round + ['colour' => 'red'],
        'neither' => ['shape' => 'square', 'size' => 8],
        'one' => ['shape' => 'square', 'size' => 7],
    ];
    foreach ($messages as $body => $headers) {
        $x->publish($body, '', AMQP_NOPARAM, ['headers' => $headers]);
    }
    $s->holds($all, 'both');
    $s->holds($any, 'both', 'one');
});

check('exchange to exchange binding', function (Session $s): void {
    $source = $s->exchange(AMQP_EX_TYPE_TOPIC);
    $target = $s->exchange(AMQP_EX_TYPE_DIRECT);
    $queue = $s->bound_queue($target, 'a.b');
    $target->bind($source->getName(), 'a.*');
    $source->publish('through both', 'a.b');
    $source->publish('stopped by the second', 'a.c');
    $source->publish('stopped by the first', 'b.b');
    $s->holds($queue, 'through both');
    $target->bind($source->getName(), 'keeps the source alive');
    $target->unbind($source->getName(), 'a.*');
    $source->publish('no longer', 'a.b');
    $s->holds($queue);
    $source->delete();
});
