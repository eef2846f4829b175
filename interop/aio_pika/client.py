# SPDX-License-Identifier: Apache-2.0
"""aio-pika: connections, topology, consumers and errors; messages.py has what concerns messages.

aio-pika cannot set the property cluster_id nor declare an internal exchange, and it does not tell a
program that the server cancelled its consumer; its lower layer, aiormq, forgets the consumer then,
and that is what is looked at.
"""

import asyncio
import logging

import aio_pika
import aiormq
import pamqp.exceptions
from aio_pika.patterns import RPC, Master

import messages  # noqa: F401  (registers its checks)
from checks import (CAPABILITIES, HEADERS_CASES, HOST, PORT, REFUSED_LOGIN, TOPIC_CASES, URL,
                    WAIT_SECONDS, contains, equal, raises, unique)
from session import (Consumer, Relay, bodies_ready, channel_open, check, connected, publish,
                     temporary_queue, wait_counts)

# The library logs every close it is told about, and those are the subject here.
logging.getLogger("aio_pika").setLevel(logging.CRITICAL)
logging.getLogger("aiormq").setLevel(logging.CRITICAL)


async def eventually(holds, what):
    """Asks until the answer is yes; the questions themselves wait for the broker."""
    async def ask():
        while not await holds():
            await asyncio.sleep(0)
    try:
        await asyncio.wait_for(ask(), WAIT_SECONDS)
    except asyncio.TimeoutError:
        raise AssertionError("waited %d s for %s" % (WAIT_SECONDS, what)) from None


async def exists(connection, name, kind="queue"):
    channel = await connection.channel()
    try:
        await getattr(channel.channel, kind + "_declare")(name, passive=True)
    except aiormq.exceptions.ChannelNotFoundEntity:
        return False
    await channel.close()
    return True


@check("connect, identity and capabilities")
async def connect():
    async with connected(client_properties={"connection_name": "interop"}) as connection:
        server = connection.transport.connection.server_properties
        equal(server["product"], "RabbitMQ", "product")
        missing = CAPABILITIES - {name for name, on in server["capabilities"].items() if on}
        equal(missing, set(), "missing capabilities")
        equal((await connection.channel()).number, 1, "channel number")


@check("connect by URL")
async def connect_by_url():
    connection = await aio_pika.connect(URL)
    await (await connection.channel()).close()
    await connection.close()


@check("login with a wrong password is refused")
async def refused_login():
    with raises(aiormq.exceptions.ProbableAuthenticationError) as caught:
        await aio_pika.connect(host=HOST, port=PORT, password="wrong")
    contains(caught.error, REFUSED_LOGIN)


@check("an unknown virtual host is refused")
async def refused_vhost():
    with raises(pamqp.exceptions.AMQPInternalError) as caught:
        await aio_pika.connect(host=HOST, port=PORT, virtualhost="nowhere")
    close = caught.error.args[1]
    equal((close.reply_code, close.reply_text), (530, "NOT_ALLOWED - vhost nowhere not found"))


@check("direct and fanout exchanges: declare, bind, route, unbind, delete")
async def direct_and_fanout():
    async with channel_open() as channel:
        queues = [await temporary_queue(channel) for _ in range(2)]
        for kind, want in (("direct", [[b"0"], [b"1"]]), ("fanout", [[b"0", b"1"]] * 2)):
            exchange = await channel.declare_exchange(unique(kind), kind, durable=True)
            await channel.get_exchange(exchange.name)
            for i, queue in enumerate(queues):
                await queue.bind(exchange, "key%d" % i)
            for i in range(2):
                await exchange.publish(aio_pika.Message(b"%d" % i), "key%d" % i)
            equal([await bodies_ready(queue) for queue in queues], want, kind)
            await queues[0].unbind(exchange, "key0")
            await exchange.publish(aio_pika.Message(b"unbound"), "key0", mandatory=False)
            equal(await bodies_ready(queues[0]), [], "after the unbind")
            await exchange.delete()


@check("topic exchange")
async def topic():
    async with channel_open() as channel:
        exchange = await channel.declare_exchange(unique("topic"), "topic", auto_delete=True)
        for pattern, match, other in TOPIC_CASES:
            queue = await temporary_queue(channel)
            await queue.bind(exchange, pattern)
            for body, key in ((b"match", match), (b"other", other)):
                await exchange.publish(aio_pika.Message(body), key, mandatory=False)
            equal(await bodies_ready(queue), [b"match"], pattern)


