<?php
// SPDX-License-Identifier: Apache-2.0

declare(strict_types=1);

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

    return sprintf('interop.pecl.%d.%d.%s', getmypid(), ++$names, $what);
}

/** A queue as one channel sees it. The name may belong to a queue that was declared elsewhere. */
function queue_on(AMQPChannel $channel, string $name, int $flags = AMQP_NOPARAM): AMQPQueue
{
    $queue = new AMQPQueue($channel);
    if ($name !== '') {
        $queue->setName($name);
    }
    $queue->setFlags($flags);

    return $queue;
}

function exchange_on(AMQPChannel $channel, string $name): AMQPExchange
{
    $exchange = new AMQPExchange($channel);
    if ($name !== '') {
        $exchange->setName($name);
    }

    return $exchange;
}

/** The number of ready messages, by a passive declare. */
function ready(string $name, AMQPChannel $channel): int
{
    return queue_on($channel, $name, AMQP_PASSIVE)->declareQueue();
}

function get(AMQPQueue $queue, int $flags = AMQP_NOPARAM): AMQPEnvelope
{
    $envelope = $queue->get($flags);
    if (!$envelope) {
        throw new Failure("queue {$queue->getName()} is empty");
    }

    return $envelope;
}

/** Reads one delivery of the consumers of this queue's channel. */
function receive(AMQPQueue $queue): AMQPEnvelope
{
    $received = null;
    $queue->consume(function (AMQPEnvelope $envelope) use (&$received): bool {
        $received = $envelope;

        return false;
    }, AMQP_JUST_CONSUME);

    return $received;
}

/** Asserts what a message holds and whether it was out before, and returns its tag. */
function is_message(AMQPEnvelope $envelope, string $body, bool $redelivered): int
{
    same('the body', $envelope->getBody(), $body);
    same("redelivered of $body", $envelope->isRedelivery(), $redelivered);

    return (int) $envelope->getDeliveryTag();
}

/** One connection with one open channel, and what a check needs around them. */
final class Session
{
    public AMQPConnection $connection;
    public AMQPChannel $channel;

    /** @var AMQPConnection[] */
    private array $opened = [];

    public function __construct()
    {
        $this->connection = $this->connect();
        $this->channel = new AMQPChannel($this->connection);
    }

    public function connect(array $more = []): AMQPConnection
    {
        $connection = new AMQPConnection($more + [
            'host' => getenv('AMQP_HOST'),
            'port' => (int) getenv('AMQP_PORT'),
            'login' => 'guest',
            'password' => 'guest',
            'connect_timeout' => DEADLINE_S,
            'read_timeout' => DEADLINE_S,
            'write_timeout' => DEADLINE_S,
            'rpc_timeout' => DEADLINE_S,
        ]);
        $connection->connect();

        return $this->opened[] = $connection;
    }

    public function close(): void
    {
        foreach ($this->opened as $connection) {
            $connection->disconnect();
        }
    }

    public function fresh_channel(): AMQPChannel
    {
        return new AMQPChannel($this->connection);
    }

    /** Declares an exclusive queue that the server names. */
    public function queue(?AMQPChannel $channel = null): AMQPQueue
    {
        $queue = queue_on($channel ?? $this->channel, '', AMQP_EXCLUSIVE);
        $queue->declareQueue();

        return $queue;
    }

    /** Declares an auto-delete exchange; it goes with the bindings of the session's queues. */
    public function exchange(string $type): AMQPExchange
    {
        $exchange = exchange_on($this->channel, unique($type));
        $exchange->setType($type);
        $exchange->setFlags(AMQP_AUTODELETE);
        $exchange->declareExchange();
        $exchange->setFlags(AMQP_AUTODELETE | AMQP_PASSIVE);
        $exchange->declareExchange();

        return $exchange;
    }

    public function bound_queue(
        AMQPExchange $exchange,
        string $key = '',
        array $arguments = []
    ): AMQPQueue {
        $queue = $this->queue();
        $queue->bind($exchange->getName(), $key, $arguments);

        return $queue;
    }

    public function send(AMQPQueue $queue, string ...$bodies): void
    {
        foreach ($bodies as $body) {
            exchange_on($this->channel, '')->publish($body, $queue->getName());
        }
    }

    /** Asserts that the queue holds exactly these bodies in this order, and empties it. */
    public function holds(AMQPQueue $queue, string ...$bodies): void
    {
        foreach ($bodies as $body) {
            same('the next body', get($queue, AMQP_AUTOACK)->getBody(), $body);
        }
        $further = $queue->get(AMQP_AUTOACK);
        same('what comes after them', $further ? $further->getBody() : null, null);
    }

    /**
     * Performs something on a new channel that the server refuses, and asserts how; then that the
     * refusal cost that channel only: another channel and the connection go on, a new one opens.
     */
    public function refused(int $code, string $text, callable $action): void
    {
        $broken = $this->fresh_channel();
        try {
            $action($broken);
        } catch (AMQPException $e) {
            same('the code', $e->getCode(), $code);
            same('the text', $e->getMessage(), "Server channel error: $code, message: $text");
            same('the broken channel is open', $broken->isConnected(), false);
            same('the connection is open', $this->connection->isConnected(), true);
            foreach ([$this->channel, $this->fresh_channel()] as $working) {
                $queue = $this->queue($working);
                exchange_on($working, '')->publish('still here', $queue->getName());
                $this->holds($queue, 'still here');
            }

            return;
        }
        throw new Failure("not refused: $text");
    }
}

/**
 * Puts a channel in confirm mode. The function that it returns waits until everything up to this
 * tag is confirmed; without that, the counts of a declare-ok may be older than a message published
 * before the declare.
 */
function confirming(AMQPChannel $channel): callable
{
    $open = [];
    $wanted = 0;
    $channel->setConfirmCallback(
        function (int $tag, bool $multiple) use (&$open, &$wanted): bool {
            foreach ($multiple ? range(1, $tag) : [$tag] as $confirmed) {
                $open[$confirmed] = true;
            }

            return count($open) < $wanted;
        },
        function (int $tag): void {
            throw new Failure("nack of $tag");
        }
    );
    $channel->confirmSelect();

    return function (int $tag) use ($channel, &$open, &$wanted): void {
        $wanted = $tag;
        if (count($open) < $wanted) {
            $channel->waitForConfirm(DEADLINE_S);
        }
        same('what was confirmed', max(array_keys($open)), $tag);
        same('the number of confirms', count($open), $tag);
    };
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
