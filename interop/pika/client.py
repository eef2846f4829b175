# SPDX-License-Identifier: Apache-2.0
"""pika: connections, topology, consumers and errors; what concerns messages is in messages.py.

pika cannot write floating-point headers, and integers only as `I` and `l`.
"""

import time

import pika

import messages  # noqa: F401  (registers its checks)
from checks import (CAPABILITIES, HEADERS_CASES, REFUSED_LOGIN, TOPIC_CASES, contains, equal,
                    raises, unique, until)
from session import (Consumer, bodies_ready, channel_open, check, connected, counts, parameters,
                     publish, temporary_queue, wait_counts)

ChannelClosed = pika.exceptions.ChannelClosedByBroker


def closed_with(caught, code, text):
    equal(caught.error.reply_code, code, "reply code")
    contains(caught.error.reply_text, text)


def is_gone(channel, queue):
    with raises(ChannelClosed) as caught:
        channel.queue_declare(queue, passive=True)
    closed_with(caught, 404, "NOT_FOUND - no queue '%s' in vhost '/'" % queue)


@check("connect, identity and capabilities")
def connect():
    with connected(client_properties={"connection_name": "interop"}) as connection:
        server = connection._impl.server_properties
        equal(server["product"], "RabbitMQ", "product")
        if [int(part) for part in server["version"].split(".")[:2]] < [3, 10]:
            raise AssertionError("version %s" % server["version"])
        missing = CAPABILITIES - {name for name, on in server["capabilities"].items() if on}
        equal(missing, set(), "missing capabilities")
        equal(connection.channel().channel_number, 1, "channel number")


@check("connect by URL")
def connect_by_url():
    from checks import URL
    connection = pika.BlockingConnection(pika.URLParameters(URL.rstrip("/") + "/%2f?heartbeat=0"))
    connection.channel().close()
    connection.close()


@check("login with a wrong password is refused")
def refused_login():
    with raises(pika.exceptions.ProbableAuthenticationError) as caught:
        pika.BlockingConnection(parameters(password="wrong"))
    contains(caught.error, "403")
    contains(caught.error, REFUSED_LOGIN)


@check("an unknown virtual host is refused")
def refused_vhost():
    with raises(pika.exceptions.ProbableAccessDeniedError) as caught:
        pika.BlockingConnection(parameters(virtual_host="nowhere"))
    contains(caught.error, "530")
    contains(caught.error, "NOT_ALLOWED - vhost nowhere not found")


@check("direct and fanout exchanges: declare, bind, route, unbind, delete")
def direct_and_fanout():
    with channel_open() as channel:
        queues = [temporary_queue(channel), temporary_queue(channel)]
        for kind, want in (("direct", [[b"0"], [b"1"]]), ("fanout", [[b"0", b"1"]] * 2)):
            exchange = unique(kind)
            channel.exchange_declare(exchange, kind, durable=True)
            channel.exchange_declare(exchange, passive=True)
            for i, queue in enumerate(queues):
                channel.queue_bind(queue, exchange, "key%d" % i)
                channel.queue_bind(queue, exchange, "key%d" % i)
            for i in range(2):
                channel.basic_publish(exchange, "key%d" % i, b"%d" % i)
            equal([bodies_ready(channel, queue) for queue in queues], want, kind)
            channel.queue_unbind(queues[0], exchange, "key0")
            channel.basic_publish(exchange, "key0", b"unbound")
            equal(bodies_ready(channel, queues[0]), [], "after the unbind")
            channel.exchange_delete(exchange)


@check("topic exchange")
def topic():
    with channel_open() as channel:
        exchange = unique("topic")
        channel.exchange_declare(exchange, "topic", auto_delete=True)
        for pattern, match, other in TOPIC_CASES:
            queue = temporary_queue(channel)
            channel.queue_bind(queue, exchange, pattern)
            channel.basic_publish(exchange, match, b"match")
            channel.basic_publish(exchange, other, b"other")
            equal(bodies_ready(channel, queue), [b"match"], pattern)


@check("headers exchange")
def headers():
    with channel_open() as channel:
        exchange = unique("headers")
        channel.exchange_declare(exchange, "headers", auto_delete=True)
        for arguments, match, other in HEADERS_CASES:
            queue = temporary_queue(channel)
            channel.queue_bind(queue, exchange, "", arguments)
            for body, table in ((b"match", match), (b"other", other)):
                channel.basic_publish(exchange, "", body, pika.BasicProperties(headers=table))
            equal(bodies_ready(channel, queue), [b"match"], str(arguments))


