# SPDX-License-Identifier: Apache-2.0
"""Steps about exchanges, queues and bindings. Each function returns the operations of a step."""

from steps import Call, GeneratedQueue
from values import SYSTEM_EXCHANGES

# A number that is right for most arguments and too large to be felt.
WITHOUT_EFFECT = ("I", 5000000)


def setup(context, n_queues, n_exchanges):
    """Declares some of the names as planned, in one go: what a session starts from."""
    context.declared_queues += context.queue_pool[:n_queues]
    context.declared_exchanges += context.exchange_pool[:n_exchanges]
    return (*(Call("exchange.declare", {"exchange": name, **context.exchange_plans[name]})
              for name in context.declared_exchanges),
            *(Call("queue.declare", {"queue": name, **context.queue_plans[name]})
              for name in context.declared_queues))


def queue_declare(context, channel):
    """Declares a queue as planned, or with something changed."""
    context.has_declared.add(channel)
    dice = context.random.random()
    if dice < 0.12:
        return (declare_server_named(context),)
    if dice < 0.35:
        return (Call("queue.declare", {"queue": context.queue(), "passive": 1,
                                       "nowait": int(context.chance(0.05)),
                                       "durable": int(context.chance(0.2))}),)
    name = context.pick(context.queue_pool)
    fields = {"queue": name, **context.queue_plans[name]}
    if dice > 0.82:
        fields.update(changed_queue(context, fields))
    elif name not in context.declared_queues:
        context.declared_queues.append(name)
    if context.chance(0.1):
        fields["nowait"] = 1
    return (Call("queue.declare", fields),)


def declare_server_named(context):
    """Asks the broker for a name. Without an answer nobody would know the name, so such a queue
    is exclusive and goes with its connection."""
    fields = {"queue": "", "exclusive": int(context.chance(0.5)),
              "auto_delete": int(context.chance(0.3)), "durable": int(context.chance(0.2))}
    if context.chance(0.1):
        fields.update(exclusive=1, nowait=1)
    else:
        context.n_generated += 1
    return Call("queue.declare", fields)


def changed_queue(context, fields):
    """One way in which a declaration may differ from the plan, or be wrong."""
    if context.has("queue_type_refusals") and context.chance(0.3):
        return refused_queue_type(context)
    rows = fields["arguments"]
    wrong = context.bad_argument()
    if context.has("duplicate_keys") and context.chance(0.3):
        return {"arguments": context.pick(([*rows, wrong, context.bad_argument()],
                                           [wrong, (wrong[0], *WITHOUT_EFFECT)],
                                           [(wrong[0], *WITHOUT_EFFECT), wrong]))}
    replaced = [row for row in rows if row[0] != wrong[0]]
    return context.pick((
        {"durable": 1 - fields["durable"]}, {"exclusive": 1 - fields["exclusive"]},
        {"auto_delete": 1 - fields["auto_delete"]}, {"arguments": rows[1:]},
        {"arguments": [*rows, context.good_argument()]}, {"arguments": [*replaced, wrong]},
        {"arguments": [wrong]}, {"arguments": [wrong]},
        {"arguments": [wrong], "queue": f"{context.prefix}fresh"},
        {"arguments": [wrong], "queue": f"{context.prefix}fresh"},
        {"arguments": [wrong], "queue": f"{context.prefix}fresh"},
        {"arguments": changed_value(context, rows)},
        {"queue": context.pick(("amq.mine", "amq.")), "arguments": rows},
        {"queue": "\r" + fields["queue"] + "\n"}, {"queue": context.prefix + "é"},
        {"queue": GeneratedQueue(0)}, {"reserved_1": 77}))


def refused_queue_type(context):
    """A quorum or stream queue with something that such queues cannot have."""
    kind = ("x-queue-type", "S", context.pick(("quorum", "stream")))
    durable = {"queue": f"{context.prefix}fresh", "durable": 1, "exclusive": 0, "auto_delete": 0,
               "arguments": [kind]}
    return {**durable, **context.pick((
        {"durable": 0}, {"exclusive": 1}, {"auto_delete": 1}, {"queue": ""},
        {"arguments": [kind, ("x-max-priority", "I", 5)]},
        {"arguments": [kind, ("x-queue-mode", "S", "lazy")]},
        {"arguments": [kind, ("x-expires", "S", "abc")]}))}


def changed_value(context, rows):
    """The rows with one of them given another value."""
    if not rows:
        return [context.good_argument()]
    victim = context.pick(rows)
    for _ in range(20):
        other = context.good_argument()
        if other[0] == victim[0]:
            return [other if row is victim else row for row in rows]
    return [row for row in rows if row is not victim]


