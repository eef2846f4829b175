# SPDX-License-Identifier: Apache-2.0
"""Connections and small steps that all checks of aio-pika use."""

import asyncio
import time
from contextlib import asynccontextmanager

import aio_pika

from checks import HOST, PORT, WAIT_SECONDS, Checks, equal

check = Checks()


@asynccontextmanager
async def connected(**more):
    connection = await aio_pika.connect(host=HOST, port=PORT, **more)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def channel_open(**more):
    async with connected() as connection:
        yield await connection.channel(**more)


async def temporary_queue(channel):
    """A queue with a name of its own that goes with the connection."""
    return await channel.declare_queue(exclusive=True)


async def publish(channel, queue, body, **properties):
    await channel.default_exchange.publish(
        aio_pika.Message(body, **properties), routing_key=queue.name)


async def bodies_ready(queue):
    """Takes everything that is ready in the queue, oldest first."""
    bodies = []
    while True:
        message = await queue.get(no_ack=True, fail=False)
        if message is None:
            return bodies
        bodies.append(message.body)


async def wait_counts(channel, queue, messages, consumers):
    """Waits until the queue has so many: RabbitMQ lets the question overtake publishes and acks."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        answer = await channel.channel.queue_declare(queue.name, passive=True)
        got = (answer.message_count, answer.consumer_count)
        if got == (messages, consumers):
            return
        if time.monotonic() > deadline:
            equal(got, (messages, consumers), "ready messages and consumers")


class Consumer:
    """Collects the deliveries of one consumer."""

    @classmethod
    async def start(cls, queue, **more):
        self = cls()
        self.got = []
        self._arrived = asyncio.Condition()
        self.tag = await queue.consume(self._on_message, **more)
        return self

    async def _on_message(self, message):
        async with self._arrived:
            self.got.append(message)
            self._arrived.notify_all()

    async def wait(self, n):
        async with self._arrived:
            try:
                await asyncio.wait_for(
                    self._arrived.wait_for(lambda: len(self.got) >= n), WAIT_SECONDS)
            except asyncio.TimeoutError:
                raise AssertionError("%d of %d deliveries" % (len(self.got), n)) from None
        return self.got

    async def expect(self, bodies):
        await self.wait(len(bodies))
        equal([message.body for message in self.got], bodies, "what was delivered")


class Relay:
    """A TCP relay in front of the broker whose connections can be cut without any goodbye."""

    @classmethod
    @asynccontextmanager
    async def open(cls):
        self = cls()
        self._writers = []
        server = await asyncio.start_server(self._on_client, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()

    def cut(self):
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _on_client(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection(HOST, PORT)
        self._writers += [writer, far_writer]
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    @staticmethod
    async def _pump(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()
