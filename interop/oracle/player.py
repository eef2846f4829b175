# SPDX-License-Identifier: Apache-2.0
"""Plays a session to one broker, a step at a time, and writes down every frame that comes back.

After each step there is a barrier: channel.flow(active=true), which every broker echoes and which
changes nothing, goes out on every open channel, and is repeated until rounds bring nothing new.
The echoes are the synchronisation; there are no pauses. Closed connections and channels are
opened again when a later step wants them, so a session survives its own errors.
"""

import codec
import methods
from fold import Folder
from handshake import close_politely, connect, handshake_only
from link import LinkSilent
from prodder import Prodder, ask_own_queues, open_channel
from receiver import BARRIER, END_DEADLINE_S, TROUBLE, Receiver
from records import Connection
from steps import (Call, ConnectOptions, DeliveryTag, Drop, GeneratedQueue, GeneratedTag, Handshake,
                   RawBytes, RawFrame)

CONFIRM_DEADLINE_S = 4.0
ROUNDS_MAX = 60

# A step that opens no channel of its own has this one opened, for the barrier to have an echo.
LIFELINE = 8

# Methods after which other processes inside a broker may still have something to say.
CAUSES_MORE = {"basic.publish", "basic.ack", "basic.nack", "basic.reject", "basic.recover",
               "basic.recover-async", "basic.consume", "basic.cancel", "basic.qos", "queue.delete",
               "tx.commit", "channel.close", "connection.close"}


