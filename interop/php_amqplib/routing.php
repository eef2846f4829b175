<?php
// SPDX-License-Identifier: Apache-2.0

declare(strict_types=1);

use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

check('direct exchange', function (Session $s): void {
    $x = $s->exchange('direct');
    $north = $s->bound_queue($x, 'north');
    $south = $s->bound_queue($x, 'south');
    foreach (['north', 'south', 'east', 'north'] as $i => $key) {
        $s->publish($x, $key, (string) ($i + 1));
    }
    $s->holds($north, ['1', '4']);
    $s->holds($south, ['2']);

    $s->channel->queue_bind($north, $x, 'south');
    $s->channel->queue_unbind($north, $x, 'north');
    $s->publish($x, 'north', '5');
    $s->publish($x, 'south', '6');
    $s->holds($north, ['6']);
    $s->holds($south, ['6']);
});

check('fanout exchange', function (Session $s): void {
    $x = $s->exchange('fanout');
    $queues = [$s->bound_queue($x), $s->bound_queue($x, 'ignored')];
    $s->publish($x, 'any key', 'to all');
    foreach ($queues as $queue) {
        $s->holds($queue, ['to all']);
    }
});

check('topic exchange', function (Session $s): void {
    $x = $s->exchange('topic');
    $one = $s->bound_queue($x, '*.eu.*');
    $many = $s->bound_queue($x, 'log.#');
    $s->channel->queue_bind($many, $x, '#.disk');
    foreach (
        ['app.eu.net', 'log.eu.disk', 'log', 'log.us.disk.full', 'app.eu', 'app.us.disk',
            'logs.eu'] as $key
    ) {
        $s->publish($x, $key, $key);
    }
    $s->holds($one, ['app.eu.net', 'log.eu.disk']);
    $s->holds($many, ['log.eu.disk', 'log', 'log.us.disk.full', 'app.us.disk']);
});

check('headers exchange', function (Session $s): void {
    $x = $s->exchange('headers');
    $round = ['shape' => 'round', 'size' => 7];
    $all = $s->bound_queue($x, '', ['x-match' => 'all'] + $round);
    $any = $s->bound_queue($x, '', ['x-match' => 'any'] + $round);
    $messages = [
        'both' => $round + ['colour' => 'red'],
        'neither' => ['shape' => 'square', 'size' => 8],
        'one' => ['shape' => 'square', 'size' => 7],
    ];
    foreach ($messages as $body => $headers) {
        $properties = ['application_headers' => new AMQPTable($headers)];
        $s->channel->basic_publish(new AMQPMessage($body, $properties), $x);
    }
    $s->holds($all, ['both']);
    $s->holds($any, ['both', 'one']);
});

check('exchange to exchange binding', function (Session $s): void {
    $source = $s->exchange('topic');
    $target = $s->exchange('direct');
    $queue = $s->bound_queue($target, 'a.b');
    $s->channel->exchange_bind($target, $source, 'a.*');
    $s->publish($source, 'a.b', 'through both');
    $s->publish($source, 'a.c', 'stopped by the second');
    $s->publish($source, 'b.b', 'stopped by the first');
    $s->holds($queue, ['through both']);
    $s->channel->exchange_bind($target, $source, 'keeps the source alive');
    $s->channel->exchange_unbind($target, $source, 'a.*');
    $s->publish($source, 'a.b', 'no longer');
    $s->holds($queue, []);
    $s->channel->exchange_delete($source);
});
