# SPDX-License-Identifier: Apache-2.0
"""Checks about messages: what they carry, and what happens to them."""

import asyncio
import datetime
import decimal

import aio_pika
import aiormq

from checks import body_of, contains, equal, raises, same, unique
from session import (Consumer, bodies_ready, channel_open, check, connected, publish,
                     temporary_queue, wait_counts)

# Every field type aio-pika writes: t b s u I i l f D S T F A x V. The integer type follows from the
# value. It writes floats and decimals only inside tables and arrays.
HEADERS = {
    "longstr": "Grüße, 世界",
    "longstr-empty": "",
    "bytes": bytearray(b"\x00\x01\xfe\xff"),
    "true": True,
    "false": False,
    "octet": 127,
    "short": -32768,
    "short-unsigned": 65535,
    "long": -2147483648,
    "long-unsigned": 4294967295,
    "longlong": -(2 ** 63),
    "timestamp": datetime.datetime(2024, 2, 29, 12, 34, 56),
    "void": None,
    "table": {"float": 1.5, "decimal": decimal.Decimal("3.14"), "deep": {"empty": {}}},
    "array": [1, 300, 40000, 70000, 3000000000, 2 ** 40, "s", bytearray(b"x"), False, None, -2.25,
              [5, [6]], {"seven": 7}],
    "array-empty": [],
    "k" * 128: "the longest name that aio-pika lets through",
}

# All but cluster_id, which aio-pika does not let a program set.
PROPERTIES = {
    "content_type": "application/json",
    "content_encoding": "gzip",
    "delivery_mode": aio_pika.DeliveryMode.PERSISTENT,
    "priority": 9,
    "correlation_id": "correlation-1",
    "reply_to": "some.queue",
    "expiration": 3600.0,
    "message_id": "m" * 255,
    "timestamp": datetime.datetime(2023, 11, 14, 22, 13, 20),
    "type": "kind",
    "user_id": "guest",
    "app_id": "interop",
}


def same_properties(message):
    for name, value in PROPERTIES.items():
        same(getattr(message, name), value, name)
    same(message.headers_raw, HEADERS, "headers")


@check("properties and header types pass unchanged through get and consume")
async def properties():
    async with channel_open() as channel:
        queue = await temporary_queue(channel)
        for body in (b"one", b"two"):
            await publish(channel, queue, body, headers=HEADERS, **PROPERTIES)
        message = await queue.get()
        equal(message.body, b"one", "body")
        same_properties(message)
        await message.ack()
        message, = await (await Consumer.start(queue)).wait(1)
        equal(message.body, b"two", "body")
        same_properties(message)
        await message.ack()


@check("bodies of 0 bytes, 1 byte, around the frame size and 10 MiB")
async def bodies():
    async with channel_open() as channel:
        queue = await temporary_queue(channel)
        largest_payload = 131072 - 8
        sizes = [0, 1, largest_payload, largest_payload + 1, 10 * 1024 * 1024, 1, 0]
        for size in sizes:
            await publish(channel, queue, body_of(size))
        for size in sizes:
            message = await queue.get(no_ack=True)
            equal(message.body, body_of(size), "a body of %d bytes from get" % size)
        consumer = await Consumer.start(queue, no_ack=True)
        for size in sizes:
            await publish(channel, queue, body_of(size))
        await consumer.expect([body_of(size) for size in sizes])


@check("publisher confirms, five hundred at once")
async def confirms():
    async with channel_open() as channel:
        queue = await temporary_queue(channel)
        answers = await asyncio.gather(*[
            channel.default_exchange.publish(
                aio_pika.Message(b"%d" % i, delivery_mode=1 + i % 2), routing_key=queue.name)
            for i in range(500)])
        equal({type(answer).__name__ for answer in answers}, {"Ack"}, "confirms")
        await wait_counts(channel, queue, 500, 0)
        equal(len(set(await bodies_ready(queue))), 500, "distinct messages")


@check("mandatory: an unroutable message is returned before its confirm")
async def mandatory():
    async with channel_open(on_return_raises=True) as channel:
        key = unique("nowhere")
        # An ack that came first would end the publish without an error.
        with raises(aiormq.exceptions.PublishError) as caught:
            await channel.default_exchange.publish(
                aio_pika.Message(b"lost", headers=HEADERS, **PROPERTIES), routing_key=key)
        returned = caught.error.message
        equal((returned.delivery.reply_code, returned.delivery.reply_text), (312, "NO_ROUTE"))
        equal((returned.delivery.exchange, returned.delivery.routing_key), ("", key))
        equal(returned.body, b"lost", "body")
        same(returned.header.properties.headers, HEADERS, "headers")