class Player:
    """Plays steps against one broker. `play` may be called once."""

    def __init__(self, port, session):
        self.port = port
        self.session = session
        self.connections = [Connection(slot, options)
                            for slot, options in enumerate(session.options)]
        self.folder = Folder()
        self.receiver = Receiver()
        self.prodder = Prodder(port)

    # -- the course of a session ------------------------------------------------------------

    def play(self, steps):
        """The folded lines of every step, in order; a last entry holds the clean-up's."""
        transcript = []
        for step in steps:
            self.play_step(step)
            self.prodder.learn_generated(self.folder.names.queues())
            transcript.append(self.folder.fold(*self.receiver.take_events()))
        self.prodder.close()
        for connection in self.connections:
            close_politely(self.receiver, connection)
        self.clean_up()
        transcript.append(self.folder.fold(*self.receiver.take_events()))
        return transcript

    def play_step(self, step):
        """Sends one step and waits until both its answers and all they cause have arrived."""
        connection = self.connections[step.slot]
        try:
            opened = step.channel if step.opens and step.channel else LIFELINE
            if not is_handshake(step) and not self.ready(connection, opened):
                return
            self.perform(connection, step)
        except TROUBLE as error:
            self.receiver.trouble(connection, error)
        self.await_gone(connection)
        self.barrier(step)
        self.await_gone(connection)  # its end may have been noticed by the barrier

    def await_gone(self, connection):
        """Waits until the exclusive queues of a connection that ended are gone."""
        names = connection.exclusive_queues + connection.unanswered_queues
        if connection.link is None and names:
            self.guarded(self.prodder.await_gone, names)
            connection.exclusive_queues = []
            connection.unanswered_queues = []

    def ready(self, connection, number):
        """Opens the connection and the channel of a step if they are not open."""
        if connection.link is None:
            connect(self.receiver, connection, self.port)
        return connection.link is not None and open_channel(self.receiver, connection,
                                                            number).open

    def perform(self, connection, step):
        """Sends everything a step consists of, then waits for its direct replies."""
        channel = connection.channel(step.channel)
        before, expected, out = channel.n_replies, 0, bytearray()
        if step.safely:
            self.guarded(self.prodder.prod)
        for operation in step.ops:
            if isinstance(operation, Handshake):
                spare = Connection(len(self.connections), operation.options)
                handshake_only(self.receiver, spare, self.port)
            elif isinstance(operation, Drop):
                self.drop(connection, bytes(out) + operation.last_words)
                return
            else:
                data, n_replies = self.encode(connection, step, operation)
                out += data
                expected += n_replies
        if connection.link is None or not out:
            return
        channel.clean = step.clean
        connection.link.send(bytes(out))
        self.receiver.await_replies(connection, step.channel, before + expected)
        self.await_confirms(connection, step.channel)

    # -- sending ----------------------------------------------------------------------------

    def encode(self, connection, step, operation):
        """(bytes of an operation, number of direct replies it should get)."""
        if isinstance(operation, RawBytes):
            return operation.data, 0
        if isinstance(operation, RawFrame):
            number = step.channel if operation.channel is None else operation.channel
            return codec.encode_frame(operation.type, number, operation.payload, operation.end), 0
        channel = connection.channel(step.channel)
        fields = self.resolve(channel, operation)
        if fields is None or step.safely and not self.is_safe(channel, operation.name, fields):
            self.receiver.note(connection, step.channel,
                               f"[nothing to send for {operation.name}]")
            return b"", 0
        data = codec.encode_frame(codec.FRAME_METHOD, step.channel,
                                  codec.encode_method(operation.name, fields))
        if operation.content is not None:
            data += encode_content(connection, step.channel, operation.content)
        expect_effects(channel, operation, fields)
        if operation.name == "queue.declare" and not isinstance(fields["queue"], bytes):
            name = fields["queue"].replace("\r", "").replace("\n", "")
            self.prodder.learn(name)
            if name and fields.get("exclusive") and fields.get("nowait"):
                connection.unanswered_queues.append(name)
        answered = operation.name in methods.REPLY or operation.name == "basic.get"
        return data, int(answered and not fields.get("nowait"))

    def resolve(self, channel, operation):
        """The fields of a call with its symbols filled in, or None when one names nothing."""
        fields = {name: self.folder.names.resolve(value)
                  if isinstance(value, (GeneratedQueue, GeneratedTag)) else value
                  for name, value in operation.fields.items()}
        if None in fields.values():
            return None
        symbol = fields.get("delivery_tag")
        if isinstance(symbol, DeliveryTag):
            found = channel.tags.resolve(symbol.kind, symbol.index, bool(fields.get("multiple")))
            if found is None:
                return None
            fields["delivery_tag"], multiple = found
            if "multiple" in fields:
                fields["multiple"] = multiple
        return None if self.is_left_out(channel, operation.name, fields) else fields

    def is_left_out(self, channel, name, fields):
        """Whether a call would do what brokers may do differently: settle deliveries together of
        which nobody knows the order."""
        tags = channel.tags
        if name in ("basic.recover", "basic.recover-async"):
            return bool(fields.get("requeue")) and tags.are_entangled(tags.outstanding)
        return bool(fields.get("multiple")) and tags.are_entangled(
            tags.covered(fields["delivery_tag"], True))

    def is_safe(self, channel, name, fields):
        """Whether a call of a burst cannot fail, as far as we know."""
        if name == "basic.get":
            return fields["queue"] in self.prodder.names
        if name == "basic.publish":
            exchange = fields["exchange"]
            return exchange == "" or exchange.startswith("amq.") or (
                exchange.isprintable() and exchange not in self.session.internal
                and self.prodder.has_exchange(exchange))
        return channel.transactional or not name.startswith("tx.")

    # -- waiting ----------------------------------------------------------------------------

    def await_confirms(self, connection, number):
        """Waits until everything published is confirmed: a broker may take its time with that."""
        channel = connection.channel(number)
        try:
            self.receiver.read_until(connection, lambda: not channel.unconfirmed,
                                     CONFIRM_DEADLINE_S)
        except LinkSilent:
            self.receiver.note(connection, number,
                               f"[unconfirmed: {sorted(channel.unconfirmed)}]")
            channel.unconfirmed = set()

    def barrier(self, step):
        """Repeats rounds of the barrier until enough of them in a row bring nothing new."""
        n_quiet = n_rounds = 0
        while n_quiet < self.quiet_rounds_needed(step) and n_rounds < ROUNDS_MAX:
            if self.quiet_rounds_needed(step) > 1:
                self.guarded(self.prodder.prod)
                ask_own_queues(self.receiver, self.connections)
            n_quiet = n_quiet + 1 if self.barrier_round() == 0 else 0
            n_rounds += 1
        if n_rounds == ROUNDS_MAX:
            self.receiver.note(self.connections[step.slot], step.channel, "[never quiet]")

    def quiet_rounds_needed(self, step):
        """How many rounds have to bring nothing: more where other processes of a broker have
        something to do, such as cleaning up behind a channel or a connection."""
        connection = self.connections[step.slot]
        if connection.link is None:
            return 4
        if step.channel and not connection.channel(step.channel).open:
            return 3
        calls = [operation for operation in step.ops if isinstance(operation, Call)]
        causes_more = CAUSES_MORE.intersection(call.name for call in calls)
        return 2 if len(calls) < len(step.ops) or causes_more else 1

    def guarded(self, work, *arguments):
        """Lets the prodder do something; trouble on its connection is the broker's own."""
        try:
            work(*arguments)
        except TROUBLE as error:
            self.prodder = Prodder(self.port)
            self.receiver.note(Connection(len(self.connections), ConnectOptions()), 0,
                               f"[a passive declare failed: {error}]")

    def barrier_round(self):
        """One echo on every open channel; returns how many other events came meanwhile."""
        before = self.receiver.n_events
        for connection in self.connections:
            send_barrier(connection)
        for connection in self.connections:
            try:
                self.receiver.read_until(connection, lambda at=connection: not at.awaits_echo())
            except TROUBLE as error:
                self.receiver.trouble(connection, error)
        return self.receiver.n_events - before

    # -- endings ----------------------------------------------------------------------------

    def drop(self, connection, last_words):
        """Vanishes, and waits until the broker has noticed."""
        if connection.link is not None:
            connection.link.send(last_words)
            connection.link.end_sending()
            if not connection.link.ends_within(END_DEADLINE_S):
                self.receiver.note(connection, 0, "[the vanished client is not noticed]")
            connection.lost()

    def clean_up(self):
        """Deletes what the session may have left behind, from a connection of its own."""
        connection = Connection(len(self.connections), ConnectOptions())
        try:
            connect(self.receiver, connection, self.port)
            self.ready(connection, 1)
            out = bytearray()
            for queue in [*self.session.queues, *self.folder.names.queues()]:
                payload = codec.encode_method("queue.delete", {"queue": queue, "nowait": 1})
                out += codec.encode_frame(codec.FRAME_METHOD, 1, payload)
            for exchange in self.session.exchanges:
                payload = codec.encode_method("exchange.delete", {"exchange": exchange,
                                                                  "nowait": 1})
                out += codec.encode_frame(codec.FRAME_METHOD, 1, payload)
            connection.link.send(bytes(out))
            send_barrier(connection)
            self.receiver.read_until(connection, lambda: not connection.awaits_echo())
            close_politely(self.receiver, connection)
        except TROUBLE as error:
            self.receiver.trouble(connection, error)
        connection.lost()


