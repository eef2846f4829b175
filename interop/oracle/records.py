# SPDX-License-Identifier: Apache-2.0
"""What the player remembers while a session runs: events, channels, connections."""

from tags import Tags


# Begins a remark about an order that no broker should produce. RabbitMQ does at times (a delivery
# may follow channel.close), so the comparison ignores remarks about the reference.
ORDER_REMARK = "[order]"


class Event:
    """A method (with its content) that came from the broker, or a word about the connection.

    A name in square brackets is the player's own remark. `confirmed` lists the publishes that an
    ack or nack settled.
    """

    __slots__ = ("name", "fields", "header", "sizes", "body", "confirmed")

    def __init__(self, name, fields=None):
        self.name = name
        self.fields = fields or {}
        self.header = None
        self.sizes = []
        self.body = b""
        self.confirmed = []


class Channel:
    """What the player knows of one channel."""

    def __init__(self):
        self.open = False
        self.clean = True
        self.awaits_echo = False
        self.n_replies = 0
        self.confirming = False
        self.n_published = 0
        self.unconfirmed = set()
        self.transactional = False
        self.tags = Tags()
        self.gets = []
        self.declares = []
        self.consumes = []
        self.no_ack_of = {}
        self.queue_of = {}
        self.incoming = None

    def end(self):
        """The channel is closed; a new record is made when its number is opened again."""
        self.open = self.awaits_echo = False
        self.unconfirmed = set()


class Connection:
    """One connection slot: a link, its channels, and what it negotiated."""

    def __init__(self, slot, options):
        self.slot = slot
        self.options = options
        self.link = None
        self.channels = {}
        self.frame_max = 131072
        self.exclusive_queues = []
        self.unanswered_queues = []  # declared exclusive without an answer: may have become ours

    def channel(self, number):
        """The record of a channel, made when it is first spoken of."""
        if number not in self.channels:
            self.channels[number] = Channel()
        return self.channels[number]

    def awaits_echo(self):
        """Whether the barrier is still out on some channel."""
        return any(channel.awaits_echo for channel in self.channels.values())

    def lost(self):
        """Forgets everything about a connection that has ended."""
        if self.link is not None:
            self.link.close()
        self.link = None
        for channel in self.channels.values():
            channel.end()
        self.channels = {}
