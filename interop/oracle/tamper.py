# SPDX-License-Identifier: Apache-2.0
"""A proxy that lies: it passes a broker's frames on and plants one kind of fault among them.

The comparison is worth something only if it notices such faults; `selfcheck` sees to that.
"""

import itertools
import socket
import threading

import codec


class Group(list):
    """A method frame with the content frames that belong to it."""

    name = ""
    fields = {}

    def method(self, **changes):
        """The same group with some fields of its method changed."""
        first = self[0]
        payload = codec.encode_method(self.name, {**self.fields, **changes})
        return [codec.Frame(first.type, first.channel, payload), *self[1:]]


def every(n, name, change):
    """A planter that changes every n-th group with a method of this name."""
    def make():
        counter = itertools.count(1)

        def plant(group):
            if group.name == name and next(counter) % n == 0:
                return change(group)
            return group
        return plant
    return make


def flipped_body(group):
    """The group with one bit of its last body frame changed."""
    last = group[-1]
    if last.type != codec.FRAME_BODY or not last.payload:
        return group
    return [*group[:-1], codec.Frame(last.type, last.channel,
                                     bytes([last.payload[0] ^ 1]) + last.payload[1:])]


def return_after_confirm():
    """A planter that keeps each basic.return back until the next confirm of its channel."""
    confirming, kept = set(), {}

    def plant(group):
        channel = group[0].channel
        if group.name == "confirm.select-ok":
            confirming.add(channel)
        if group.name == "basic.return" and channel in confirming:
            kept.setdefault(channel, []).extend(group)
            return []
        return [*group, *kept.pop(channel, ())] if group.name == "basic.ack" else group
    return plant


# name, how to make a planter for one connection
FAULTS = (
    ("a letter of an error text", every(1, "channel.close", lambda group: group.method(
        reply_text=group.fields["reply_text"].replace("queue", "quene")))),
    ("a reply code", every(2, "channel.close", lambda group: group.method(reply_code=406))),
    ("the method that an error names", every(1, "channel.close", lambda group: group.method(
        method_id=group.fields["method_id"] + 1))),
    ("a message count", every(7, "queue.declare-ok", lambda group: group.method(
        message_count=group.fields["message_count"] + 1))),
    ("a lost delivery", every(9, "basic.deliver", lambda group: [])),
    ("a delivery twice", every(9, "basic.deliver", lambda group: [*group, *group])),
    ("the redelivered flag", every(9, "basic.deliver", lambda group: group.method(
        redelivered=1 - group.fields["redelivered"]))),
    ("one bit of a body", every(9, "basic.deliver", flipped_body)),
    ("a lost return", every(3, "basic.return", lambda group: [])),
    ("a lost confirm", every(9, "basic.ack", lambda group: [])),
    ("a confirm before its return", return_after_confirm),
    ("a lost consumer cancellation", every(1, "basic.cancel", lambda group: [])),
)


class Groups:
    """Puts the frames of one direction together into groups, by channel."""

    def __init__(self):
        self.open = {}

    def take(self, frame):
        """The group that a frame completes, or None."""
        group = self.open.pop(frame.channel, None)
        if group is None:
            group = Group()
            if frame.type == codec.FRAME_METHOD:
                group.name, group.fields = codec.decode_method(frame.payload)
        group.append(frame)
        if self.is_complete(group):
            return group
        self.open[frame.channel] = group
        return None

    @staticmethod
    def is_complete(group):
        """Whether all of a group's content has come."""
        if group.name not in ("basic.deliver", "basic.return", "basic.get-ok"):
            return True
        if len(group) < 2:
            return False
        size = int.from_bytes(group[1].payload[4:12], "big")
        return sum(len(frame.payload) for frame in group[2:]) >= size


def hang_up(end):
    """Ends a connection for both of its threads: closing alone waits for the one that reads."""
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    end.close()


class Proxy:
    """Listens on a port of its own and connects every client to the broker behind it."""

    name = "tampered"

    def __init__(self, port_behind, make_planter):
        self.port_behind = port_behind
        self.make_planter = make_planter
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def alive(self):
        """A proxy does not die on its own."""
        return True

    def stop(self):
        """Takes no more clients."""
        self.listener.close()

    def accept(self):
        """Serves clients until the listener is closed."""
        while True:
            try:
                client, _address = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port_behind))
            for socket_of in (client, server):
                socket_of.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.forward, args=(client, server), daemon=True).start()
            threading.Thread(target=self.lie, args=(server, client), daemon=True).start()

    @staticmethod
    def forward(client, server):
        """Passes the client's bytes on as they are."""
        try:
            while data := client.recv(1 << 16):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
        except OSError:
            hang_up(server)

    def lie(self, server, client):
        """Passes the broker's frames on, with the fault among them."""
        plant, groups, buffer = self.make_planter(), Groups(), bytearray()
        try:
            while data := server.recv(1 << 16):
                buffer += data
                if buffer[:4] == b"AMQP":
                    client.sendall(bytes(buffer))
                    continue
                while frame := codec.take_frame(buffer):
                    group = groups.take(frame)
                    for out in plant(group) if group is not None else ():
                        client.sendall(codec.encode_frame(*out))
        except OSError:
            pass
        hang_up(client)
        hang_up(server)
