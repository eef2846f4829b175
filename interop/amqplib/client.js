// SPDX-License-Identifier: Apache-2.0
// amqplib: connections, topology, consumers and errors; messages.js has what concerns messages.
//
// amqplib has no transactions and cannot set the property cluster-id.
'use strict';

const assert = require('node:assert/strict');
const amqp = require('amqplib');
const callbackApi = require('amqplib/callback_api');

require('./messages');
const {
  Consumer, Relay, URL, WAIT_MS, channelOf, check, connectTo, connected, runChecks,
  temporaryQueue, textsReady, unique, until, waitCounts, within, withChannel,
} = require('./session');

// What a server of RabbitMQ's kind must announce; clients switch features on by these.
const CAPABILITIES = [
  'publisher_confirms', 'exchange_exchange_bindings', 'basic.nack', 'consumer_cancel_notify',
  'connection.blocked', 'consumer_priorities', 'authentication_failure_close',
  'per_consumer_qos', 'direct_reply_to',
];

// Topic pattern, a key that it matches, a key that it does not match.
const TOPIC_CASES = [
  ['stock.*.nyse', 'stock.ibm.nyse', 'stock.nyse'],
  ['stock.#', 'stock', 'stocks.ibm'],
  ['#.nyse', 'a.b.c.nyse', 'nyse.a'],
  ['*.*', 'a.b', 'a.b.c'],
  ['*.b', '.b', 'b'],
];

// Binding arguments of a headers exchange, headers that match them, headers that do not.
const HEADERS_CASES = [
  [{ 'x-match': 'all', a: 1, b: 'two' }, { a: 1, b: 'two', c: 3 }, { a: 1 }],
  [{ 'x-match': 'any', a: 1, b: 'two' }, { b: 'two' }, { a: 2, b: 'three' }],
  [{ a: true }, { a: true }, { a: false }],
];

async function exists(connection, queue) {
  const channel = await channelOf(connection);
  try {
    await channel.checkQueue(queue);
  } catch (error) {
    assert.equal(error.code, 404);
    return false;
  }
  await channel.close();
  return true;
}

check('connect, identity and capabilities', () => connected(async (connection) => {
  const server = connection.connection.serverProperties;
  assert.equal(server.product, 'RabbitMQ');
  assert.match(server.version, /^\d+\.\d+\.\d+/);
  for (const name of CAPABILITIES) assert.equal(server.capabilities[name], true, name);
}));

check('connect by URL', async () => {
  const connection = await amqp.connect(URL);
  await (await connection.createChannel()).close();
  await connection.close();
});

check('login with a wrong password is refused', () => assert.rejects(
  connectTo({ username: 'guest', password: 'wrong' }),
  /403.*ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN\. For details/));

// The library does not say why.
check('an unknown virtual host is refused', () => assert.rejects(
  connectTo({ vhost: 'nowhere' }), /Expected ConnectionOpenOk; got <ConnectionClose/));

check('direct and fanout exchanges: declare, bind, route, unbind, delete', () =>
  withChannel(async (channel) => {
    const queues = [await temporaryQueue(channel), await temporaryQueue(channel)];
    for (const [kind, want] of [['direct', [['0'], ['1']]], ['fanout', [['0', '1'], ['0', '1']]]]) {
      const { exchange } = await channel.assertExchange(unique(kind), kind);
      await channel.checkExchange(exchange);
      for (const i of [0, 1]) await channel.bindQueue(queues[i], exchange, `key${i}`);
      for (const i of [0, 1]) channel.publish(exchange, `key${i}`, Buffer.from(`${i}`));
      const got = [];
      for (const queue of queues) got.push(await textsReady(channel, queue));
      assert.deepEqual(got, want, kind);
      await channel.unbindQueue(queues[0], exchange, 'key0');
      channel.publish(exchange, 'key0', Buffer.from('unbound'));
      assert.deepEqual(await textsReady(channel, queues[0]), []);
      await channel.deleteExchange(exchange);
    }
  }));

