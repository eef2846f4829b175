# SPDX-License-Identifier: Apache-2.0
"""kombu and py-amqp: connections, topology, consumers, errors and kombu's own patterns; what
concerns messages is in messages.py, Celery in celery_client.py.

py-amqp has no basic.nack.
"""

import threading
import time

import amqp
import kombu
from kombu.mixins import ConsumerMixin
from kombu.pidbox import Mailbox
from kombu.pools import ProducerPool

import messages  # noqa: F401  (registers its checks)
from checks import (CAPABILITIES, HEADERS_CASES, REFUSED_LOGIN, TOPIC_CASES, URL, contains, equal,
                    raises, unique, until)
from session import (Collector, bodies_ready, channel_open, check, connect, connected, counts,
                     drain, publish, temporary_queue, wait_counts)


@check("connect, identity and capabilities")
def connect_plain():
    with connected() as connection:
        server = connection.default_channel.connection.server_properties
        equal(server["product"], "RabbitMQ", "product")
        missing = CAPABILITIES - {name for name, on in server["capabilities"].items() if on}
        equal(missing, set(), "missing capabilities")
        equal(connection.qos_semantics_matches_spec, False, "prefetch per consumer")


@check("connect by URL")
def connect_by_url():
    with kombu.Connection(URL) as connection:
        connection.channel().close()


@check("login with a wrong password is refused")
def refused_login():
    with raises(amqp.AccessRefused) as caught:
        connect(password="wrong")
    equal(caught.error.reply_code, 403, "reply code")
    equal(caught.error.reply_text, REFUSED_LOGIN, "reply text")


@check("login with AMQPLAIN, and with a wrong password")
def amqplain():
    connection = connect(login_method="AMQPLAIN")
    connection.channel().close()
    connection.release()
    with raises(amqp.AccessRefused) as caught:
        connect(password="wrong", login_method="AMQPLAIN")
    equal(caught.error.reply_text, REFUSED_LOGIN.replace("PLAIN", "AMQPLAIN"), "reply text")


@check("an unknown virtual host is refused")
def refused_vhost():
    with raises(amqp.NotAllowed) as caught:
        connect(virtual_host="nowhere")
    equal(caught.error.reply_text, "NOT_ALLOWED - vhost nowhere not found", "reply text")


@check("direct and fanout exchanges: declare, bind, route, unbind, delete")
def direct_and_fanout():
    with channel_open() as channel:
        queues = [temporary_queue(channel), temporary_queue(channel)]
        for kind, want in (("direct", [[b"0"], [b"1"]]), ("fanout", [[b"0", b"1"]] * 2)):
            exchange = kombu.Exchange(unique(kind), kind)(channel)
            exchange.declare()
            exchange.declare(passive=True)
            for i, queue in enumerate(queues):
                channel.queue_bind(queue, exchange.name, "key%d" % i)
            for i in range(2):
                exchange.publish(exchange.Message(b"%d" % i), "key%d" % i)
            equal([bodies_ready(channel, queue) for queue in queues], want, kind)
            channel.queue_unbind(queues[0], exchange.name, "key0")
            exchange.publish(exchange.Message(b"unbound"), "key0")
            equal(bodies_ready(channel, queues[0]), [], "after the unbind")
            exchange.delete()


@check("topic and headers exchanges")
def topic_and_headers():
    with channel_open() as channel:
        topic = kombu.Exchange(unique("topic"), "topic", auto_delete=True)(channel)
        headers = kombu.Exchange(unique("headers"), "headers", auto_delete=True)(channel)
        topic.declare()
        headers.declare()
        for pattern, match, other in TOPIC_CASES:
            queue = temporary_queue(channel)
            channel.queue_bind(queue, topic.name, pattern)
            topic.publish(topic.Message(b"match"), match)
            topic.publish(topic.Message(b"other"), other)
            equal(bodies_ready(channel, queue), [b"match"], pattern)
        for arguments, match, other in HEADERS_CASES:
            queue = temporary_queue(channel)
            channel.queue_bind(queue, headers.name, "", arguments=arguments)
            headers.publish(headers.Message(b"match", properties={"headers": {}}, headers=match))
            headers.publish(headers.Message(b"other", properties={"headers": {}}, headers=other))
            equal(bodies_ready(channel, queue), [b"match"], str(arguments))


@check("exchange-to-exchange binding and alternate exchange")
def exchange_to_exchange():
    with channel_open() as channel:
        spare = kombu.Exchange(unique("spare"), "fanout")(channel)
        inner = kombu.Exchange(unique("inner"), "fanout")(channel)
        source = kombu.Exchange(
            unique("source"), "topic", arguments={"alternate-exchange": spare.name})(channel)
        for exchange in (spare, inner, source):
            exchange.declare()
        queue, rest = temporary_queue(channel), temporary_queue(channel)
        inner.bind_to(source, routing_key="a.#")
        channel.queue_bind(queue, inner.name)
        channel.queue_bind(rest, spare.name)
        source.publish(source.Message(b"through"), "a.b")
        source.publish(source.Message(b"spared"), "b")
        inner.unbind_from(source, routing_key="a.#")
        source.publish(source.Message(b"unbound"), "a.b")
        equal(bodies_ready(channel, queue), [b"through"], "the bound exchange")
        equal(bodies_ready(channel, rest), [b"spared", b"unbound"], "the alternate exchange")
        for exchange in (source, inner, spare):
            exchange.delete()


