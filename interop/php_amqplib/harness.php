<?php
// SPDX-License-Identifier: Apache-2.0

declare(strict_types=1);

require_once 'PhpAmqpLib/autoload.php';

use PhpAmqpLib\Channel\AMQPChannel;
use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPProtocolChannelException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

/** Everything that is waited for has this long to happen. */
const DEADLINE_S = 10.0;

final class Failure extends Exception
{
}

function show(mixed $value): string
{
    return substr(is_scalar($value) ? var_export($value, true) : print_r($value, true), 0, 200);
}

function same(string $what, mixed $got, mixed $wanted): void
{
    if ($got !== $wanted) {
        throw new Failure("$what is " . show($got) . ', not ' . show($wanted));
    }
}

/** Makes a name that no other run against the same broker uses. */
function unique(string $what): string
{
    static $names = 0;

    return sprintf('interop.php.%d.%d.%s', getmypid(), ++$names, $what);
}

/** Waits on a channel, which is what makes the library read, until something has happened to it. */
function wait_until(AMQPChannel $channel, string $what, callable $happened): void
{
    $end = microtime(true) + DEADLINE_S;
    while (!$happened()) {
        $left = $end - microtime(true);
        if ($left <= 0) {
            throw new Failure("no $what in " . DEADLINE_S . ' s');
        }
        $channel->wait(null, false, $left);
    }
}

/** A consumer that keeps its messages for the check to read. */
final class Reader
{
    /** @var AMQPMessage[] */
    public array $messages = [];
    public string $tag;

    public function __construct(private AMQPChannel $channel, string $queue, bool $no_ack = false)
    {
        $keep = function (AMQPMessage $message): void {
            $this->messages[] = $message;
        };
        $this->tag = $channel->basic_consume($queue, '', false, $no_ack, false, false, $keep);
    }

    public function next(): AMQPMessage
    {
        wait_until($this->channel, 'delivery', fn () => $this->messages !== []);

        return array_shift($this->messages);
    }

    /** Reads one message and asserts its body and whether it was out before. */
    public function expect(string $body, bool $redelivered): AMQPMessage
    {
        $message = $this->next();
        same('the body', $message->getBody(), $body);
        same("redelivered of $body", (bool) $message->isRedelivered(), $redelivered);

        return $message;
    }

    /** Asserts that nothing came besides what was read. */
    public function nothing_more(): void
    {
        while ($this->channel->hasPendingMethods()) {
            $this->channel->wait(null, true);
        }
        same('the number of further deliveries', count($this->messages), 0);
    }
}

/** One connection with one open channel, and what a check needs around them. */
final class Session
{
    public AMQPStreamConnection $connection;
    public AMQPChannel $channel;

    /** @var AMQPStreamConnection[] */
    private array $opened = [];

    public function __construct()
    {
        $this->connection = $this->connect();
        $this->channel = $this->connection->channel();
    }

    public function connect(
        string $password = 'guest',
        string $method = 'AMQPLAIN',
        int $heartbeat = 0
    ): AMQPStreamConnection {
        return $this->opened[] = new AMQPStreamConnection(
            getenv('AMQP_HOST'),
            (int) getenv('AMQP_PORT'),
            'guest',
            $password,
            '/',
            false,
            $method,
            null,
            'en_US',
            DEADLINE_S,
            DEADLINE_S,
            null,
            false,
            $heartbeat,
            DEADLINE_S
        );
    }

    public function close(): void
    {
        foreach ($this->opened as $connection) {
            if ($connection->isConnected()) {
                $connection->close();
            }
        }
    }

    /** Declares an exclusive queue that the server names. */
    public function queue(?AMQPChannel $channel = null): string
    {
        return ($channel ?? $this->channel)->queue_declare('', false, false, true, false)[0];
    }

    /** Declares an auto-delete exchange; it goes with the bindings of the session's queues. */
    public function exchange(string $type): string
    {
        $name = unique($type);
        $this->channel->exchange_declare($name, $type, false, false, true);
        $this->channel->exchange_declare($name, $type, true, false, true);

        return $name;
    }

    public function bound_queue(string $exchange, string $key = '', array $arguments = []): string
    {
        $queue = $this->queue();
        $this->channel->queue_bind($queue, $exchange, $key, false, new AMQPTable($arguments));

        return $queue;
    }

    public function send(string $queue, string ...$bodies): void
    {
        foreach ($bodies as $body) {
            $this->publish('', $queue, $body);
        }
    }

    public function publish(string $exchange, string $key, string $body): void
    {
        $this->channel->basic_publish(new AMQPMessage($body), $exchange, $key);
    }

    /**
     * Publishes and waits until the messages are in their queue; the channel must be in confirm
     * mode. Without that, the counts of a declare-ok may be older than a message published before.
     */
    public function send_confirmed(string $queue, string ...$bodies): void
    {
        $this->send($queue, ...$bodies);
        $this->channel->wait_for_pending_acks(DEADLINE_S);
    }

    public function get(string $queue, bool $no_ack, ?AMQPChannel $channel = null): AMQPMessage
    {
        $message = ($channel ?? $this->channel)->basic_get($queue, $no_ack);
        if ($message === null) {
            throw new Failure("queue $queue is empty");
        }

        return $message;
    }

    /** Asserts that the queue holds exactly these bodies in this order, and empties it. */
    public function holds(string $queue, array $bodies, ?AMQPChannel $channel = null): void
    {
        foreach ($bodies as $body) {
            same('the next body', $this->get($queue, true, $channel)->getBody(), $body);
        }
        $further = ($channel ?? $this->channel)->basic_get($queue, true);
        same('what comes after them', $further?->getBody(), null);
    }

    public function ready(string $queue, ?AMQPChannel $channel = null): int
    {
        return ($channel ?? $this->channel)->queue_declare($queue, true)[1];
    }

    /**
     * Performs something on a new channel that the server refuses, and asserts how; then that the
     * refusal cost that channel only: another channel and the connection go on, a new one opens.
     */
    public function refused(int $code, string $text, callable $action): void
    {
        $broken = $this->connection->channel();
        try {
            $action($broken);
        } catch (AMQPProtocolChannelException $e) {
            same('the reply code', $e->getCode(), $code);
            same('the reply text', $e->amqp_reply_text, $text);
            same('the broken channel is open', (bool) $broken->is_open(), false);
            same('the connection is open', $this->connection->isConnected(), true);
            foreach ([$this->channel, $this->connection->channel()] as $working) {
                $queue = $this->queue($working);
                $working->basic_publish(new AMQPMessage('still here'), '', $queue);
                $this->holds($queue, ['still here'], $working);
            }

            return;
        }
        throw new Failure("not refused: $text");
    }
}

/** @var array<string, callable> */
$checks = [];

function check(string $name, callable $body): void
{
    global $checks;
    $checks[$name] = $body;
}

function passes(string $name, callable $body): bool
{
    try {
        $session = new Session();
        $body($session);
        $session->close();
    } catch (Throwable $e) {
        $reason = str_replace("\n", ' ', substr($e->getMessage(), 0, 400));
        echo "not ok - $name: ", get_class($e), ": $reason\n";
        fwrite(STDERR, $e->getTraceAsString() . "\n");

        return false;
    }
    echo "ok - $name\n";

    return true;
}

function run_checks(): bool
{
    global $checks;
    $passed = true;
    foreach ($checks as $name => $body) {
        $passed = passes($name, $body) && $passed;
    }

    return $passed;
}
