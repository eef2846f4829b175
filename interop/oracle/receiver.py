# SPDX-License-Identifier: Apache-2.0
"""Takes the frames of a broker, writes them down as events, and follows what they mean."""

import time

import codec
import methods
from link import ANSWER_DEADLINE_S, LinkClosed, LinkSilent
from records import ORDER_REMARK, Event

BARRIER = codec.encode_method("channel.flow", {"active": 1})
BARRIER_ECHO = codec.encode_method("channel.flow-ok", {"active": 1})
CLOSE_OK = codec.encode_frame(1, 0, codec.encode_method("connection.close-ok", {}))
END_DEADLINE_S = 5.0

# What happens on this channel is not part of the session.
ASIDE = 7

# After these a broker may keep the connection for seconds, so that the client reads the close.
LINGERS = (501, 502, 505)

# RabbitMQ may still send a delivery after channel.close, and the channel may be open again by then.
FORMER_DELIVERY = f"{ORDER_REMARK} delivery to a former channel:"

# What may go wrong with a connection while reading; each becomes an event, never an exception
# that ends the comparison.
TROUBLE = (LinkClosed, LinkSilent, codec.Malformed)


class Receiver:
    """Events of the step that is being played, by (slot, channel number)."""

    def __init__(self):
        self.events = {}
        self.n_events = 0
        self.channel_of = {}

    def take_events(self):
        """The events so far and the channel each belongs to; starts anew."""
        events, channels = self.events, self.channel_of
        self.events, self.channel_of = {}, {}
        return events, channels

    def note(self, connection, number, event):
        """Writes down an event, or a remark of the player's own, for a channel."""
        if isinstance(event, str):
            event = Event(event)
        if number == ASIDE:
            return event
        key = (connection.slot, number)
        self.events.setdefault(key, []).append(event)
        self.channel_of[key] = connection.channel(number)
        self.n_events += 1
        return event

    def trouble(self, connection, error):
        """Writes down how a connection failed, and gives it up."""
        self.note(connection, 0, f"[{type(error).__name__}: {error}]")
        connection.lost()

    def read_until(self, connection, done, deadline_s=ANSWER_DEADLINE_S):
        """Takes frames until `done()`, or until the connection has ended."""
        deadline = time.monotonic() + deadline_s
        while connection.link is not None and not done():
            self.take(connection, connection.link.next_frame(deadline))

    def one_answer(self, connection):
        """Waits for one more event on channel 0."""
        key = (connection.slot, 0)
        before = len(self.events.get(key, ()))
        self.read_until(connection, lambda: len(self.events.get(key, ())) > before)

    def await_replies(self, connection, number, n_replies):
        """Waits for the direct replies of a step, or for the channel to end instead."""
        channel = connection.channel(number)
        self.read_until(connection, lambda: channel.n_replies >= n_replies
                        or (number and not channel.open))

    def take(self, connection, frame):
        """Files one frame. An echo of the barrier is only ticked off."""
        channel = connection.channels.get(frame.channel)
        if frame.type == codec.FRAME_METHOD:
            if channel is not None and channel.awaits_echo and frame.payload == BARRIER_ECHO:
                channel.awaits_echo = False
            else:
                self.take_method(connection, frame)
        elif frame.type == codec.FRAME_HEARTBEAT:
            self.note(connection, frame.channel, "[heartbeat]")
        elif channel is None or channel.incoming is None:
            self.note(connection, frame.channel,
                      f"[stray frame of type {frame.type}: {frame.payload.hex()}]")
        else:
            self.take_content(connection, frame, channel)

    def take_content(self, connection, frame, channel):
        """Adds a header or body frame to the message that is arriving on the channel."""
        event, missing = channel.incoming
        if frame.type == codec.FRAME_HEADER and event.header is None:
            event.header = frame.payload
            missing = int.from_bytes(frame.payload[4:12], "big")
        elif frame.type == codec.FRAME_BODY and event.header is not None:
            event.body += frame.payload
            event.sizes.append(len(frame.payload))
            missing -= len(frame.payload)
        else:
            self.note(connection, frame.channel, f"[misplaced frame of type {frame.type}]")
        channel.incoming = (event, missing) if missing else None

    def take_method(self, connection, frame):
        """Writes down a method and follows what it says about the state of the channel."""
        name, fields = codec.decode_method(frame.payload)
        if name == "basic.deliver" and not self.has_consumer(connection, frame.channel, fields):
            name = FORMER_DELIVERY
        event = self.note(connection, frame.channel, Event(name, fields))
        if name == "connection.close":
            self.end_connection(connection, fields["reply_code"])
            return
        if name == "connection.close-ok":
            connection.lost()
            return
        channel = connection.channel(frame.channel)
        if channel.incoming is not None:
            self.note(connection, frame.channel, "[method inside content]")
        content = name == FORMER_DELIVERY or methods.BY_NAME[name].has_content
        channel.incoming = (event, 1) if content else None
        if name.endswith("-ok") or name == "basic.get-empty":
            channel.n_replies += 1
        self.follow(connection, frame.channel, channel, event)

    @staticmethod
    def has_consumer(connection, number, fields):
        """Whether a consumer of this tag was asked for since the channel was opened."""
        known = connection.channel(number).no_ack_of
        return fields["consumer_tag"] in known or None in known

    def follow(self, connection, number, channel, event):
        """Keeps the record of a channel true to what the broker said."""
        name, fields = event.name, event.fields
        if name == "channel.close" and channel.open:
            connection.link.send(codec.encode_frame(
                codec.FRAME_METHOD, number, codec.encode_method("channel.close-ok", {})))
            channel.end()
        elif name == "channel.close-ok":
            channel.end()
        elif name == "channel.open-ok":
            channel.open = True
        elif name == "queue.declare-ok" and channel.declares and channel.declares.pop(0):
            connection.exclusive_queues.append(fields["queue"])
        elif name == "basic.consume-ok":
            no_ack = channel.no_ack_of.get(None, False)
            channel.no_ack_of.setdefault(fields["consumer_tag"], no_ack)
            if channel.consumes:
                channel.queue_of[fields["consumer_tag"]] = channel.consumes.pop(0)
        elif name in ("basic.ack", "basic.nack"):
            limit, multiple = fields["delivery_tag"], fields["multiple"]
            event.confirmed = [tag for tag in sorted(channel.unconfirmed)
                               if tag == limit or (multiple and (tag < limit or limit == 0))]
            channel.unconfirmed.difference_update(event.confirmed)

    def end_connection(self, connection, code):
        """Answers connection.close, and sees that the broker then ends the connection."""
        left = bytes(connection.link.buffer)
        if left:
            self.note(connection, 0, f"[bytes after connection.close: {left.hex()}]")
        connection.link.send(CLOSE_OK)
        if code not in LINGERS and not connection.link.ends_within(END_DEADLINE_S):
            self.note(connection, 0, "[the connection is still open after close-ok]")
        connection.lost()
