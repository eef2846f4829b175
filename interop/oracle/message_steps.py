# SPDX-License-Identifier: Apache-2.0
"""Steps about messages: publishing, consuming, getting, settling. Each function returns the
operations of a step."""

from steps import Call, Content, DeliveryTag, GeneratedTag, Step
from values import BAD_EXPIRATIONS, NOT_INTEGERS, NOT_STRINGS


def publish_call(context):
    """One basic.publish that is mostly right and has a fair chance to be routed."""
    if context.chance(0.4):
        exchange, key = "", context.queue()
    else:
        exchange = context.exchange(default=0)
        key = context.routing_key(exchange)
    return Call("basic.publish", {"exchange": exchange, "routing_key": key,
                                  "mandatory": int(context.chance(0.35))}, context.content())


def publish(context, channel):
    """A publish; now and then one that must be refused."""
    call = publish_call(context)
    dice = context.random.random()
    if dice < 0.02 and context.may_end(channel):
        return (call._replace(fields={**call.fields, "immediate": 1}),)
    return (refused_property(context, call) if dice > 0.93 else call,)


def refused_property(context, call):
    """The call with a property that costs the channel."""
    choices = [{"expiration": context.pick(BAD_EXPIRATIONS)},
               {"expiration": context.pick(BAD_EXPIRATIONS)},
               {"user_id": context.pick(("other", "", "guest "))}]
    if context.has("cc_bcc"):
        choices.append({"headers": [(context.pick(("CC", "BCC")), *context.pick(NOT_STRINGS))]})
    if context.has("direct_reply_to"):
        choices.append({"reply_to": "amq.rabbitmq.reply-to"})
    properties = context.pick(choices)
    if context.has("duplicate_keys"):
        properties = {**properties, **context.pick(choices)}
    return call._replace(content=Content(properties, b"refused"))


def consume(context, channel):
    """Starts a consumer."""
    taken = context.tags.setdefault(channel, [])
    fresh = [tag for tag in ("c1", "c2", "c3", "c4", "é") if tag not in taken]
    tag = context.pick(fresh) if fresh and context.chance(0.7) else ""
    if taken and context.chance(0.04) and context.may_end(channel):
        tag = context.pick(taken)
    fields = {"queue": context.queue(), "consumer_tag": tag, "no_ack": int(context.chance(0.3)),
              "exclusive": int(context.chance(0.06) or not context.has("several_consumers")),
              "no_local": int(context.chance(0.1))}
    if tag:
        fields["nowait"] = int(context.chance(0.1))
        taken.append(tag)
    if context.has("consumer_priority") and context.chance(0.15):
        fields["arguments"] = [("x-priority", context.pick("bsIl"), context.pick((-1, 0, 1, 10)))]
    elif context.chance(0.06):
        fields["arguments"] = [context.pick((("x-priority", *context.pick(NOT_INTEGERS)),
                                             ("x-stream-offset", "S", "first"),
                                             ("x-foo", "F", [])))]
    if context.has("direct_reply_to") and context.chance(0.1):
        fields.update(queue="amq.rabbitmq.reply-to", no_ack=int(context.chance(0.9)))
    return (Call("basic.consume", fields),)


def cancel(context, channel):
    """Cancels a consumer: one of this channel, of another, or none at all."""
    taken = context.tags.get(channel, [])
    if taken and context.chance(0.75):
        tag = context.pick(taken)
        taken.remove(tag)
    else:
        tag = context.pick((GeneratedTag(context.random.randrange(4)), "c1", "nobody", ""))
    return (Call("basic.cancel", {"consumer_tag": tag, "nowait": int(context.chance(0.1))}),)


def get_call(context):
    """One basic.get."""
    return Call("basic.get", {"queue": context.queue(), "no_ack": int(context.chance(0.3))})


def get(context, _channel):
    """Fetches one message."""
    return (get_call(context),)


def settle_call(context, usual=0.9, sweeping=0.12):
    """One ack, nack or reject, mostly of a delivery that is outstanding, sometimes of all."""
    name = context.pick(("basic.ack", "basic.ack", "basic.nack", "basic.reject"))
    fields = {"delivery_tag": DeliveryTag("outstanding", context.random.randrange(8))}
    if name != "basic.reject":
        fields["multiple"] = int(context.chance(0.35))
    if name != "basic.ack":
        fields["requeue"] = int(context.chance(0.65))
    dice = context.random.random()
    if dice > usual:
        fields["delivery_tag"] = context.pick((
            DeliveryTag("stale", context.random.randrange(8)), DeliveryTag("zero"),
            DeliveryTag("future", context.random.randrange(3)),
            DeliveryTag("literal", 18446744073709551615)))
    elif dice > usual - sweeping and name != "basic.reject":
        fields.update(delivery_tag=DeliveryTag("zero"), multiple=1)
    return Call(name, fields)


def settle(context, _channel):
    """Settles deliveries."""
    return (settle_call(context),)


def recover(context, channel):
    """Asks for everything outstanding again; requeue=false is refused."""
    name = "basic.recover" if context.chance(0.7) else "basic.recover-async"
    requeue = int(context.chance(0.9) or not context.may_end(channel))
    return (Call(name, {"requeue": requeue}),)


def qos(context, channel):
    """Sets a prefetch limit, per consumer or for the channel."""
    fields = {"prefetch_count": context.pick((0, 1, 1, 2, 3, 10, 65535)),
              "global": int(context.has("global_qos") and context.chance(0.3))}
    if context.chance(0.05) and context.may_end(channel):
        fields["prefetch_size"] = context.pick((1, 4294967295))
    return (Call("basic.qos", fields),)


def burst(context, channel):
    """Several operations in one write. They stay on one channel, and nothing in them depends on
    whether a delivery that they cause has arrived already: that would be left to chance."""
    calls = []
    for _ in range(context.pick((2, 3, 4, 6))):
        dice = context.random.random()
        if dice < 0.6:
            calls.append(publish_call(context))
        elif dice < 0.8:
            calls.append(get_call(context))
        else:
            call = settle_call(context, usual=1, sweeping=0)
            if not context.has("requeue_bursts") and call.fields.get("requeue"):
                call = call._replace(fields={**call.fields, "requeue": 0})
            calls.append(call)
    if context.modes.get(channel) == "tx" and context.chance(0.5):
        calls.append(Call(context.pick(("tx.commit", "tx.commit", "tx.rollback")), {}))
    return Step(channel[0], channel[1], tuple(calls), safely=True)