@check("mandatory off: an unroutable message is dropped and confirmed")
async def unroutable():
    async with channel_open() as channel:
        returns = []
        channel.return_callbacks.add(lambda _channel, message: returns.append(message.body))
        fanout = await channel.declare_exchange(unique("fanout"), "fanout", auto_delete=True)
        answer = await fanout.publish(aio_pika.Message(b"dropped"), "", mandatory=False)
        equal(type(answer).__name__, "Ack", "confirm")
        await fanout.publish(aio_pika.Message(b"lost", message_id="1"), "")
        equal(returns, [b"lost"], "what came back")
        await fanout.delete()


@check("nack and reject with requeue: redelivered, in the old place")
async def requeue():
    async with channel_open() as channel:
        queue = await temporary_queue(channel)
        for body in (b"1", b"2", b"3"):
            await publish(channel, queue, body)
        for settle in ("nack", "reject"):
            message = await queue.get()
            equal((message.body, message.message_count), (b"1", 2))
            await getattr(message, settle)(requeue=True)
        message = await queue.get()
        equal((message.body, message.redelivered), (b"1", True))
        second = await queue.get()
        equal(second.redelivered, False, "redelivered of a fresh message")
        await second.nack(multiple=True, requeue=True)
        equal(await bodies_ready(queue), [b"1", b"2", b"3"], "after nack multiple")


@check("message.process: acks on success, rejects on an exception")
async def process():
    async with channel_open() as channel:
        queue = await temporary_queue(channel)
        await publish(channel, queue, b"good")
        await publish(channel, queue, b"bad")
        async with (await queue.get()).process():
            pass
        with raises(ValueError):
            async with (await queue.get()).process(requeue=True):
                raise ValueError
        message = await queue.get()
        equal((message.body, message.redelivered), (b"bad", True))
        with raises(ValueError):
            async with message.process():
                raise ValueError
        await wait_counts(channel, queue, 0, 0)


@check("prefetch: exactly N outstanding, more after acks")
async def prefetch():
    async with channel_open() as channel:
        queue = await temporary_queue(channel)
        for i in range(10):
            await publish(channel, queue, b"%d" % i)
        await channel.set_qos(prefetch_count=3)
        consumer = await Consumer.start(queue)
        await consumer.wait(3)
        await wait_counts(channel, queue, 7, 1)
        equal(len(consumer.got), 3, "deliveries")
        await consumer.got[0].ack()
        await consumer.wait(4)
        await wait_counts(channel, queue, 6, 1)
        await consumer.got[3].ack(multiple=True)
        await consumer.wait(7)
        await wait_counts(channel, queue, 3, 1)
        await consumer.got[6].ack(multiple=True)
        await consumer.expect([b"%d" % i for i in range(10)])


@check("queue iterator")
async def iterator():
    async with channel_open() as channel:
        queue = await temporary_queue(channel)
        want = [b"%d" % i for i in range(50)]
        for body in want:
            await publish(channel, queue, body)
        got = []
        async with queue.iterator() as messages:
            async for message in messages:
                async with message.process():
                    got.append(message.body)
                if len(got) == len(want):
                    break
        equal(got, want, "what was iterated over")
        await wait_counts(channel, queue, 0, 0)


@check("tx commit and rollback")
async def transactions():
    async with connected() as connection:
        channel = await connection.channel(publisher_confirms=False)
        witness = await connection.channel()
        queue = await temporary_queue(channel)
        async with channel.transaction():
            await publish(channel, queue, b"committed")
            await wait_counts(witness, queue, 0, 0)
        await wait_counts(witness, queue, 1, 0)
        transaction = channel.transaction()
        await transaction.select()
        await publish(channel, queue, b"rolled back")
        message = await queue.get()
        await message.ack()
        await transaction.rollback()
        await wait_counts(witness, queue, 0, 0)
        await message.channel.basic_nack(message.delivery_tag, requeue=True)
        await transaction.commit()
        equal(await bodies_ready(queue), [b"committed"], "after a rolled back ack and a nack")
        with raises(aiormq.exceptions.ChannelPreconditionFailed) as caught:
            await witness.channel.tx_select()
        contains(caught.error, "cannot switch from confirm to tx mode")
