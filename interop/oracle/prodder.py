# SPDX-License-Identifier: Apache-2.0
"""Makes sure that the queues of a session have done their work.

In RabbitMQ a queue is a process of its own, which may wait for a file while its channels already
answer. A passive declare has to be answered by that process, so one for every queue that is known
to exist is part of a round of the barrier. It comes from a connection beside the session; exclusive
queues, which answer only their owner, are asked on a channel of its own of that connection.
"""

import time

import codec
from handshake import close_politely, connect, send_method
from receiver import ASIDE, TROUBLE, Receiver
from records import Channel, Connection
from steps import ConnectOptions

GONE_DEADLINE_S = 2.0


def open_channel(receiver, connection, number):
    """The record of a channel, which is opened if it is not open."""
    if not connection.channel(number).open:
        channel = connection.channels[number] = Channel()
        channel.open = True
        send_method(connection, number, "channel.open", {})
        receiver.await_replies(connection, number, 1)
    return connection.channel(number)


def ask_queues(receiver, connection, number, names):
    """Has every queue of these names answer, in one round trip. A queue that is gone, or is locked
    by its owner, is taken out of the list: it is not asked again until it is declared anew."""
    left = list(names)
    while left and connection.link is not None:
        channel = open_channel(receiver, connection, number)
        before = channel.n_replies
        if connection.link is None:
            break
        connection.link.send(b"".join(codec.encode_frame(
            codec.FRAME_METHOD, number,
            codec.encode_method("queue.declare", {"queue": name, "passive": 1})) for name in left))
        receiver.await_replies(connection, number, before + len(left))
        if channel.open or connection.link is None:
            break
        n_answered = channel.n_replies - before
        names.remove(left[n_answered])
        left = left[n_answered + 1:]


def ask_own_queues(receiver, connections):
    """Has the exclusive queues of the session's connections answer."""
    for connection in connections:
        try:
            ask_queues(receiver, connection, ASIDE, connection.exclusive_queues)
        except TROUBLE as error:
            receiver.trouble(connection, error)


class Prodder:
    """A connection beside the session whose answers nobody compares."""

    def __init__(self, port):
        self.port = port
        self.receiver = Receiver()
        self.connection = Connection(0, ConnectOptions())
        self.names = []
        self.n_generated = 0

    def learn(self, name):
        """A queue of this name may exist from now on."""
        if name and name not in self.names:
            self.names.append(name)

    def learn_generated(self, names):
        """The names that the broker has made so far; each is new only once."""
        self.names += names[self.n_generated:]
        self.n_generated = len(names)

    def prod(self):
        """Asks every known queue."""
        if self.names:
            self.ready()
            ask_queues(self.receiver, self.connection, 1, self.names)
            self.receiver.take_events()

    def has_exchange(self, name):
        """Whether an exchange exists."""
        channel = self.ready()
        send_method(self.connection, 1, "exchange.declare", {"exchange": name, "passive": 1})
        self.receiver.await_replies(self.connection, 1, channel.n_replies + 1)
        self.receiver.take_events()
        return channel.open

    def await_gone(self, names):
        """Waits until no queue of these names is locked any more: a broker may delete the
        exclusive queues of a vanished connection at its leisure."""
        deadline = time.monotonic() + GONE_DEADLINE_S
        for name in names:
            while self.is_locked(name) and time.monotonic() < deadline:
                pass

    def is_locked(self, name):
        """Whether a queue exists and belongs to another connection."""
        channel = self.ready()
        fields = {"queue": name, "passive": 1}
        send_method(self.connection, 1, "queue.declare", fields)
        self.receiver.await_replies(self.connection, 1, channel.n_replies + 1)
        events, _channels = self.receiver.take_events()
        return any(event.fields.get("reply_code") == 405 for event in events.get((0, 1), ()))

    def ready(self):
        """The open channel of the connection."""
        if self.connection.link is None:
            connect(self.receiver, self.connection, self.port)
        return open_channel(self.receiver, self.connection, 1)

    def close(self):
        """Ends the connection."""
        close_politely(self.receiver, self.connection)
