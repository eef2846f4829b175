// SPDX-License-Identifier: Apache-2.0
// What all checks of amqplib use: a list of named checks, connections, consumers, a TCP relay.
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const net = require('node:net');
const amqp = require('amqplib');

const HOST = process.env.AMQP_HOST;
const PORT = Number(process.env.AMQP_PORT);
const URL = process.env.AMQP_URL;

// Long enough for a sanitizer build on a busy machine, short enough to end a hung run.
const CHECK_MS = 60000;
const WAIT_MS = 20000;

const checks = [];
const runId = crypto.randomBytes(4).toString('hex');
let serial = 0;

function check(name, run) {
  checks.push({ name, run });
}

// Runs every check in order and ends the process.
async function runChecks() {
  let failed = 0;
  for (const { name, run } of checks) {
    try {
      await within(CHECK_MS, run(), 'the check');
      console.log(`ok - ${name}`);
    } catch (error) {
      failed++;
      const reason = `${error.name}: ${error.message}`.replace(/\s+/g, ' ').slice(0, 400);
      console.log(`not ok - ${name}: ${reason}\n${error.stack}`);
    }
  }
  process.exitCode = failed ? 1 : 0;
  process.exit();
}

// The promise's value, unless it takes longer than so many milliseconds.
function within(ms, promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// A name nobody has used, so that one run does not meet the remains of another.
function unique(kind) {
  serial++;
  return `interop.${runId}.${kind}.${serial}`;
}

// The same bytes for the same size, with no period that could hide a lost or doubled frame.
function bodyOf(size) {
  const cipher = crypto.createCipheriv('aes-128-ctr', Buffer.alloc(16, size), Buffer.alloc(16));
  return cipher.update(Buffer.alloc(size));
}

function connectTo(options = {}, socketOptions = {}) {
  return amqp.connect({ hostname: HOST, port: PORT, ...options }, socketOptions);
}

// Runs act(connection) with a connection of its own, and closes that whatever happens. Errors that
// the library reports as events come back from the calls too; `errors` keeps them for a look.
async function connected(act, options) {
  const connection = await connectTo(options);
  connection.errors = [];
  connection.on('error', (error) => connection.errors.push(error));
  let open = true;
  connection.on('close', () => {
    open = false;
  });
  try {
    return await act(connection);
  } finally {
    if (open) await connection.close();
  }
}

async function channelOf(connection, kind = 'createChannel') {
  const channel = await connection[kind]();
  channel.on('error', () => {});
  return channel;
}

const withChannel = (act) => connected(async (connection) => act(await channelOf(connection)));

// A server-named queue that goes with the connection.
async function temporaryQueue(channel) {
  return (await channel.assertQueue('', { exclusive: true })).queue;
}

const textOf = (message) => message.content.toString();

// Takes everything that is ready in the queue, oldest first, as text.
async function textsReady(channel, queue) {
  const texts = [];
  for (;;) {
    const message = await channel.get(queue, { noAck: true });
    if (message === false) return texts;
    texts.push(textOf(message));
  }
}

async function until(holds, what) {
  const deadline = Date.now() + WAIT_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited ${WAIT_MS} ms for ${what}`);
  }
}

// Waits until the queue has so many: RabbitMQ lets the question overtake publishes and acks.
async function waitCounts(channel, queue, messages, consumers) {
  await until(async () => {
    const counts = await channel.checkQueue(queue);
    return counts.messageCount === messages && counts.consumerCount === consumers;
  }, `${messages} ready messages and ${consumers} consumers`);
}

// Collects the deliveries of one consumer; a `null` among them is a cancel by the server.
class Consumer {
  static async start(channel, queue, options) {
    const self = new Consumer();
    self.got = [];
    self.onArrival = () => {};
    self.tag = (await channel.consume(queue, (message) => {
      self.got.push(message);
      self.onArrival();
    }, options)).consumerTag;
    return self;
  }

  async wait(n) {
    const enough = new Promise((resolve) => {
      this.onArrival = () => this.got.length >= n && resolve();
      this.onArrival();
    });
    await within(WAIT_MS, enough, `${n} deliveries, got ${this.got.length}`);
    return this.got;
  }

  async expect(texts) {
    await this.wait(texts.length);
    assert.deepEqual(this.got.map(textOf), texts);
  }
}

// A TCP relay in front of the broker whose connections can be cut without any goodbye.
class Relay {
  static async open() {
    const self = new Relay();
    self.sockets = [];
    self.server = net.createServer((near) => {
      const far = net.connect(PORT, HOST);
      self.sockets.push(near, far);
      for (const [from, to] of [[near, far], [far, near]]) {
        from.on('error', () => to.destroy());
        from.pipe(to);
      }
    });
    await new Promise((resolve) => self.server.listen(0, '127.0.0.1', resolve));
    self.port = self.server.address().port;
    return self;
  }

  cut() {
    for (const socket of this.sockets.splice(0)) socket.resetAndDestroy();
  }

  close() {
    this.server.close();
    this.cut();
  }
}

module.exports = {
  CHECK_MS, Consumer, HOST, PORT, Relay, URL, WAIT_MS, bodyOf, channelOf, check, connectTo,
  connected, runChecks, temporaryQueue, textOf, textsReady, unique, until, waitCounts, within,
  withChannel,
};
