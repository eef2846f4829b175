# SPDX-License-Identifier: Apache-2.0
"""Checks about messages: what they carry, and what happens to them."""

import datetime
import decimal

import amqp
import kombu

from checks import body_of, contains, equal, raises, same, unique, until
from session import (Collector, bodies_ready, body_bytes, channel_open, check, connected, counts,
                     drain, publish, temporary_queue, wait_counts)

# Every field type py-amqp writes: S t I L d D T F A V. (It writes bytes as S too.)
HEADERS = {
    "longstr": "Grüße, 世界",
    "longstr-empty": "",
    "true": True,
    "false": False,
    "int": 2147483647,
    "int-negative": -2147483647,
    "longlong": 2 ** 40,
    "longlong-lowest": -(2 ** 63),
    "double": 1e300,
    "double-negative": -0.1,
    "decimal": decimal.Decimal("-3.14"),
    "timestamp": datetime.datetime(2024, 2, 29, 12, 34, 56),
    "void": None,
    "table": {"inner": {"deep": [1, "two", None]}, "empty": {}},
    "array": [1, 2 ** 33, "three", 0.5, False, None, [5, [6]], {"seven": 7}],
    "array-empty": [],
    "k" * 255: "the longest name",
}

PROPERTIES = {
    "content_type": "application/json",
    "content_encoding": "gzip",
    "application_headers": HEADERS,
    "delivery_mode": 2,
    "priority": 9,
    "correlation_id": "correlation-1",
    "reply_to": "some.queue",
    "expiration": "3600000",
    "message_id": "m" * 255,
    "timestamp": 1700000000,
    "type": "kind",
    "user_id": "guest",
    "app_id": "interop",
    "cluster_id": "cluster",
}


@check("py-amqp: all properties and header types pass unchanged through get and consume")
def properties():
    with connected() as connection:
        channel = connection.default_channel
        queue = temporary_queue(channel)
        for body in (b"one", b"two"):
            channel.basic_publish(amqp.Message(body, **PROPERTIES), routing_key=queue)
        message = channel.basic_get(queue, no_ack=True)
        equal(body_bytes(message), b"one", "body")
        same(message.properties, PROPERTIES, "properties")
        got = []
        channel.basic_consume(queue, no_ack=True, callback=got.append)
        until(lambda: got, lambda: drain(connection), "a message")
        equal(body_bytes(got[0]), b"two", "body")
        same(got[0].properties, PROPERTIES, "properties")


@check("py-amqp: properties that were not set stay unset")
def absent_properties():
    with channel_open() as channel:
        queue = temporary_queue(channel)
        channel.basic_publish(amqp.Message(b""), routing_key=queue)
        same(channel.basic_get(queue, no_ack=True).properties, {}, "properties")


@check("serializers, compression and content types")
def serializers():
    with connected() as connection:
        queue = temporary_queue(connection.default_channel)
        producer = kombu.Producer(connection.default_channel)
        payload = {"text": "Grüße", "list": [1, 2.5, None, True], "long": "x" * 100000}
        for serializer in ("json", "pickle"):
            for compression in (None, "zlib", "bzip2"):
                producer.publish(payload, routing_key=queue, serializer=serializer,
                                 compression=compression, priority=3, expiration=60)
        got = Collector(connection, queue, accept=["json", "pickle"]).start().wait(6)
        for message in got:
            same(message.payload, payload, "payload")
            equal(message.properties["expiration"], "60000", "expiration")
            message.ack()
        equal([message.headers.get("compression") for message in got[:3]],
              [None, "application/x-gzip", "application/x-bz2"], "compression headers")


@check("bodies of 0 bytes, 1 byte, around the frame size and 10 MiB")
def bodies():
    with connected() as connection:
        channel = connection.default_channel
        queue = temporary_queue(channel)
        largest_payload = 131072 - 8
        sizes = [0, 1, largest_payload, largest_payload + 1, 10 * 1024 * 1024, 1, 0]
        for size in sizes:
            publish(channel, queue, body_of(size))
        for size in sizes:
            body = body_bytes(channel.basic_get(queue, no_ack=True))
            equal(body, body_of(size), "a body of %d bytes from get" % size)
        collector = Collector(connection, queue, no_ack=True).start()
        for size in sizes:
            publish(channel, queue, body_of(size))
        collector.expect([body_of(size) for size in sizes])