@check("exchange-to-exchange binding, internal and alternate exchange")
def exchange_to_exchange():
    with channel_open() as channel:
        source, inner, spare = unique("source"), unique("inner"), unique("spare")
        channel.exchange_declare(spare, "fanout")
        channel.exchange_declare(inner, "fanout", internal=True)
        channel.exchange_declare(source, "topic", arguments={"alternate-exchange": spare})
        queue, rest = temporary_queue(channel), temporary_queue(channel)
        channel.exchange_bind(inner, source, "a.#")
        channel.queue_bind(queue, inner)
        channel.queue_bind(rest, spare)
        channel.basic_publish(source, "a.b", b"through")
        channel.basic_publish(source, "b", b"spared")
        channel.exchange_unbind(inner, source, "a.#")
        channel.basic_publish(source, "a.b", b"unbound")
        equal(bodies_ready(channel, queue), [b"through"], "the bound exchange")
        equal(bodies_ready(channel, rest), [b"spared", b"unbound"], "the alternate exchange")
        for exchange in (source, inner, spare):
            channel.exchange_delete(exchange)


@check("predeclared exchanges")
def predeclared():
    with channel_open() as channel:
        queue = temporary_queue(channel)
        for name in ("direct", "fanout", "topic", "headers", "match"):
            channel.exchange_declare("amq." + name, passive=True)
            channel.queue_bind(queue, "amq." + name, "key", {"x-match": "all", "h": queue})
        for name in ("direct", "topic", "headers", "match"):
            channel.basic_publish("amq." + name, "key", name.encode(),
                                  pika.BasicProperties(headers={"h": queue}))
        equal(bodies_ready(channel, queue), [b"direct", b"topic", b"headers", b"match"])


@check("durable queue: redeclare, counts, purge, delete if unused and if empty")
def queue_life():
    with connected() as connection:
        channel = connection.channel()
        queue = unique("durable")
        equal(channel.queue_declare(queue, durable=True).method.queue, queue, "name")
        publish(channel, queue, b"1", delivery_mode=2)
        publish(channel, queue, b"2", delivery_mode=2)
        wait_counts(channel, queue, 2, 0)
        again = channel.queue_declare(queue, durable=True).method
        equal((again.message_count, again.consumer_count), (2, 0), "messages and consumers")
        for text, arguments in (("not empty", {"if_empty": True}), ("in use", {"if_unused": True})):
            doomed = connection.channel()
            Consumer(doomed, queue, auto_ack=False) if "if_unused" in arguments else None
            with raises(ChannelClosed) as caught:
                doomed.queue_delete(queue, **arguments)
            closed_with(caught, 406,
                        "PRECONDITION_FAILED - queue '%s' in vhost '/' %s" % (queue, text))
        equal(channel.queue_purge(queue).method.message_count, 2, "purged messages")
        publish(channel, queue, b"3")
        equal(channel.queue_delete(queue).method.message_count, 1, "deleted messages")
        equal(channel.queue_delete(queue).method.message_count, 0, "deleted again")
        is_gone(channel, queue)


@check("consumer cancel: nothing arrives after it, unacked messages stay")
def consumer_cancel():
    with channel_open() as channel:
        queue = temporary_queue(channel)
        publish(channel, queue, b"1")
        consumer = Consumer(channel, queue)
        consumer.expect([b"1"])
        equal(channel.basic_cancel(consumer.tag), [], "messages pending at the cancel")
        publish(channel, queue, b"2")
        wait_counts(channel, queue, 1, 0)
        channel.connection.process_data_events()
        equal(consumer.bodies(), [b"1"], "deliveries")
        channel.basic_ack(consumer.got[0][0].delivery_tag)


@check("the server cancels a consumer whose queue is deleted")
def server_cancel():
    with connected() as connection, connected() as other:
        channel = connection.channel()
        queue = unique("deleted")
        channel.queue_declare(queue)
        cancels = []
        channel.add_on_cancel_callback(lambda frame: cancels.append(frame.method.consumer_tag))
        channel.basic_consume(queue, lambda *args: None, consumer_tag="the-tag")
        other.channel().queue_delete(queue)
        until(lambda: cancels, lambda: connection.process_data_events(time_limit=0.2), "a cancel")
        equal(cancels, ["the-tag"], "cancelled tags")
        equal(counts(channel, temporary_queue(channel)), (0, 0), "a new queue on the channel")


@check("exclusive queue: refused to another connection, gone with its own")
def exclusive_queue():
    queue = unique("exclusive")
    with connected() as other:
        with connected() as owner:
            owner.channel().queue_declare(queue, exclusive=True)
            equal(counts(owner.channel(), queue), (0, 0), "for its owner")
            for act in ("declare", "consume", "get", "delete"):
                channel = other.channel()
                with raises(ChannelClosed) as caught:
                    if act == "declare":
                        channel.queue_declare(queue, exclusive=True)
                    elif act == "consume":
                        channel.basic_consume(queue, lambda *args: None)
                    elif act == "get":
                        channel.basic_get(queue)
                    else:
                        channel.queue_delete(queue)
                closed_with(caught, 405, "RESOURCE_LOCKED - cannot obtain exclusive access to "
                                         "locked queue '%s' in vhost '/'." % queue)
        is_gone(other.channel(), queue)