@check("queue with every argument kombu knows: redeclare, purge, delete if empty")
def queue_life():
    with connected() as connection:
        channel = connection.channel()
        exchange = kombu.Exchange(unique("x"), auto_delete=True)
        queue = kombu.Queue(
            unique("arguments"), exchange, "key", durable=True, expires=60, message_ttl=3600,
            max_length=1000, max_length_bytes=1000000, max_priority=10)(channel)
        queue.declare()
        queue.declare()
        with raises(amqp.PreconditionFailed) as caught:
            kombu.Queue(queue.name, max_priority=5)(connection.channel()).queue_declare()
        contains(caught.error.reply_text,
                 "PRECONDITION_FAILED - inequivalent arg 'x-expires' for queue '%s' in vhost '/': "
                 "received none but current is the value '60000' of type 'signedint'" % queue.name)
        for body in (b"1", b"2"):
            publish(channel, queue.name, body)
        wait_counts(channel, queue.name, 2, 0)
        with raises(amqp.PreconditionFailed) as caught:
            kombu.Queue(queue.name)(connection.channel()).delete(if_empty=True)
        contains(caught.error.reply_text, "queue '%s' in vhost '/' not empty" % queue.name)
        equal(queue.purge(), 2, "purged messages")
        queue.delete()
        with raises(amqp.NotFound):
            counts(channel, queue.name)


@check("consumer cancel: nothing arrives after it, unacked messages stay")
def consumer_cancel():
    with connected() as connection:
        channel = connection.default_channel
        queue = temporary_queue(channel)
        publish(channel, queue, b"1")
        collector = Collector(connection, queue, channel).start()
        collector.expect([b"1"])
        collector.consumer.cancel()
        publish(channel, queue, b"2")
        wait_counts(channel, queue, 1, 0)
        collector.expect([b"1"])
        collector.got[0].ack()


@check("the server cancels a consumer whose queue is deleted")
def server_cancel():
    with connected() as one, connected() as two:
        channel = one.default_channel
        queue = unique("deleted")
        channel.queue_declare(queue)
        cancels = []
        channel.basic_consume(queue, "the-tag", callback=print, on_cancel=cancels.append)
        two.default_channel.queue_delete(queue)
        until(lambda: cancels, lambda: drain(one), "a cancel")
        equal(cancels, ["the-tag"], "cancelled tags")
        temporary_queue(channel)


@check("exclusive queue: refused to another connection, gone with its own")
def exclusive_queue():
    queue = unique("exclusive")
    with connected() as other:
        with connected() as owner:
            owner.default_channel.queue_declare(queue, exclusive=True)
            acts = {
                "declare": lambda channel: channel.queue_declare(queue, exclusive=True),
                "consume": lambda channel: channel.basic_consume(queue, callback=print),
                "get": lambda channel: channel.basic_get(queue),
                "purge": lambda channel: channel.queue_purge(queue),
            }
            for act in acts.values():
                with raises(amqp.ResourceLocked) as caught:
                    act(other.channel())
                equal(caught.error.reply_code, 405, "reply code")
                contains(caught.error.reply_text, "RESOURCE_LOCKED - cannot obtain exclusive "
                                                  "access to locked queue '%s'" % queue)
        with raises(amqp.NotFound):
            counts(other.channel(), queue)


@check("auto-delete queue goes with its last consumer")
def auto_delete():
    with connected() as connection:
        channel = connection.default_channel
        queue = unique("auto")
        channel.queue_declare(queue, auto_delete=True)
        first, second = [Collector(connection, queue, channel).start() for _ in range(2)]
        first.consumer.cancel()
        wait_counts(channel, queue, 0, 1)
        second.consumer.cancel()

        def gone():
            try:
                connection.channel().queue_declare(queue, passive=True)
            except amqp.NotFound:
                return True
            return False
        until(gone, lambda: None, "the end of the queue")


@check("channel errors cost their channel only, and name code and reason")
def channel_errors():
    with connected() as connection:
        bystander = connection.channel()
        queue = unique("errors")
        bystander.queue_declare(queue, durable=True, auto_delete=False)
        collector = Collector(connection, queue, bystander, no_ack=True).start()
        name = unique("missing")

        def expect(kind, code, text, act):
            channel = connection.channel()
            with raises(kind) as caught:
                act(channel)
                temporary_queue(channel)
            equal((caught.error.reply_code, caught.error.reply_text), (code, text))

        expect(amqp.NotFound, 404, "NOT_FOUND - no queue '%s' in vhost '/'" % name,
               lambda channel: counts(channel, name))
        expect(amqp.NotFound, 404, "NOT_FOUND - no exchange '%s' in vhost '/'" % name,
               lambda channel: channel.basic_publish(amqp.Message(b"lost"), name, "k"))
        expect(amqp.PreconditionFailed, 406,
               "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '%s' in vhost '/': "
               "received 'false' but current is 'true'" % queue,
               lambda channel: channel.queue_declare(queue, auto_delete=False))
        expect(amqp.PreconditionFailed, 406, "PRECONDITION_FAILED - unknown delivery tag 99",
               lambda channel: channel.basic_ack(99))
        publish(connection.channel(), queue, b"still here")
        collector.expect([b"still here"])
        bystander.queue_delete(queue)


