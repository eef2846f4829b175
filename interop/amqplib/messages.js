// SPDX-License-Identifier: Apache-2.0
// Checks about messages: what they carry, and what happens to them.
'use strict';

const assert = require('node:assert/strict');
const {
  Consumer, WAIT_MS, bodyOf, channelOf, check, connected, temporaryQueue, textOf, textsReady,
  unique, until, waitCounts, within, withChannel,
} = require('./session');

const typed = (type, value) => ({ '!': type, value });

// Every field type amqplib writes: S t b B s u I i l f d D T F A V x. It reads all numbers as
// numbers, so that the types of those cannot be compared here.
const HEADERS = {
  longstr: 'Grüße, 世界',
  'longstr-empty': '',
  true: true,
  false: false,
  int8: typed('int8', -128),
  uint8: typed('uint8', 255),
  int16: typed('int16', -32768),
  uint16: typed('uint16', 65535),
  int32: typed('int32', -2147483648),
  uint32: typed('uint32', 4294967295),
  int64: typed('int64', -9007199254740991),
  'int64-small': typed('int64', 1),
  float: typed('float', -1.5),
  double: typed('double', Math.PI),
  'double-whole': typed('double', 2 ** 60),
  decimal: typed('decimal', { places: 2, digits: 314 }),
  timestamp: typed('timestamp', 1709210096),
  void: null,
  bytes: Buffer.from([0, 1, 254, 255]),
  'bytes-empty': Buffer.alloc(0),
  table: { inner: { deep: [1, 'two', null] }, empty: {} },
  array: [1, 300, 70000, 2 ** 40, 0.5, 'two', Buffer.from('x'), false, null, [5, [6]], { n: 7 }],
  'array-empty': [],
  ['k'.repeat(255)]: 'the longest name',
};

// Numbers come back without their type; everything else as it was given.
const HEADERS_READ = Object.fromEntries(Object.entries(HEADERS).map(([name, value]) => {
  const number = value !== null && typeof value.value === 'number' && value['!'] !== 'timestamp';
  return [name, number ? value.value : value];
}));

// All but clusterId, which amqplib does not let a program set.
const PROPERTIES = {
  contentType: 'application/json',
  contentEncoding: 'gzip',
  deliveryMode: 2,
  priority: 9,
  correlationId: 'correlation-1',
  replyTo: 'some.queue',
  expiration: '3600000',
  messageId: 'm'.repeat(255),
  timestamp: 1700000000,
  type: 'kind',
  userId: 'guest',
  appId: 'interop',
};

function sameProperties(message) {
  const { headers, ...rest } = message.properties;
  assert.deepEqual(rest, { ...PROPERTIES, clusterId: undefined });
  assert.deepEqual(headers, HEADERS_READ);
}

check('properties and header types pass unchanged through get and consume', () =>
  withChannel(async (channel) => {
    const queue = await temporaryQueue(channel);
    for (const text of ['one', 'two']) {
      channel.sendToQueue(queue, Buffer.from(text), { ...PROPERTIES, headers: HEADERS });
    }
    const message = await channel.get(queue, { noAck: true });
    assert.equal(textOf(message), 'one');
    sameProperties(message);
    const [delivered] = await (await Consumer.start(channel, queue, { noAck: true })).wait(1);
    assert.equal(textOf(delivered), 'two');
    sameProperties(delivered);
  }));

check('properties that were not set stay unset', () => withChannel(async (channel) => {
  const queue = await temporaryQueue(channel);
  channel.sendToQueue(queue, Buffer.alloc(0));
  const { properties } = await channel.get(queue, { noAck: true });
  const { headers, deliveryMode, ...rest } = properties;
  assert.deepEqual({ ...headers }, {});
  assert.deepEqual(new Set(Object.values(rest)), new Set([undefined]));
}));

check('bodies of 0 bytes, 1 byte, around the frame size and 10 MiB', () =>
  withChannel(async (channel) => {
    const queue = await temporaryQueue(channel);
    const largestPayload = 131072 - 8;
    const sizes = [0, 1, largestPayload, largestPayload + 1, 10 * 1024 * 1024, 1, 0];
    for (const size of sizes) channel.sendToQueue(queue, bodyOf(size));
    for (const size of sizes) {
      const message = await channel.get(queue, { noAck: true });
      assert.ok(message.content.equals(bodyOf(size)), `a body of ${size} bytes from get`);
    }
    const consumer = await Consumer.start(channel, queue, { noAck: true });
    for (const size of sizes) channel.sendToQueue(queue, bodyOf(size));
    await consumer.wait(sizes.length);
    sizes.forEach((size, i) => {
      assert.ok(consumer.got[i].content.equals(bodyOf(size)), `a delivery of ${size} bytes`);
    });
  }));

check('frame_max 4096 is honoured both ways', () => connected(async (connection) => {
  const channel = await channelOf(connection);
  const queue = await temporaryQueue(channel);
  channel.sendToQueue(queue, bodyOf(100000), { headers: { h: 'v'.repeat(2000) } });
  const message = await channel.get(queue, { noAck: true });
  assert.ok(message.content.equals(bodyOf(100000)), 'body');
  assert.deepEqual(message.properties.headers, { h: 'v'.repeat(2000) });
}, { frameMax: 4096 }));