@check("headers exchange")
async def headers():
    async with channel_open() as channel:
        exchange = await channel.declare_exchange(unique("headers"), "headers", auto_delete=True)
        for arguments, match, other in HEADERS_CASES:
            queue = await temporary_queue(channel)
            await queue.bind(exchange, "", arguments=arguments)
            for body, table in ((b"match", match), (b"other", other)):
                await exchange.publish(
                    aio_pika.Message(body, headers=table), "", mandatory=False)
            equal(await bodies_ready(queue), [b"match"], str(arguments))


@check("exchange-to-exchange binding")
async def exchange_to_exchange():
    async with channel_open() as channel:
        source = await channel.declare_exchange(unique("source"), "topic")
        inner = await channel.declare_exchange(unique("inner"), "fanout")
        queue = await temporary_queue(channel)
        await inner.bind(source, "a.#")
        await queue.bind(inner)
        await source.publish(aio_pika.Message(b"through"), "a.b")
        await inner.unbind(source, "a.#")
        await source.publish(aio_pika.Message(b"unbound"), "a.b", mandatory=False)
        equal(await bodies_ready(queue), [b"through"], "the bound exchange")
        await source.delete()
        await inner.delete()


@check("durable queue: redeclare, counts, purge, delete")
async def queue_life():
    async with connected() as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(unique("durable"), durable=True)
        for body in (b"1", b"2"):
            await publish(channel, queue, body, delivery_mode=2)
        await wait_counts(channel, queue, 2, 0)
        again = await channel.declare_queue(queue.name, durable=True)
        equal(again.declaration_result.message_count, 2, "messages")
        with raises(aiormq.exceptions.ChannelPreconditionFailed) as caught:
            await (await (await connection.channel()).get_queue(queue.name)).delete()
        contains(caught.error, "queue '%s' in vhost '/' not empty" % queue.name)
        equal((await queue.purge()).message_count, 2, "purged messages")
        equal((await queue.delete()).message_count, 0, "deleted messages")
        equal(await exists(connection, queue.name), False, "existence of the deleted queue")


@check("consumer cancel: nothing arrives after it, unacked messages stay")
async def consumer_cancel():
    async with channel_open() as channel:
        queue = await temporary_queue(channel)
        await publish(channel, queue, b"1")
        consumer = await Consumer.start(queue)
        await consumer.wait(1)
        await queue.cancel(consumer.tag)
        await publish(channel, queue, b"2")
        await wait_counts(channel, queue, 1, 0)
        await consumer.expect([b"1"])
        await consumer.got[0].ack()


@check("the server cancels a consumer whose queue is deleted")
async def server_cancel():
    async with connected() as one, connected() as two:
        channel = await one.channel()
        queue = await channel.declare_queue(unique("deleted"))
        consumer = await Consumer.start(queue)
        equal(list(channel.channel.consumers), [consumer.tag], "consumers")
        await (await two.channel()).queue_delete(queue.name)

        async def forgotten():
            await wait_counts(channel, await temporary_queue(channel), 0, 0)
            return not channel.channel.consumers
        await eventually(forgotten, "the cancel")


@check("exclusive queue: refused to another connection, gone with its own")
async def exclusive_queue():
    name = unique("exclusive")
    async with connected() as other:
        async with connected() as owner:
            await (await owner.channel()).declare_queue(name, exclusive=True)
            for act in ("declare", "passive", "consume"):
                channel = await other.channel()
                with raises(aiormq.exceptions.ChannelLockedResource) as caught:
                    if act == "consume":
                        await channel.channel.basic_consume(name, lambda message: None)
                    else:
                        await channel.declare_queue(
                            name, exclusive=True, passive=act == "passive")
                contains(caught.error, "RESOURCE_LOCKED - cannot obtain exclusive access to "
                                       "locked queue '%s' in vhost '/'." % name)
        equal(await exists(other, name), False, "existence after its connection")


@check("auto-delete queue goes with its last consumer")
async def auto_delete():
    async with connected() as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(unique("auto"), auto_delete=True)
        first, second = [await Consumer.start(queue) for _ in range(2)]
        await queue.cancel(first.tag)
        equal(await exists(connection, queue.name), True, "existence with a consumer left")
        await queue.cancel(second.tag)

        async def gone():
            return not await exists(connection, queue.name)
        await eventually(gone, "the end of the queue")


