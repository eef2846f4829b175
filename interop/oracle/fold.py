# SPDX-License-Identifier: Apache-2.0
"""Turns the events of a step into lines of text that are equal when two brokers agree.

Folded away is only what may differ: names and tags that the broker generates, how confirms are
grouped, the identity of the server, and the order between things that come from different queues.
What must hold about order within one broker (no delivery before its consume-ok or after its
cancel-ok, no confirm before the return of the same publish, nothing on a closed channel) is checked
here and becomes a line of its own when it does not.
"""

import hashlib
import re

import codec
from differences import fold_term_breaks
from records import ORDER_REMARK

GENERATED = re.compile(r"amq\.(gen|ctag)-[A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])")
UNKNOWN_TAG = re.compile(r"(unknown delivery tag )(\d+)")
CHANNEL_ENDS = ("channel.close", "channel.close-ok")
CONNECTION_ENDS = ("connection.close", "connection.close-ok")
SERVER_IDENTITY = {"product", "version", "cluster_name", "platform", "copyright", "information"}


class GeneratedNames:
    """Numbers the names that the broker made, in order of appearance."""

    def __init__(self):
        self.number_of = {}
        self.made = {"gen": [], "ctag": []}

    def fold(self, text):
        """The text with every generated name replaced by its number."""
        return GENERATED.sub(self._replace, text) if "amq." in text else text

    def _replace(self, match):
        name, kind = match.group(0), match.group(1)
        if name not in self.number_of:
            self.number_of[name] = len(self.made[kind]) + 1
            self.made[kind].append(name)
        return f"amq.{kind}-#{self.number_of[name]}"

    def queues(self):
        """The real names of the queues that the broker named."""
        return self.made["gen"]

    def resolve(self, symbol):
        """The real name behind a symbol, or None when the broker has made none yet."""
        made = self.made["gen" if type(symbol).__name__ == "GeneratedQueue" else "ctag"]
        return made[symbol.index % len(made)] if made else None


class Folder:
    """Folds the events of one play, step by step."""

    def __init__(self):
        self.names = GeneratedNames()

    def fold(self, events, channel_of):
        """{"slot.channel": lines} for the events of a step."""
        ended = {slot for (slot, number), happened in events.items() if number == 0
                 and any(event.name in CONNECTION_ENDS or event.name.startswith("[Link")
                         for event in happened)}
        return {f"{slot}.{number}": self.fold_channel(events[slot, number],
                                                      channel_of[slot, number], slot in ended)
                for slot, number in sorted(events)}

    def fold_channel(self, events, channel, ended):
        """The lines of one channel: replies in order, then deliveries by consumer, then the rest.

        Where the channel ends in this step, deliveries and confirms may or may not have come
        before its end, and are left out.
        """
        ended = ended or any(event.name in CHANNEL_ENDS for event in events)
        number_of = number_deliveries(events, channel)
        replies, deliveries, cancels, confirms = [], {}, [], []
        for event in events:
            if event.name == "basic.deliver":
                consumer = self.names.fold(event.fields["consumer_tag"])
                deliveries.setdefault(consumer, []).append(self.line(event, number_of))
            elif event.name == "basic.cancel":
                cancels.append(self.line(event, number_of))
            elif event.name in ("basic.ack", "basic.nack"):
                confirms.append(event)
            else:
                replies.append(self.line(event, number_of, channel.tags))
        lines = replies
        if not ended:
            for consumer in sorted(deliveries):
                lines += deliveries[consumer]
            lines += sorted(cancels) + confirm_lines(confirms)
        return lines + list(misordered(events))

    def line(self, event, number_of, tags=None):
        """One event as text."""
        words = [event.name]
        for name, value in event.fields.items():
            if name == "delivery_tag":
                value = number_of.get(id(event), value)
            elif name == "server_properties":
                value = [row if row[0] not in SERVER_IDENTITY else (row[0], row[1], "...")
                         for row in sorted(value)]
            elif name == "mechanisms":
                value = " ".join(sorted(value.split()))
            if isinstance(value, str):
                value = f"'{printable(self.fold_text(value, tags))}'"
            words.append(f"{name}={value}")
        if event.header is not None:
            words += content_words(event)
        return " ".join(words)

    def fold_text(self, text, tags):
        """Folds generated names and the renumbered delivery tags inside a text."""
        text = fold_term_breaks(self.names.fold(text))
        if tags is None:
            return text
        return UNKNOWN_TAG.sub(lambda match: match.group(1) + str(
            tags.canonical_of.get(int(match.group(2)), match.group(2))), text)