@check("connection errors close the connection, and name code and reason")
def connection_error():
    connection = connect()
    with raises(amqp.AMQPNotImplementedError) as caught:
        connection.default_channel.flow(False)
    equal(caught.error.reply_code, 540, "reply code")
    equal(caught.error.reply_text, "NOT_IMPLEMENTED - active=false", "reply text")
    connection.release()


@check("two connections at once")
def two_connections():
    with connected() as one, connected() as two:
        queue = temporary_queue(two.default_channel)
        collector = Collector(two, queue, no_ack=True).start()
        want = [b"%d" % i for i in range(200)]
        for body in want:
            publish(one.default_channel, queue, body)
        collector.expect(want)


@check("SimpleQueue and SimpleBuffer")
def simple_queue():
    with connected() as one, connected() as two:
        name = unique("simple")
        with one.SimpleQueue(name) as sender, two.SimpleQueue(name) as receiver:
            for i in range(5):
                sender.put({"n": i}, compression="zlib")
            first = receiver.get(timeout=10)
            first.requeue()
            got = [receiver.get(timeout=10) for _ in range(5)]
            equal(sorted(message.payload["n"] for message in got), list(range(5)), "messages")
            for message in got:
                message.ack()
            with raises(receiver.Empty):
                receiver.get_nowait()
            sender.put("rest")
            until(lambda: sender.qsize() + len(receiver.buffer) == 1, lambda: drain(two),
                  "the last message")
        one.default_channel.queue_delete(name)
        one.default_channel.exchange_delete(name)
        with one.SimpleBuffer(unique("buffer")) as buffer:
            buffer.put("x")
            equal(buffer.get(timeout=10).payload, "x", "message")


@check("pidbox: broadcast to two nodes, their replies, and a call to one")
def pidbox():
    mailbox = Mailbox(unique("box"), type="fanout")
    stop = threading.Event()
    ready = threading.Barrier(3)

    def serve(name):
        with connected() as connection:
            node = mailbox(connection).Node(name, state={"name": name},
                                            channel=connection.channel())
            node.handler(hello)
            with node.listen():
                ready.wait(20)
                while not stop.is_set():
                    drain(connection, 0.1)

    def hello(state, greeting):
        return "%s, %s" % (greeting, state["name"])

    nodes = [threading.Thread(target=serve, args=(name,), daemon=True) for name in ("one", "two")]
    for node in nodes:
        node.start()
    try:
        ready.wait(20)
        with connected() as connection:
            box = mailbox(connection)
            replies = box.multi_call("hello", {"greeting": "hi"}, timeout=20, limit=2)
            equal(sorted(map(str, replies)), ["{'one': 'hi, one'}", "{'two': 'hi, two'}"])
            equal(box.call(["two"], "hello", {"greeting": "yo"}, timeout=20),
                  [{"two": "yo, two"}], "reply of one node")
    finally:
        stop.set()
        for node in nodes:
            node.join(20)


@check("ConsumerMixin and a producer pool")
def consumer_mixin():
    exchange = kombu.Exchange(unique("mixin"), "direct", auto_delete=True)
    queue = kombu.Queue(unique("mixin"), exchange, "key", auto_delete=True)

    class Worker(ConsumerMixin):
        def __init__(self, connection):
            self.connection, self.got, self.ready = connection, [], threading.Event()

        def get_consumers(self, consumer_class, channel):
            return [consumer_class([queue], on_message=self.on_message, prefetch_count=2)]

        def on_consume_ready(self, connection, channel, consumers, **kwargs):
            self.ready.set()

        def on_message(self, message):
            self.got.append(message.payload)
            message.ack()
            self.should_stop = len(self.got) == 20

    with connected() as one, connected() as two:
        worker = Worker(one)
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        equal(worker.ready.wait(20), True, "readiness of the worker")
        pool = ProducerPool(two.Pool(2), limit=2)
        for i in range(20):
            with pool.acquire(block=True, timeout=10) as producer:
                producer.publish(i, exchange=exchange, routing_key="key", retry=True)
        thread.join(20)
        equal(worker.got, list(range(20)), "messages")
        pool.force_close_all()


# py-amqp raises if it hears nothing for two intervals.
@check("heartbeats keep an idle connection open, and the server sends them")
def heartbeat():
    with connected(heartbeat=1) as connection:
        channel = connection.default_channel
        equal(connection.connection.heartbeat, 1, "negotiated interval")
        idle_until = time.monotonic() + 3.5
        while time.monotonic() < idle_until:
            connection.heartbeat_check(rate=4)
            drain(connection, 0.25)
        temporary_queue(channel)


check.run()