@check("channel errors cost their channel only, and name code and reason")
async def channel_errors():
    errors = aiormq.exceptions
    async with connected() as connection:
        bystander = await connection.channel()
        queue = await bystander.declare_queue(unique("errors"), durable=True)
        consumer = await Consumer.start(queue, no_ack=True)
        name = unique("missing")

        async def expect(kind, text, act):
            channel = await connection.channel()
            with raises(kind) as caught:
                await act(channel)
            equal(str(caught.error), text, "reply text")
            equal(channel.is_closed, True, "closed")

        await expect(errors.ChannelNotFoundEntity, "NOT_FOUND - no queue '%s' in vhost '/'" % name,
                     lambda channel: channel.get_queue(name))
        await expect(errors.ChannelNotFoundEntity,
                     "NOT_FOUND - no exchange '%s' in vhost '/'" % name,
                     lambda channel: channel.channel.basic_publish(
                         b"lost", exchange=name, routing_key="k"))
        await expect(errors.ChannelPreconditionFailed,
                     "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '%s' in vhost '/':"
                     " received 'false' but current is 'true'" % queue.name,
                     lambda channel: channel.declare_queue(queue.name))
        await publish(await connection.channel(), queue, b"still here")
        await consumer.expect([b"still here"])
        await queue.delete(if_unused=False)


@check("connection errors close the connection, and name code and reason")
async def connection_error():
    connection = await aio_pika.connect(host=HOST, port=PORT)
    closed = asyncio.get_running_loop().create_future()
    connection.close_callbacks.add(lambda _connection, error: closed.set_result(error))
    channel = await connection.channel()
    with raises(aiormq.exceptions.AMQPError):
        await channel.flow(False)
    error = await asyncio.wait_for(closed, WAIT_SECONDS)
    equal(type(error), aiormq.exceptions.ConnectionNotImplemented, "error")
    contains(error, "NOT_IMPLEMENTED - active=false")


@check("two connections at once")
async def two_connections():
    async with connected() as one, connected() as two:
        receiver = await two.channel()
        queue = await temporary_queue(receiver)
        consumer = await Consumer.start(queue, no_ack=True)
        sender = await one.channel()
        want = [b"%d" % i for i in range(200)]
        for body in want:
            await publish(sender, queue, body)
        await consumer.expect(want)


@check("robust connection comes back after a cut, with its queue, binding and consumer")
async def robust():
    async with Relay.open() as relay, connected() as other:
        connection = await aio_pika.connect_robust(
            host="127.0.0.1", port=relay.port, reconnect_interval=0.1)
        back = asyncio.Event()
        connection.reconnect_callbacks.add(lambda *_: back.set())
        channel = await connection.channel()
        exchange = await channel.declare_exchange(unique("robust"), "direct", auto_delete=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, "key")
        consumer = await Consumer.start(queue)
        sender = await (await other.channel()).get_exchange(exchange.name, ensure=False)
        await sender.publish(aio_pika.Message(b"before"), "key")
        await consumer.wait(1)
        relay.cut()
        await asyncio.wait_for(back.wait(), WAIT_SECONDS)
        await sender.publish(aio_pika.Message(b"after"), "key")
        await consumer.expect([b"before", b"after"])
        await connection.close()


@check("RPC pattern")
async def rpc_pattern():
    async def multiply(*, x, y):
        return x * y

    async with connected() as one, connected() as two:
        server = await RPC.create(await one.channel())
        name = unique("multiply")
        await server.register(name, multiply, auto_delete=True)
        client = await RPC.create(await two.channel())
        answers = await asyncio.gather(*[client.call(name, {"x": i, "y": 2}) for i in range(50)])
        equal(answers, [2 * i for i in range(50)], "answers")
        with raises(aio_pika.MessageProcessError):
            await client.call(unique("nowhere"))
        await client.close()
        await server.close()


@check("worker pattern")
async def master_pattern():
    async with connected() as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=1)
        master = Master(channel)
        done = asyncio.Queue()

        async def work(*, task):
            await done.put(task)

        name = unique("tasks")
        worker = await master.create_worker(name, work, auto_delete=True)
        for i in range(20):
            await master.create_task(name, kwargs={"task": i})
        got = [await asyncio.wait_for(done.get(), WAIT_SECONDS) for _ in range(20)]
        equal(got, list(range(20)), "tasks")
        await worker.close()


@check("heartbeats keep an idle connection open")
async def heartbeat():
    connection = await aio_pika.connect(URL + "?heartbeat=1")
    channel = await connection.channel()
    await asyncio.sleep(3.5)
    equal(connection.transport.connection.connection_tune.heartbeat, 1, "heartbeat interval")
    await temporary_queue(channel)
    await connection.close()


check.run()
