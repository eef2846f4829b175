# SPDX-License-Identifier: Apache-2.0
"""Makes sessions: the list of steps that a seed stands for."""

from typing import NamedTuple

import channel_steps
import ending_steps
import frame_steps
import message_steps
import topology_steps
from steps import ConnectOptions, Step
from values import Context

# What costs the connection, always or perhaps.
FATAL = (channel_steps.close_connection, channel_steps.drop_connection,
         channel_steps.refused_channel_call, channel_steps.misuse, frame_steps.broken_frame,
         frame_steps.misplaced_frame, frame_steps.unfinished_content,
         frame_steps.broken_arguments, frame_steps.broken_table, frame_steps.unknown_method)

# weight, what makes the step, the feature it needs
STEPS = (
    (8.0, topology_steps.queue_declare, None), (5.0, topology_steps.exchange_declare, None),
    (7.0, topology_steps.queue_bind, None), (2.0, topology_steps.queue_unbind, None),
    (2.5, topology_steps.exchange_bind, "exchange_bindings"),
    (1.6, topology_steps.queue_delete, None), (1.2, topology_steps.queue_purge, None),
    (1.3, topology_steps.exchange_delete, None),
    (16.0, message_steps.publish, None), (8.0, message_steps.consume, None),
    (2.0, message_steps.cancel, None), (6.0, message_steps.get, None),
    (14.0, message_steps.settle, None), (1.5, message_steps.recover, None),
    (3.0, message_steps.qos, None), (7.0, message_steps.burst, None),
    (4.0, channel_steps.transaction, "transactions"), (2.0, channel_steps.confirm, "confirms"),
    (1.2, channel_steps.close_channel, None), (0.8, channel_steps.close_connection, None),
    (0.8, channel_steps.drop_connection, "drops"), (0.5, channel_steps.harmless_call, None),
    (0.8, channel_steps.refused_channel_call, "misuse"), (0.8, channel_steps.misuse, "misuse"),
    (0.4, channel_steps.handshake, "handshakes"),
    (0.05, channel_steps.slow_handshake, "slow_handshakes"),
    (0.7, frame_steps.broken_frame, "broken_frames"),
    (0.7, frame_steps.misplaced_frame, "broken_frames"),
    (0.4, frame_steps.unfinished_content, "broken_frames"),
    (0.4, frame_steps.broken_arguments, "broken_frames"),
    (0.4, frame_steps.broken_table, "broken_tables"),
    (0.2, frame_steps.unknown_method, "misuse"), (0.2, frame_steps.unusual_bits, None),
)

# Each session leans towards one side of the protocol: what these make is more likely in it.
LEANINGS = (
    (), (), (message_steps.publish, message_steps.consume, message_steps.settle),
    (topology_steps.queue_declare, topology_steps.exchange_declare, topology_steps.queue_delete),
    (topology_steps.queue_bind, topology_steps.exchange_bind, topology_steps.queue_unbind),
    (channel_steps.transaction, message_steps.burst), (channel_steps.confirm,),
    (message_steps.consume, message_steps.qos, message_steps.cancel),
    (frame_steps.broken_frame, frame_steps.misplaced_frame, channel_steps.misuse,
     channel_steps.handshake),
)
LEANING_FACTOR = 3.0
ENDING_PROBABILITY = 0.25


class Session(NamedTuple):
    """A seed's session: who connects, what they do, and what has to be deleted afterwards."""

    seed: int
    options: tuple
    steps: tuple
    queues: tuple
    exchanges: tuple
    internal: tuple
    features: frozenset


def make_session(seed, n_steps, features):
    """The session of a seed. The same seed, length and features always give the same session."""
    context = Context(seed, features)
    options = tuple(connect_options(context) for _ in range(context.pick((2, 2, 3))))
    context.mortal_slots = {slot for slot in range(len(options)) if context.has("shared_ends")
                            or context.chance(0.5)}
    makers, weights = weighted_makers(context)
    steps = [Step(0, 1, topology_steps.setup(context, context.pick((1, 2, 3, 4)),
                                             context.pick((2, 4, 5))))]
    while len(steps) < n_steps:
        early = len(steps) < 10 and context.chance(0.6)
        maker = context.pick((topology_steps.queue_declare, topology_steps.exchange_declare,
                              topology_steps.queue_bind, message_steps.consume)) \
            if early else context.random.choices(makers, weights)[0]
        step = make_step(context, maker, len(options))
        if step is not None:
            steps.append(step)
    if "endings" in features and context.chance(ENDING_PROBABILITY):
        steps[-1] = make_step(context, ending_steps.ending, len(options))._replace(diverges=True)
    extra = ("fresh", "q1", "é", "missing")
    return Session(seed, options, tuple(steps),
                   (*context.queue_pool, *(context.prefix + name for name in extra)),
                   (*context.exchange_pool, context.prefix + "fresh"),
                   tuple(name for name, plan in context.exchange_plans.items()
                         if plan["internal"]), features)


def weighted_makers(context):
    """The makers that the features allow, and how likely each is in this session."""
    leaning = context.pick(LEANINGS)
    allowed = [(maker, weight * (LEANING_FACTOR if maker in leaning else 1.0))
               for weight, maker, feature in STEPS if feature is None or context.has(feature)]
    return [maker for maker, _weight in allowed], [weight for _maker, weight in allowed]


def connect_options(context):
    """How one of the session's clients introduces itself."""
    options = ConnectOptions()
    if context.chance(0.25):
        options = options._replace(tune=(2047, context.pick((4096, 8192)), 0))
    if context.chance(0.15):
        options = options._replace(capabilities=("authentication_failure_close",))
    return options


def make_step(context, maker, n_slots):
    """A step by one of the clients on one of its channels, or None when it makes no sense now."""
    slot = min(context.pick((0, 0, 1, 2)), n_slots - 1)
    several = slot not in context.mortal_slots or context.has("shared_ends")
    channel = (slot, context.pick((1, 1, 1, 2, 2, 3)) if several else 1)
    context.channel = channel
    if maker in FATAL and not context.may_end(channel):
        return None
    made = maker(context, channel)
    if made is None or isinstance(made, Step):
        return made
    return Step(channel[0], channel[1], made)