check('topic exchange', () => withChannel(async (channel) => {
  const { exchange } = await channel.assertExchange(unique('topic'), 'topic', { autoDelete: true });
  for (const [pattern, match, other] of TOPIC_CASES) {
    const queue = await temporaryQueue(channel);
    await channel.bindQueue(queue, exchange, pattern);
    channel.publish(exchange, match, Buffer.from('match'));
    channel.publish(exchange, other, Buffer.from('other'));
    assert.deepEqual(await textsReady(channel, queue), ['match'], pattern);
  }
}));

check('headers exchange', () => withChannel(async (channel) => {
  const { exchange } = await channel.assertExchange(
    unique('headers'), 'headers', { autoDelete: true });
  for (const [args, match, other] of HEADERS_CASES) {
    const queue = await temporaryQueue(channel);
    await channel.bindQueue(queue, exchange, '', args);
    channel.publish(exchange, '', Buffer.from('match'), { headers: match });
    channel.publish(exchange, '', Buffer.from('other'), { headers: other });
    assert.deepEqual(await textsReady(channel, queue), ['match'], JSON.stringify(args));
  }
}));

check('exchange-to-exchange binding, internal and alternate exchange', () =>
  withChannel(async (channel) => {
    const [source, inner, spare] = [unique('source'), unique('inner'), unique('spare')];
    await channel.assertExchange(spare, 'fanout');
    await channel.assertExchange(inner, 'fanout', { internal: true });
    await channel.assertExchange(source, 'topic', { alternateExchange: spare });
    const [queue, rest] = [await temporaryQueue(channel), await temporaryQueue(channel)];
    await channel.bindExchange(inner, source, 'a.#');
    await channel.bindQueue(queue, inner, '');
    await channel.bindQueue(rest, spare, '');
    channel.publish(source, 'a.b', Buffer.from('through'));
    channel.publish(source, 'b', Buffer.from('spared'));
    await channel.unbindExchange(inner, source, 'a.#');
    channel.publish(source, 'a.b', Buffer.from('unbound'));
    assert.deepEqual(await textsReady(channel, queue), ['through']);
    assert.deepEqual(await textsReady(channel, rest), ['spared', 'unbound']);
    for (const exchange of [source, inner, spare]) await channel.deleteExchange(exchange);
  }));

check('durable queue: redeclare, counts, purge, delete if empty', () =>
  connected(async (connection) => {
    const channel = await channelOf(connection);
    const queue = unique('durable');
    const declared = await channel.assertQueue(queue);
    assert.deepEqual({ ...declared }, { queue, messageCount: 0, consumerCount: 0 });
    for (const text of ['1', '2']) {
      channel.sendToQueue(queue, Buffer.from(text), { persistent: true });
    }
    await waitCounts(channel, queue, 2, 0);
    assert.equal((await channel.assertQueue(queue)).messageCount, 2);
    const doomed = await channelOf(connection);
    await assert.rejects(doomed.deleteQueue(queue, { ifEmpty: true }),
      new RegExp(`PRECONDITION_FAILED - queue '${queue}' in vhost '/' not empty`));
    assert.equal((await channel.purgeQueue(queue)).messageCount, 2);
    channel.sendToQueue(queue, Buffer.from('3'));
    assert.equal((await channel.deleteQueue(queue)).messageCount, 1);
    assert.equal(await exists(connection, queue), false);
  }));

check('consumer cancel: nothing arrives after it, unacked messages stay', () =>
  withChannel(async (channel) => {
    const queue = await temporaryQueue(channel);
    channel.sendToQueue(queue, Buffer.from('1'));
    const consumer = await Consumer.start(channel, queue);
    await consumer.expect(['1']);
    await channel.cancel(consumer.tag);
    channel.sendToQueue(queue, Buffer.from('2'));
    await waitCounts(channel, queue, 1, 0);
    await consumer.expect(['1']);
    channel.ack(consumer.got[0]);
    assert.deepEqual(await textsReady(channel, queue), ['2']);
  }));