check('publisher confirms, five hundred at once', () => connected(async (connection) => {
  const channel = await channelOf(connection, 'createConfirmChannel');
  const queue = await temporaryQueue(channel);
  const answers = new Map();
  for (let i = 0; i < 500; i++) {
    channel.sendToQueue(queue, Buffer.from(`${i}`), { persistent: i % 2 === 0 }, (error) => {
      assert.ok(!answers.has(i), `message ${i} was confirmed twice`);
      answers.set(i, error);
    });
  }
  await within(WAIT_MS, channel.waitForConfirms(), 'the confirms');
  assert.equal(answers.size, 500);
  assert.deepEqual(new Set(answers.values()), new Set([null]));
  await waitCounts(channel, queue, 500, 0);
}));

check('mandatory: an unroutable message is returned before its confirm', () =>
  connected(async (connection) => {
    const channel = await channelOf(connection, 'createConfirmChannel');
    const events = [];
    channel.on('return', (message) => events.push(message));
    const key = unique('nowhere');
    await within(WAIT_MS, new Promise((resolve, reject) => {
      channel.publish('amq.direct', key, Buffer.from('lost'),
        { ...PROPERTIES, headers: HEADERS, mandatory: true }, (error) => {
          events.push('confirm');
          error ? reject(error) : resolve();
        });
    }), 'the confirm');
    assert.equal(events.length, 2);
    assert.equal(events[1], 'confirm');
    const [returned] = events;
    assert.equal(textOf(returned), 'lost');
    sameProperties(returned);
    assert.deepEqual({ ...returned.fields }, {
      replyCode: 312, replyText: 'NO_ROUTE', exchange: 'amq.direct', routingKey: key,
    });
  }));

check('nack and reject with requeue: redelivered, in the old place', () =>
  withChannel(async (channel) => {
    const queue = await temporaryQueue(channel);
    for (const text of ['1', '2', '3']) channel.sendToQueue(queue, Buffer.from(text));
    for (const settle of ['nack', 'reject']) {
      const message = await channel.get(queue);
      assert.deepEqual([textOf(message), message.fields.messageCount], ['1', 2]);
      if (settle === 'nack') channel.nack(message, false, true);
      else channel.reject(message, true);
    }
    const first = await channel.get(queue);
    assert.deepEqual([textOf(first), first.fields.redelivered], ['1', true]);
    const second = await channel.get(queue);
    assert.equal(second.fields.redelivered, false);
    channel.nack(second, true, true);
    assert.deepEqual(await textsReady(channel, queue), ['1', '2', '3']);
  }));

check('nack and reject without requeue, nackAll, ackAll, recover', () =>
  withChannel(async (channel) => {
    const queue = await temporaryQueue(channel);
    for (const text of ['1', '2', '3', '4']) channel.sendToQueue(queue, Buffer.from(text));
    channel.nack(await channel.get(queue), false, false);
    channel.reject(await channel.get(queue), false);
    await channel.get(queue);
    await channel.recover();
    await channel.get(queue);
    channel.nackAll(true);
    const third = await channel.get(queue);
    assert.deepEqual([textOf(third), third.fields.redelivered], ['3', true]);
    channel.ackAll();
    assert.deepEqual(await textsReady(channel, queue), ['4']);
  }));

check('unacked messages return when their channel closes', () => connected(async (connection) => {
  const [first, second] = [await channelOf(connection), await channelOf(connection)];
  const queue = await temporaryQueue(first);
  for (const text of ['1', '2']) first.sendToQueue(queue, Buffer.from(text));
  await (await Consumer.start(first, queue)).wait(2);
  await first.close();
  const message = await second.get(queue);
  assert.deepEqual([textOf(message), message.fields.redelivered], ['1', true]);
  assert.equal(message.fields.messageCount, 1);
}));

check('prefetch per consumer: exactly N outstanding, more after acks', () =>
  withChannel(async (channel) => {
    const queue = await temporaryQueue(channel);
    const texts = Array.from({ length: 10 }, (_, i) => `${i}`);
    for (const text of texts) channel.sendToQueue(queue, Buffer.from(text));
    await channel.prefetch(3);
    const consumer = await Consumer.start(channel, queue);
    await consumer.wait(3);
    await waitCounts(channel, queue, 7, 1);
    assert.equal(consumer.got.length, 3);
    channel.ack(consumer.got[0]);
    await consumer.wait(4);
    await waitCounts(channel, queue, 6, 1);
    channel.ackAll();
    await consumer.wait(7);
    await waitCounts(channel, queue, 3, 1);
    channel.ackAll();
    await consumer.expect(texts);
  }));

check('prefetch per channel is shared by its consumers', () => withChannel(async (channel) => {
  const queues = [await temporaryQueue(channel), await temporaryQueue(channel)];
  await channel.prefetch(4, true);
  const consumers = [];
  for (const queue of queues) consumers.push(await Consumer.start(channel, queue));
  for (let i = 0; i < 20; i++) channel.sendToQueue(queues[i % 2], Buffer.from(`${i}`));
  const ready = async (queue) => (await channel.checkQueue(queue)).messageCount;
  await until(async () => (await ready(queues[0])) + (await ready(queues[1])) === 16,
    '16 messages held back');
  await until(async () => {
    channel.ackAll();
    await ready(queues[0]);
    return consumers[0].got.length + consumers[1].got.length === 20;
  }, 'the rest after acks');
}));