@check("publisher confirms")
def confirms():
    with connected(transport_options={"confirm_publish": True}) as connection:
        channel = connection.default_channel
        queue = temporary_queue(channel)
        for i in range(100):
            publish(channel, queue, b"%d" % i, delivery_mode=1 + i % 2)
        equal(counts(channel, queue), (100, 0), "messages and consumers after the confirms")


@check("mandatory: an unroutable message is returned before its confirm")
def mandatory():
    with connected(transport_options={"confirm_publish": True}) as connection:
        returns = []
        producer = kombu.Producer(connection.default_channel,
                                  on_return=lambda *args: returns.append(args))
        key = unique("nowhere")
        producer.publish(b"lost", exchange="amq.direct", routing_key=key, mandatory=True)
        # publish returns with the confirm, so a return that comes later would not be here yet.
        (error, exchange, routing_key, message), = returns
        equal((error.reply_code, error.reply_text), (312, "NO_ROUTE"))
        equal((exchange, routing_key), ("amq.direct", key))
        equal(body_bytes(message), b"lost", "body")


@check("requeue and reject: redelivered, in the old place")
def requeue():
    with channel_open() as channel:
        queue = kombu.Queue(temporary_queue(channel), channel=channel, no_declare=True)
        for body in (b"1", b"2", b"3"):
            publish(channel, queue.name, body)
        message = queue.get()
        equal((body_bytes(message), message.delivery_info["message_count"]), (b"1", 2))
        message.requeue()
        message = queue.get()
        equal((body_bytes(message), message.delivery_info["redelivered"]), (b"1", True))
        message.reject()
        message = queue.get()
        equal((body_bytes(message), message.delivery_info["redelivered"]), (b"2", False))
        channel.basic_recover(requeue=True)
        equal(bodies_ready(channel, queue.name), [b"2", b"3"], "after recover")


@check("prefetch: exactly N outstanding, more after acks")
def prefetch():
    for per_channel in (False, True):
        with connected() as connection:
            channel = connection.default_channel
            queue = temporary_queue(channel)
            for i in range(10):
                publish(channel, queue, b"%d" % i)
            collector = Collector(connection, queue, channel)
            collector.consumer.qos(prefetch_count=3, apply_global=per_channel)
            collector.start().wait(3)
            wait_counts(channel, queue, 7, 1)
            equal(len(collector.got), 3, "deliveries")
            collector.got[0].ack()
            collector.wait(4)
            wait_counts(channel, queue, 6, 1)
            collector.got[3].ack(multiple=True)
            collector.wait(7)
            wait_counts(channel, queue, 3, 1)
            collector.got[6].ack(multiple=True)
            collector.expect([b"%d" % i for i in range(10)])


@check("prefetch per channel can be raised while consuming")
def raised_prefetch():
    with connected() as connection:
        channel = connection.default_channel
        queue = temporary_queue(channel)
        for i in range(10):
            publish(channel, queue, b"%d" % i)
        collector = Collector(connection, queue, channel)
        collector.consumer.qos(prefetch_count=2, apply_global=True)
        collector.start().wait(2)
        wait_counts(channel, queue, 8, 1)
        collector.consumer.qos(prefetch_count=5, apply_global=True)
        collector.wait(5)
        wait_counts(channel, queue, 5, 1)


@check("tx commit and rollback")
def transactions():
    with connected() as connection:
        channel, witness = connection.channel(), connection.channel()
        queue = temporary_queue(channel)
        channel.tx_select()
        publish(channel, queue, b"committed")
        equal(counts(witness, queue)[0], 0, "messages before the commit")
        channel.tx_commit()
        equal(counts(witness, queue)[0], 1, "messages after the commit")
        publish(channel, queue, b"rolled back")
        message = channel.basic_get(queue)
        channel.basic_ack(message.delivery_tag)
        channel.tx_rollback()
        equal(counts(witness, queue)[0], 0, "messages after the rollback")
        channel.basic_reject(message.delivery_tag, requeue=True)
        channel.tx_commit()
        equal(bodies_ready(witness, queue), [b"committed"], "after a rolled back ack and a reject")
        with raises(amqp.PreconditionFailed) as caught:
            witness.tx_commit()
        contains(caught.error.reply_text, "PRECONDITION_FAILED - channel is not transactional")