check('the server cancels a consumer whose queue is deleted', () =>
  connected((one) => connected(async (two) => {
    const channel = await channelOf(one);
    const queue = unique('deleted');
    await channel.assertQueue(queue);
    const consumer = await Consumer.start(channel, queue);
    await (await channelOf(two)).deleteQueue(queue);
    assert.deepEqual(await consumer.wait(1), [null]);
    await temporaryQueue(channel);
  })));

check('exclusive queue: refused to another connection, gone with its own', () =>
  connected(async (other) => {
    const queue = unique('exclusive');
    await connected(async (owner) => {
      await (await channelOf(owner)).assertQueue(queue, { exclusive: true });
      const acts = {
        declare: (channel) => channel.assertQueue(queue, { exclusive: true }),
        passive: (channel) => channel.checkQueue(queue),
        consume: (channel) => channel.consume(queue, () => {}),
        get: (channel) => channel.get(queue),
        purge: (channel) => channel.purgeQueue(queue),
      };
      for (const act of Object.values(acts)) {
        await assert.rejects(act(await channelOf(other)), (error) => {
          assert.equal(error.code, 405);
          assert.ok(error.message.includes('RESOURCE_LOCKED - cannot obtain exclusive access to '
            + `locked queue '${queue}' in vhost '/'.`), error.message);
          return true;
        });
      }
    });
    assert.equal(await exists(other, queue), false);
  }));

check('exclusive consumer shuts out others', () => connected(async (connection) => {
  const [channel, second] = [await channelOf(connection), await channelOf(connection)];
  const queue = await temporaryQueue(channel);
  const consumer = await Consumer.start(channel, queue, { exclusive: true });
  await assert.rejects(Consumer.start(second, queue), { code: 403 });
  await channel.cancel(consumer.tag);
  await Consumer.start(await channelOf(connection), queue);
}));

check('a consumer of higher priority is served first', () => withChannel(async (channel) => {
  const queue = await temporaryQueue(channel);
  const low = await Consumer.start(channel, queue, { priority: -1, noAck: true });
  const high = await Consumer.start(channel, queue, { priority: 10, noAck: true });
  for (let i = 0; i < 20; i++) channel.sendToQueue(queue, Buffer.from(`${i}`));
  await high.wait(20);
  assert.equal(low.got.length, 0);
}));

check('auto-delete queue goes with its last consumer', () => connected(async (connection) => {
  const [channel, second] = [await channelOf(connection), await channelOf(connection)];
  const queue = unique('auto');
  await channel.assertQueue(queue, { autoDelete: true });
  const first = await Consumer.start(channel, queue);
  await Consumer.start(second, queue);
  await channel.cancel(first.tag);
  assert.equal(await exists(connection, queue), true);
  await second.close();
  await until(async () => !(await exists(connection, queue)), 'the end of the queue');
}));

check('channel errors cost their channel only, and name code and reason', () =>
  connected(async (connection) => {
    const bystander = await channelOf(connection);
    const queue = unique('errors');
    await bystander.assertQueue(queue, { durable: true });
    const consumer = await Consumer.start(bystander, queue, { noAck: true });
    const name = unique('missing');

    async function expect(code, text, act) {
      const channel = await connection.createChannel();
      const closed = new Promise((resolve) => channel.on('error', resolve));
      Promise.resolve(act(channel)).catch(() => {});
      const error = await within(WAIT_MS, closed, `error ${code}`);
      assert.equal(error.code, code);
      assert.ok(error.message.includes(`"${text}"`), error.message);
    }

    await expect(404, `NOT_FOUND - no queue '${name}' in vhost '/'`,
      (channel) => channel.checkQueue(name));
    await expect(404, `NOT_FOUND - no exchange '${name}' in vhost '/'`,
      (channel) => channel.publish(name, 'k', Buffer.from('lost')));
    await expect(406, `PRECONDITION_FAILED - inequivalent arg 'durable' for queue '${queue}' in `
      + "vhost '/': received 'false' but current is 'true'",
    (channel) => channel.assertQueue(queue, { durable: false }));
    await expect(406, 'PRECONDITION_FAILED - unknown delivery tag 99',
      (channel) => channel.ack({ fields: { deliveryTag: 99 } }));
    (await channelOf(connection)).sendToQueue(queue, Buffer.from('still here'));
    await consumer.expect(['still here']);
    await bystander.deleteQueue(queue);
  }));