def exchange_declare(context, _channel):
    """Declares an exchange as planned, or with something changed."""
    dice = context.random.random()
    if dice < 0.15:
        return (Call("exchange.declare", {
            "exchange": context.exchange(default=0.1), "passive": 1,
            "type": context.pick(("", "direct", "foo")), "nowait": int(context.chance(0.05))}),)
    if dice < 0.25:
        return (declare_system_exchange(context),)
    name = context.pick(context.exchange_pool)
    fields = {"exchange": name, **context.exchange_plans[name]}
    if dice > 0.85:
        fields.update(changed_exchange(context, fields))
    elif name not in context.declared_exchanges:
        context.declared_exchanges.append(name)
    if context.chance(0.1):
        fields["nowait"] = 1
    return (Call("exchange.declare", fields),)


def declare_system_exchange(context):
    """Declares one of the predeclared exchanges: rightly, or with one thing different."""
    name = context.pick([*SYSTEM_EXCHANGES, "", "amq.other"])
    fields = {"exchange": name, "type": SYSTEM_EXCHANGES.get(name, "direct"), "durable": 1}
    if context.chance(0.4):
        fields.update(context.pick(({"durable": 0}, {"type": "direct"}, {"auto_delete": 1},
                                    {"internal": 1})))
    return Call("exchange.declare", fields)


def changed_exchange(context, fields):
    """One way in which a declaration may differ from the plan, or be wrong."""
    alternate = ("alternate-exchange", "S", context.pick(context.exchange_pool))
    changes = [{"durable": 1 - fields["durable"]}, {"auto_delete": 1 - fields["auto_delete"]},
               {"internal": 1 - fields["internal"]}, {"exchange": fields["exchange"] + "\r\n"},
               {"type": context.pick(("direct", "fanout", "topic", "headers"))},
               {"arguments": [*fields["arguments"], ("x-foo", "I", 1)]}]
    if context.has("alternate_exchanges"):
        wrong = ("alternate-exchange", *context.pick((("I", 1), ("t", 1), ("V", None), ("F", []),
                                                      ("x", "a"), ("d", 1.5))))
        changes += [{"arguments": [alternate]}, {"arguments": []}, {"arguments": [wrong]},
                    {"arguments": [wrong], "exchange": f"{context.prefix}fresh"}]
    return context.pick(changes)


def queue_bind(context, _channel):
    """Binds a queue."""
    exchange = context.exchange(default=0.02)
    fields = {"queue": context.queue(), "exchange": exchange,
              "routing_key": context.binding_key(exchange),
              "arguments": context.binding_arguments(exchange)}
    context.bindings.append(fields)
    if context.chance(0.08):
        fields = {**fields, "nowait": 1}
    return (Call("queue.bind", fields),)


def queue_unbind(context, _channel):
    """Undoes a binding that was asked for, or one that never was."""
    if context.bindings and context.chance(0.75):
        fields = dict(context.pick(context.bindings))
        if context.chance(0.2):
            fields["arguments"] = context.binding_arguments(fields["exchange"])
    else:
        exchange = context.exchange()
        fields = {"queue": context.queue(), "exchange": exchange,
                  "routing_key": context.binding_key(exchange)}
    return (Call("queue.unbind", fields),)


def exchange_bind(context, _channel):
    """Binds or unbinds two exchanges, one of them the session's own: its end takes the binding
    away."""
    own, other = context.pick(context.exchange_pool), context.exchange(default=0.03)
    source, destination = (own, other) if context.chance(0.5) else (other, own)
    name = "exchange.bind" if context.chance(0.7) else "exchange.unbind"
    return (Call(name, {"source": source, "destination": destination,
                        "routing_key": context.binding_key(source),
                        "arguments": context.binding_arguments(source),
                        "nowait": int(context.chance(0.08))}),)


def queue_delete(context, _channel):
    """Deletes a queue, perhaps on conditions."""
    name = context.queue()
    if name in context.declared_queues:
        context.declared_queues.remove(name)
    return (Call("queue.delete", {"queue": name, "if_unused": int(context.chance(0.3)),
                                  "if_empty": int(context.chance(0.3)),
                                  "nowait": int(context.chance(0.08))}),)


def queue_purge(context, _channel):
    """Purges a queue."""
    return (Call("queue.purge", {"queue": context.queue(), "nowait": int(context.chance(0.08))}),)


def exchange_delete(context, _channel):
    """Deletes an exchange, perhaps only when it is not used."""
    name = context.exchange(system=0.08, default=0.04)
    if name in context.declared_exchanges:
        context.declared_exchanges.remove(name)
    return (Call("exchange.delete", {"exchange": name, "if_unused": int(context.chance(0.5)),
                                     "nowait": int(context.chance(0.08))}),)
