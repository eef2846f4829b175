# SPDX-License-Identifier: Apache-2.0
"""Connections and small steps that all checks of pika use."""

from contextlib import contextmanager

import pika

from checks import HOST, PORT, Checks, equal, until

check = Checks()


def parameters(password="guest", **more):
    more.setdefault("heartbeat", 0)
    return pika.ConnectionParameters(
        HOST, PORT, credentials=pika.PlainCredentials("guest", password),
        blocked_connection_timeout=30, connection_attempts=1, **more)


@contextmanager
def connected(**more):
    connection = pika.BlockingConnection(parameters(**more))
    try:
        yield connection
    finally:
        if connection.is_open:
            connection.close()


@contextmanager
def channel_open(**more):
    with connected(**more) as connection:
        yield connection.channel()


def temporary_queue(channel, **more):
    """A server-named queue that goes with the connection."""
    return channel.queue_declare("", exclusive=True, **more).method.queue


def publish(channel, queue, body, **properties):
    channel.basic_publish("", queue, body, pika.BasicProperties(**properties))


def bodies_ready(channel, queue):
    """Takes everything that is ready in the queue, oldest first."""
    bodies = []
    while True:
        method, _, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            return bodies
        bodies.append(body)


def counts(channel, queue):
    """Ready messages and consumers."""
    method = channel.queue_declare(queue, passive=True).method
    return method.message_count, method.consumer_count


def wait_counts(channel, queue, messages, consumers):
    """Waits until the queue has so many: RabbitMQ lets the question overtake publishes and acks."""
    until(lambda: counts(channel, queue) == (messages, consumers), lambda: None,
          "%d ready messages and %d consumers" % (messages, consumers))


class Consumer:
    """Collects the deliveries of one consumer as (method, properties, body)."""

    def __init__(self, channel, queue, **more):
        self.channel = channel
        self.got = []
        self.tag = channel.basic_consume(
            queue, lambda _channel, *delivery: self.got.append(delivery), **more)

    def wait(self, n):
        until(lambda: len(self.got) >= n,
              lambda: self.channel.connection.process_data_events(time_limit=0.2),
              "%d deliveries, got %d" % (n, len(self.got)))
        return self.got

    def bodies(self):
        return [body for _, _, body in self.got]

    def expect(self, bodies):
        self.wait(len(bodies))
        equal(self.bodies(), bodies, "what was delivered")
