# SPDX-License-Identifier: Apache-2.0
"""Delivery tags of one channel, in a numbering that both brokers share.

When one step makes several queues deliver to a channel, the order between the queues is free, and
the tags follow the order. The tags of such a batch are renumbered by consumer, and the batch is
marked as mixed: a `multiple` settle that ended inside a mixed batch would settle different messages
on each broker, so it is moved to the end of the batch, or made single.
"""


class Tags:
    """What the channel delivered, what is outstanding, and the two numberings of the tags."""

    def __init__(self):
        self.canonical_of = {}
        self.actual_of = {}
        self.outstanding = []
        self.settled = []
        self.held = []
        self.batch_of = {}
        self.origin_of = {}
        self.highest = 0

    def deliver(self, batch):
        """Takes the deliveries of one step as (source, actual tag, needs settling, queue) in
        arrival order, and returns the canonical tag of each."""
        actual = sorted(tag for _source, tag, _settle, _queue in batch)
        mixed = len({source for source, _tag, _settle, _queue in batch}) > 1
        order = sorted(range(len(batch)), key=lambda index: (batch[index][0], index)) \
            if mixed else range(len(batch))
        canonical = [0] * len(batch)
        for number, index in zip(actual, order):
            source, tag, settle, queue = batch[index]
            canonical[index] = number
            self.origin_of[number] = (queue, source)
            self.canonical_of[tag], self.actual_of[number] = number, tag
            if mixed:
                self.batch_of[number] = actual
            if settle:
                self.outstanding.append(number)
        self.outstanding.sort()
        self.highest = max([self.highest, *actual])
        return canonical

    def resolve(self, kind, index, multiple):
        """(tag to send, multiple) for a symbolic tag, or None when nothing fits it."""
        if kind == "zero":
            return 0, multiple
        if kind == "literal":
            return index, multiple
        if kind == "future":
            return self.highest + 1 + index, multiple
        pool = self.settled if kind == "stale" else self.outstanding
        if not pool:
            return None
        tag = pool[index % len(pool)]
        batch = self.batch_of.get(tag)
        if not multiple or batch is None:
            return self.actual_of.get(tag, tag), multiple
        if kind == "outstanding" and all(member in self.outstanding for member in batch):
            return max(self.actual_of[member] for member in batch), True
        return self.actual_of[tag], False

    def covered(self, actual, multiple):
        """The outstanding deliveries that a settle speaks of."""
        tag = self.canonical_of.get(actual, actual)
        if multiple and actual and tag in self.batch_of:
            tag = max(self.batch_of[tag])
        return [number for number in self.outstanding
                if number == tag or multiple and (number < tag or actual == 0)]

    def are_entangled(self, numbers):
        """Whether some of these deliveries are of one queue but went to different consumers. When
        they are settled together, a broker may take the consumers in any order, and the order
        decides who gets the next messages."""
        origins = {self.origin_of[number] for number in numbers if number in self.origin_of}
        return len({queue for queue, _source in origins}) < len(origins)

    def settle(self, actual, multiple, transactional):
        """Notes a settle that was sent; one of an unknown tag changes nothing here."""
        gone = self.covered(actual, multiple)
        self.outstanding = [number for number in self.outstanding if number not in gone]
        (self.held if transactional else self.settled).extend(gone)

    def commit(self):
        """The held settles took effect."""
        self.settled += self.held
        self.held = []

    def rollback(self):
        """The held settles are forgotten; their messages can be settled again."""
        self.outstanding = sorted(self.outstanding + self.held)
        self.held = []

    def requeue_all(self):
        """A recover put everything outstanding back into the queues."""
        self.settled += self.outstanding
        self.outstanding = []