check('connection errors close the connection, and name code and reason', async () => {
  const connection = await connectTo();
  const closed = new Promise((resolve) => connection.on('error', resolve));
  const channel = await channelOf(connection);
  const queue = await temporaryQueue(channel);
  await Consumer.start(channel, queue, { consumerTag: 'twice' });
  await assert.rejects(Consumer.start(channel, queue, { consumerTag: 'twice' }));
  const error = await within(WAIT_MS, closed, 'the error');
  assert.equal(error.code, 530);
  assert.match(error.message, /NOT_ALLOWED - attempt to reuse consumer tag 'twice'/);
});

check('two connections at once', () => connected((one) => connected(async (two) => {
  const receiver = await channelOf(two);
  const queue = await temporaryQueue(receiver);
  const consumer = await Consumer.start(receiver, queue, { noAck: true });
  const sender = await channelOf(one);
  const texts = Array.from({ length: 200 }, (_, i) => `${i}`);
  for (const text of texts) sender.sendToQueue(queue, Buffer.from(text));
  await consumer.expect(texts);
})));

check('two hundred channels on one connection', () => connected(async (connection) => {
  const channels = await Promise.all(
    Array.from({ length: 200 }, () => channelOf(connection)));
  const queue = await temporaryQueue(channels[0]);
  await Promise.all(channels.slice(1).map((channel, i) => {
    channel.sendToQueue(queue, Buffer.from(`${i}`));
    return channel.close();
  }));
  await waitCounts(channels[0], queue, 199, 0);
}));

check('the callback interface', () => within(WAIT_MS, new Promise((resolve, reject) => {
  const step = (next) => (error, value) => (error ? reject(error) : next(value));
  callbackApi.connect(URL, step((connection) => {
    connection.createConfirmChannel(step((channel) => {
      channel.assertQueue('', { exclusive: true }, step(({ queue }) => {
        let awaited = 2;
        const arrived = () => {
          awaited--;
          if (awaited === 0) channel.close(step(() => connection.close(step(resolve))));
        };
        channel.consume(queue, (message) => {
          channel.ack(message);
          arrived();
        }, {}, step(() => channel.sendToQueue(queue, Buffer.from('x'), {}, step(arrived))));
      }));
    }));
  }));
}), 'the message and its confirm'));

check('the library recovers a connection that was cut', async () => {
  const relay = await Relay.open();
  const texts = [];
  let onText = () => {};
  let channel;
  const queue = unique('recovered');
  const setup = async (model) => {
    channel = await channelOf(model);
    await channel.assertQueue(queue, { exclusive: true });
    await channel.consume(queue, (message) => {
      texts.push(message.content.toString());
      onText();
    }, { noAck: true });
  };
  const connection = await amqp.connect({ hostname: '127.0.0.1', port: relay.port },
    { recovery: { initialDelay: 50, setup } });
  connection.on('error', () => {});
  const text = (n) => within(WAIT_MS, new Promise((resolve) => {
    onText = () => texts.length >= n && resolve();
    onText();
  }), `text ${n}`);
  channel.sendToQueue(queue, Buffer.from('before'));
  await text(1);
  const back = new Promise((resolve) => connection.once('connect', resolve));
  relay.cut();
  await within(WAIT_MS, back, 'the connection to come back');
  channel.sendToQueue(queue, Buffer.from('after'));
  await text(2);
  assert.deepEqual(texts, ['before', 'after']);
  await connection.close();
  relay.close();
});

// amqplib itself gives up a connection on which it heard nothing for two intervals.
check('heartbeats keep an idle connection open, and the server sends them', () =>
  connected(async (connection) => {
    const channel = await channelOf(connection);
    await new Promise((resolve) => setTimeout(resolve, 3500));
    assert.deepEqual(connection.errors, []);
    await temporaryQueue(channel);
  }, { heartbeat: 1 }));

runChecks();
