# SPDX-License-Identifier: Apache-2.0
"""Makes sure that the queues of a session have done their work.

In RabbitMQ a queue is a process of its own, which may wait for a file while its channels already
answer. A passive declare has to be answered by that process, so one for every queue that is known
to exist, from a connection of its own, is part of a round of the barrier.
"""

import time

import codec
from handshake import close_politely, connect, send_method
from receiver import Receiver
from records import Channel, Connection
from steps import ConnectOptions


GONE_DEADLINE_S = 2.0


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
        """Asks every known queue, one round trip for all; a queue that is gone, or is locked by
        its owner, is not asked again until it is declared anew."""
        names = list(self.names)
        while names:
            channel = self.ready()
            before = channel.n_replies
            payloads = [codec.encode_method("queue.declare", {"queue": name, "passive": 1})
                        for name in names]
            self.connection.link.send(b"".join(
                codec.encode_frame(codec.FRAME_METHOD, 1, payload) for payload in payloads))
            self.receiver.await_replies(self.connection, 1, before + len(names))
            if channel.open:
                break
            n_answered = channel.n_replies - before
            self.names.remove(names[n_answered])
            names = names[n_answered + 1:]
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
        if not self.connection.channel(1).open:
            channel = self.connection.channels[1] = Channel()
            channel.open = True
            send_method(self.connection, 1, "channel.open", {})
            self.receiver.await_replies(self.connection, 1, 1)
        return self.connection.channel(1)

    def close(self):
        """Ends the connection."""
        close_politely(self.receiver, self.connection)
