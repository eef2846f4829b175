# SPDX-License-Identifier: Apache-2.0
"""One TCP connection to a broker: bytes out, whole frames in, with deadlines."""

import socket
import time

import codec

ANSWER_DEADLINE_S = 8.0


class LinkClosed(Exception):
    """The broker ended the TCP connection."""


class LinkSilent(Exception):
    """The broker did not answer in time."""


class Link:
    """A socket with a frame buffer. It knows nothing of methods or channels."""

    def __init__(self, port):
        try:
            self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_DEADLINE_S)
        except OSError as error:
            raise LinkClosed("connection refused") from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()

    def send(self, data):
        """Writes everything; a broker that has gone away shows when we read."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        except socket.timeout as error:
            raise LinkSilent("it does not read") from error

    def receive(self, deadline_s=ANSWER_DEADLINE_S):
        """Reads once into the buffer."""
        self.socket.settimeout(max(0.001, deadline_s))
        try:
            data = self.socket.recv(1 << 18)
        except (ConnectionResetError, BrokenPipeError) as error:
            raise LinkClosed("end of connection") from error
        except socket.timeout as error:
            raise LinkSilent("no answer") from error
        if not data:
            raise LinkClosed("end of connection")
        self.buffer += data

    def next_frame(self, deadline):
        """The next frame; `deadline` is a time of the monotonic clock."""
        while True:
            frame = codec.take_frame(self.buffer)
            if frame is not None:
                return frame
            self.receive(deadline - time.monotonic())

    def ends_within(self, deadline_s):
        """Whether the broker ends the connection in time. A reset counts as an end: it only says
        that bytes of ours were still on their way."""
        deadline = time.monotonic() + deadline_s
        try:
            while True:
                self.receive(deadline - time.monotonic())
        except LinkClosed:
            return True
        except LinkSilent:
            return False

    def end_sending(self):
        """Half-closes, which is what a client that vanished looks like."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        """Closes the socket; may be called again."""
        self.socket.close()
