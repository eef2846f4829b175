# SPDX-License-Identifier: Apache-2.0
"""Connections and small steps that all checks of kombu use."""

import socket
from contextlib import contextmanager

import kombu

from checks import HOST, PORT, Checks, equal, until

check = Checks()


def connect(**more):
    more.setdefault("password", "guest")
    connection = kombu.Connection(
        HOST, port=PORT, transport="pyamqp", userid="guest", connect_timeout=10, **more)
    connection.connect()
    return connection


@contextmanager
def connected(**more):
    connection = connect(**more)
    try:
        yield connection
    finally:
        connection.release()


@contextmanager
def channel_open(**more):
    with connected(**more) as connection:
        yield connection.channel()


def temporary_queue(channel):
    """A server-named queue that goes with the connection."""
    return channel.queue_declare(exclusive=True, auto_delete=False).queue


def body_bytes(message):
    """The library gives an empty body as a string, a small one as bytes, a large one as a view."""
    return bytes(message.body or b"")


def publish(channel, queue, body, **properties):
    kombu.Producer(channel).publish(body, routing_key=queue, content_type="application/data",
                                    content_encoding="binary", **properties)


def bodies_ready(channel, queue):
    """Takes everything that is ready in the queue, oldest first."""
    bodies = []
    while True:
        message = channel.basic_get(queue, no_ack=True)
        if message is None:
            return bodies
        bodies.append(body_bytes(message))


def counts(channel, queue):
    answer = channel.queue_declare(queue, passive=True)
    return answer.message_count, answer.consumer_count


def wait_counts(channel, queue, messages, consumers):
    """Waits until the queue has so many: RabbitMQ lets the question overtake publishes and acks."""
    until(lambda: counts(channel, queue) == (messages, consumers), lambda: None,
          "%d ready messages and %d consumers" % (messages, consumers))


def drain(connection, seconds=0.2):
    """Handles what arrives; returns after one event, or quietly after so many seconds."""
    try:
        connection.drain_events(timeout=seconds)
    except socket.timeout:
        pass


class Collector:
    """Collects the messages of one kombu consumer."""

    def __init__(self, connection, queue, channel=None, **more):
        self.connection = connection
        self.got = []
        self.consumer = kombu.Consumer(
            channel or connection, [kombu.Queue(queue, no_declare=True)],
            on_message=self.got.append, auto_declare=False, **more)

    def start(self):
        self.consumer.consume()
        return self

    def wait(self, n):
        until(lambda: len(self.got) >= n, lambda: drain(self.connection),
              "%d messages, got %d" % (n, len(self.got)))
        return self.got

    def bodies(self):
        return [body_bytes(message) for message in self.got]

    def expect(self, bodies):
        self.wait(len(bodies))
        equal(self.bodies(), bodies, "what was delivered")