@check("exclusive consumer shuts out others")
def exclusive_consumer():
    with connected() as connection:
        channel, second = connection.channel(), connection.channel()
        queue = temporary_queue(channel)
        consumer = Consumer(channel, queue, exclusive=True)
        with raises(ChannelClosed) as caught:
            Consumer(second, queue)
        closed_with(caught, 403,
                    "ACCESS_REFUSED - queue '%s' in vhost '/' in exclusive use" % queue)
        channel.basic_cancel(consumer.tag)
        Consumer(connection.channel(), queue)


@check("auto-delete queue goes with its last consumer, auto-delete exchange with its last binding")
def auto_delete():
    with connected() as connection:
        channel, second = connection.channel(), connection.channel()
        queue, exchange = unique("auto"), unique("auto-x")
        channel.queue_declare(queue, auto_delete=True)
        channel.exchange_declare(exchange, "direct", auto_delete=True)
        channel.queue_bind(queue, exchange, "k")
        first = Consumer(channel, queue)
        Consumer(second, queue)
        channel.basic_cancel(first.tag)
        wait_counts(channel, queue, 0, 1)
        second.close()
        until(lambda: not _exists(connection, "queue_declare", queue), lambda: None, "no queue")
        until(lambda: not _exists(connection, "exchange_declare", exchange), lambda: None,
              "no exchange")


def _exists(connection, declare, name):
    channel = connection.channel()
    try:
        getattr(channel, declare)(name, passive=True)
    except ChannelClosed as closed:
        equal(closed.reply_code, 404, "reply code")
        return False
    channel.close()
    return True


@check("channel errors cost their channel only, and name code and reason")
def channel_errors():
    with connected() as connection:
        bystander = connection.channel()
        queue = unique("errors")
        bystander.queue_declare(queue, durable=True)
        consumer = Consumer(bystander, queue, auto_ack=True)
        name = unique("missing")

        def expect(code, text, act):
            channel = connection.channel()
            with raises(ChannelClosed) as caught:
                act(channel)
                channel.queue_declare(queue, passive=True)
            equal((caught.error.reply_code, caught.error.reply_text), (code, text))
            equal(channel.is_open, False, "open")

        expect(404, "NOT_FOUND - no queue '%s' in vhost '/'" % name,
               lambda channel: channel.queue_declare(name, passive=True))
        expect(404, "NOT_FOUND - no exchange '%s' in vhost '/'" % name,
               lambda channel: channel.basic_publish(name, "k", b"lost"))
        expect(406, "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '%s' in vhost '/': "
                    "received 'false' but current is 'true'" % queue,
               lambda channel: channel.queue_declare(queue, durable=False))
        expect(406, "PRECONDITION_FAILED - unknown delivery tag 99",
               lambda channel: channel.basic_ack(99))
        expect(403, "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
               lambda channel: channel.queue_declare("amq.mine"))
        publish(connection.channel(), queue, b"still here")
        consumer.expect([b"still here"])
        bystander.queue_delete(queue)


@check("connection errors close the connection, and name code and reason")
def connection_error():
    with connected() as connection:
        channel = connection.channel()
        queue = temporary_queue(channel)
        channel.basic_consume(queue, lambda *args: None, consumer_tag="twice")
        with raises(pika.exceptions.ConnectionClosedByBroker) as caught:
            channel.flow(False)
        closed_with(caught, 540, "NOT_IMPLEMENTED - active=false")
    with connected() as connection:
        is_gone(connection.channel(), queue)


@check("two connections at once")
def two_connections():
    with connected() as one, connected() as two:
        sender, receiver = one.channel(), two.channel()
        queue = temporary_queue(receiver)
        consumer = Consumer(receiver, queue, auto_ack=True)
        want = [b"%d" % i for i in range(200)]
        for body in want:
            publish(sender, queue, body)
        consumer.expect(want)


@check("two hundred channels on one connection")
def many_channels():
    with connected() as connection:
        channels = [connection.channel() for _ in range(200)]
        queue = temporary_queue(channels[0])
        for i, channel in enumerate(channels):
            publish(channel, queue, b"%d" % i)
            channel.close()
        equal(sorted(bodies_ready(connection.channel(), queue)),
              sorted(b"%d" % i for i in range(200)))


@check("heartbeats keep an idle connection open, and the server sends them")
def heartbeat():
    with connected(heartbeat=1) as connection:
        channel = connection.channel()
        began = time.monotonic()
        connection.sleep(3.5)
        if time.monotonic() - began < 3.4:
            raise AssertionError("the connection was not idle for long enough")
        received = connection._impl._heartbeat_checker._heartbeat_frames_received
        if received < 3:
            raise AssertionError("%d heartbeats received in three intervals" % received)
        temporary_queue(channel)


check.run()
