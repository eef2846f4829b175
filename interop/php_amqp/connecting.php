<?php
// SPDX-License-Identifier: Apache-2.0

declare(strict_types=1);

check('connect', function (Session $s): void {
    same('the connection is open', $s->connection->isConnected(), true);
    same('the channel is open', $s->channel->isConnected(), true);
    same('the frame size', $s->connection->getMaxFrameSize(), 131072);
    same('the number of channels', $s->connection->getMaxChannels(), 256);
    $s->channel->close();
    same('the channel is open', $s->channel->isConnected(), false);
    $s->connection->disconnect();
    same('the connection is open', $s->connection->isConnected(), false);
});

check('refused login', function (Session $s): void {
    try {
        $s->connect(['password' => 'wrong']);
    } catch (AMQPConnectionException $e) {
        same('the code', $e->getCode(), 403);
        same('the text', $e->getMessage(), 'Server connection error: 403, message: ACCESS_REFUSED '
            . '- Login was refused using authentication mechanism PLAIN. For details see the '
            . 'broker logfile. - Potential login failure.');

        return;
    }
    throw new Failure('the wrong password was accepted');
});

/** Request and answer between two connections, each reading what the other wrote. */
check('two connections', function (Session $s): void {
    $other = new AMQPChannel($s->connect());
    $answers = queue_on($s->channel, unique('answers'), AMQP_AUTODELETE);
    $answers->declareQueue();
    $requests = queue_on($other, unique('requests'), AMQP_AUTODELETE);
    $requests->declareQueue();
    $answers->consume(null, AMQP_AUTOACK);
    $requests->consume(null, AMQP_AUTOACK);
    for ($i = 0; $i < 50; $i++) {
        exchange_on($s->channel, '')->publish(
            "request $i",
            $requests->getName(),
            AMQP_NOPARAM,
            ['reply_to' => $answers->getName(), 'correlation_id' => "$i"]
        );
        $request = receive($requests);
        is_message($request, "request $i", false);
        exchange_on($other, '')->publish(
            "answer $i",
            $request->getReplyTo(),
            AMQP_NOPARAM,
            ['correlation_id' => $request->getCorrelationId()]
        );
        $answer = receive($answers);
        is_message($answer, "answer $i", false);
        same('the correlation id', $answer->getCorrelationId(), "$i");
    }
    $answers->cancel();
    $requests->cancel();
});

// While it waits for a delivery, librabbitmq sends heartbeats and gives up after two intervals
// without a frame from the server; the server gives up after 2 to 3 s without one from the client.
check('heartbeat', function (Session $s): void {
    $idle = $s->connect(['heartbeat' => 1, 'read_timeout' => 3.5]);
    same('the negotiated heartbeat', $idle->getHeartbeatInterval(), 1);
    $queue = $s->queue(new AMQPChannel($idle));
    try {
        $queue->consume(fn () => false);
        throw new Failure('something was delivered from an empty queue');
    } catch (AMQPQueueException $e) {
        same('the end of waiting', $e->getMessage(), 'Consumer timeout exceed');
    }
    same('the idle connection is open', $idle->isConnected(), true);
    same('messages in its queue', ready($queue->getName(), $queue->getChannel()), 0);
});