def is_handshake(step):
    """Whether a step leaves the connections of the session alone."""
    return any(isinstance(operation, Handshake) for operation in step.ops)


def send_barrier(connection):
    """Sends the barrier on every channel of a connection that can take a method."""
    out = bytearray()
    for number, channel in connection.channels.items():
        if channel.open and channel.clean:
            channel.awaits_echo = True
            out += codec.encode_frame(codec.FRAME_METHOD, number, BARRIER)
    if out:
        connection.link.send(bytes(out))


def encode_content(connection, number, content):
    """The header frame and the body frames of a message."""
    header = content.header
    if header is None:
        header = codec.encode_header(content.properties, len(content.body))
    out = bytearray()
    if "header" in content.parts:
        out += codec.encode_frame(codec.FRAME_HEADER, number, header)
    at, cuts = 0, list(content.cuts or ())
    while "body" in content.parts and (at < len(content.body) or cuts):
        size = cuts.pop(0) if cuts else connection.frame_max - 8
        out += codec.encode_frame(codec.FRAME_BODY, number, content.body[at:at + size])
        at += size
    return out


def expect_effects(channel, operation, fields):
    """Notes what a call means for confirms, transactions and delivery tags."""
    name, queue = operation.name, fields.get("queue", "")
    if name == "basic.publish" and channel.confirming:
        if operation.content is not None and operation.content.parts == "header body":
            channel.n_published += 1
            channel.unconfirmed.add(channel.n_published)
    elif name == "confirm.select":
        channel.confirming = True
    elif name == "tx.select":
        channel.transactional = True
    elif name == "tx.commit":
        channel.tags.commit()
    elif name == "tx.rollback":
        channel.tags.rollback()
    elif name in ("basic.ack", "basic.nack", "basic.reject"):
        channel.tags.settle(fields["delivery_tag"], bool(fields.get("multiple")),
                            channel.transactional)
    elif name in ("basic.recover", "basic.recover-async") and fields.get("requeue"):
        channel.tags.requeue_all()
    elif name == "queue.declare" and not fields.get("nowait"):
        channel.declares.append(bool(fields.get("exclusive")))
    elif name == "basic.get":
        channel.gets.append((bool(fields.get("no_ack")), queue))
    elif name == "basic.consume":
        channel.no_ack_of.setdefault(fields.get("consumer_tag") or None,
                                     bool(fields.get("no_ack")))
        if fields.get("nowait"):
            channel.queue_of[fields.get("consumer_tag")] = queue
        else:
            channel.consumes.append(queue)