def printable(text):
    """The text with control characters and bytes that are not UTF-8 written as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def number_deliveries(events, channel):
    """The canonical tag of every delivery of a step, by the identity of its event."""
    batch, which = [], []
    for event in events:
        if event.name == "basic.get-empty" and channel.gets:
            channel.gets.pop(0)
        elif event.name == "basic.deliver":
            consumer = event.fields["consumer_tag"]
            no_ack = channel.no_ack_of.get(consumer, channel.no_ack_of.get(None, False))
            batch.append((consumer_order(consumer, channel), event.fields["delivery_tag"],
                          not no_ack, channel.queue_of.get(consumer)))
            which.append(id(event))
        elif event.name == "basic.get-ok":
            no_ack, queue = channel.gets.pop(0) if channel.gets else (False, None)
            batch.append(("", event.fields["delivery_tag"], not no_ack, queue))
            which.append(id(event))
    return dict(zip(which, channel.tags.deliver(batch)))


def consumer_order(consumer, channel):
    """A key that puts consumers into the same order on both brokers."""
    known = list(channel.no_ack_of)
    return f"{known.index(consumer):04d}" if consumer in known else "9999"


def content_words(event):
    """Header and body of a message: the header as its bytes, a long body by its digest."""
    try:
        shown = str(codec.decode_header(event.header)[2])
    except codec.Malformed:
        shown = "malformed"
    body = event.body
    if len(body) > 64:
        body = f"{len(body)} bytes {hashlib.sha256(body).hexdigest()[:16]}"
    return [f"properties={shown if len(shown) <= 200 else '...'}", f"header={event.header.hex()}",
            f"frames={event.sizes}", f"body={body!r}"]


def confirm_lines(events):
    """Which publishes were confirmed how, whatever the grouping."""
    lines = []
    for name in ("basic.ack", "basic.nack"):
        of_kind = [event for event in events if event.name == name]
        if of_kind:
            confirmed = sorted(tag for event in of_kind for tag in event.confirmed)
            lines.append(f"{name} of publishes {confirmed}")
    return lines


def misordered(events):
    """Lines about orders that no broker may produce."""
    cancelled, closed = set(), False
    awaiting = {event.fields["consumer_tag"] for event in events
                if event.name == "basic.consume-ok"}
    for event in events:
        consumer = event.fields.get("consumer_tag")
        if closed and event.name[0] != "[" and event.name not in CHANNEL_ENDS:
            yield f"{ORDER_REMARK} {event.name} after the end of the channel"
        if event.name == "basic.consume-ok":
            awaiting.discard(consumer)
            cancelled.discard(consumer)
        elif event.name == "basic.cancel-ok":
            cancelled.add(consumer)
        elif event.name == "basic.deliver" and consumer in awaiting:
            yield f"{ORDER_REMARK} delivery before its consume-ok"
        elif event.name == "basic.deliver" and consumer in cancelled:
            yield f"{ORDER_REMARK} delivery after its cancel-ok"
        closed = closed or event.name in CHANNEL_ENDS
    if confirms_before_returns(events):
        yield f"{ORDER_REMARK} confirm before its return"


def confirms_before_returns(events):
    """Whether some publish was confirmed before it was returned. That can be told when every
    publish of the step was returned: then no more may be confirmed than were returned so far."""
    n_confirmed = sum(len(event.confirmed) for event in events)
    n_returned = sum(event.name == "basic.return" for event in events)
    if n_confirmed != n_returned:
        return False
    balance = 0
    for event in events:
        balance += (event.name == "basic.return") - len(event.confirmed)
        if balance < 0:
            return True
    return False
