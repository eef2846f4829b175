# SPDX-License-Identifier: Apache-2.0
"""What a session draws its names, arguments, properties and bodies from.

`Context` holds the random stream of one session and what the session hopes to have declared. It
cannot know what the brokers answered, so it only makes sensible steps likely; it decides nothing.
"""

import random

from steps import Content, GeneratedQueue

TYPES = ("direct", "fanout", "topic", "headers")
SYSTEM_EXCHANGES = {"amq.direct": "direct", "amq.fanout": "fanout", "amq.topic": "topic",
                    "amq.headers": "headers", "amq.match": "headers"}
FAR_AWAY = (("I", 2000000000), ("l", 315360000000), ("i", 4000000000), ("L", 100000000000))
BIG = (("I", 1000000), ("l", 10000000000), ("i", 4000000000))
NOT_INTEGERS = (("S", "abc"), ("S", ""), ("S", "5"), ("t", 1), ("t", 0), ("V", None), ("d", 1.5),
                ("f", 0.5), ("T", 7), ("F", []), ("F", [("a", "I", 1)]), ("A", []),
                ("A", [("I", 1), ("S", "b")]), ("x", "ab"), ("D", (1, 15)))
NOT_STRINGS = (("I", 1), ("b", -1), ("l", 5), ("t", 1), ("V", None), ("d", 1.5), ("T", 7),
               ("F", []), ("A", [("S", "a")]), ("x", "ab"), ("D", (0, 1)))
OF_OTHER_TYPES = ("x-max-in-memory-length", "x-max-in-memory-bytes", "x-delivery-limit",
                  "x-quorum-initial-group-size", "x-stream-max-segment-size-bytes",
                  "x-initial-cluster-size", "x-max-age", "x-dead-letter-strategy")
WORDS = ("a", "b", "c", "")
HEADER_KEYS = ("h1", "h2", "h3", "x-h")
HEADER_VALUES = (("S", "one"), ("S", "two"), ("I", 1), ("b", 1), ("l", 1), ("I", 2), ("t", 1),
                 ("t", 0), ("d", 1.5), ("V", None), ("S", "1"), ("S", ""))
EVERY_TYPE = (("t", 1), ("b", -1), ("B", 255), ("s", -2), ("u", 65535), ("I", -3),
              ("i", 4294967295), ("l", -5), ("L", 6), ("f", 1.5), ("d", -2.25), ("D", (2, 314)),
              ("S", "text"), ("S", b"\xff\x00"), ("x", b"\x00\xff"), ("A", []),
              ("A", [("I", 1), ("S", "x"), ("F", [("z", "V", None)])]), ("T", 1700000000),
              ("F", [("a", "I", 1), ("b", "F", [("c", "A", [("t", 0)])])]), ("V", None))
BAD_EXPIRATIONS = ("", "abc", "1abc", "-1", "1.5", " 1", "1 ", "315360000001", "0x10", "-", "1\n")
FAR_EXPIRATIONS = ("315360000000", "100000000", "+100000000", "0100000000")


class Context:
    """The random stream of a session and its hopes about what exists."""

    def __init__(self, seed, features):
        self.random = random.Random(seed)
        self.features = features
        self.prefix = f"o{seed}."
        self.queue_pool = [f"{self.prefix}q{index}" for index in range(1, 5)]
        self.exchange_pool = [f"{self.prefix}x{index}" for index in range(1, 6)]
        self.missing = f"{self.prefix}missing"
        self.uses_priorities = "message_priority" in features or self.chance(0.5)
        self.queue_plans = {name: self.plan_queue() for name in self.queue_pool}
        self.exchange_plans = {name: self.plan_exchange(index)
                               for index, name in enumerate(self.exchange_pool)}
        self.declared_queues = []
        self.declared_exchanges = []
        self.n_generated = 0
        self.tags = {}
        self.modes = {}
        self.bindings = []
        self.channel = None
        self.has_declared = set()
        self.mortal_slots = set()

    # -- chance -----------------------------------------------------------------------------

    def chance(self, probability):
        """True that often."""
        return self.random.random() < probability

    def pick(self, choices):
        """One of several, equally likely."""
        return self.random.choice(choices)

    def has(self, feature):
        """Whether sessions may touch a group of behaviour."""
        return feature in self.features

    def may_end(self, channel):
        """Whether a step may cost the connection. One that has several channels mostly lives on:
        which of them ends first is up to a broker, and can be seen by the others."""
        return channel[0] in self.mortal_slots

    # -- plans: what a name is meant to be, so that declaring it again mostly agrees --------

    def plan_queue(self):
        """Attributes for a queue name."""
        plan = {"durable": int(self.chance(0.4)), "exclusive": int(self.chance(0.1)),
                "auto_delete": int(self.chance(0.15)), "arguments": []}
        for _ in range(self.pick((0, 0, 0, 1, 1, 2))):
            plan["arguments"] = add_row(plan["arguments"], self.good_argument())
        if any(row[0] == "x-dead-letter-routing-key" for row in plan["arguments"]):
            plan["arguments"] = add_row(plan["arguments"], self.dead_letter_exchange())
        return plan

    def plan_exchange(self, index):
        """Attributes for an exchange name; the first four cover the four types."""
        plan = {"type": TYPES[index] if index < 4 else self.pick(TYPES),
                "durable": int(self.chance(0.4)), "auto_delete": int(self.chance(0.12)),
                "internal": int(self.chance(0.08)), "arguments": []}
        if self.has("alternate_exchanges") and self.chance(0.2):
            target = self.pick([*self.exchange_pool, "amq.fanout", self.missing])
            plan["arguments"] = [("alternate-exchange", "S", target)]
        return plan

    def dead_letter_exchange(self):
        """A dead-letter exchange argument: one that does not exist while the effect is off."""
        target = self.pick(self.exchange_pool) if self.has("dead_letters") else self.missing
        return ("x-dead-letter-exchange", "S", target)

    def good_argument(self):
        """A queue argument that a new classic queue accepts, out of effect unless its group is
        on."""
        rows = [("x-expires", *self.pick(FAR_AWAY)), ("x-message-ttl", *self.pick(FAR_AWAY)),
                ("x-max-length", *self.pick(BIG)), ("x-max-length-bytes", *self.pick(BIG)),
                ("x-overflow", "S", self.pick(("drop-head", "reject-publish",
                                               "reject-publish-dlx"))),
                ("x-queue-mode", "S", self.pick(("lazy", "default"))),
                ("x-queue-version", "I", self.pick((1, 2))), ("x-queue-type", "S", "classic"),
                ("x-queue-master-locator", "S", self.pick(("client-local", "min-masters"))),
                ("x-single-active-consumer", "t", int(self.has("single_active_consumer"))),
                ("x-foo", *self.pick(EVERY_TYPE)), self.dead_letter_exchange(),
                ("x-dead-letter-routing-key", "S", self.pick(("a", "")))]
        if not self.uses_priorities or self.has("message_priority"):
            rows.append(("x-max-priority", self.pick("bBsuIil"), self.pick((0, 1, 5, 10))))
        if self.has("message_ttl"):
            rows += [("x-message-ttl", "I", self.pick((0, 1, 50)))]
        if self.has("max_length"):
            rows += [("x-max-length", "I", self.pick((0, 1, 2, 3))),
                     ("x-max-length-bytes", "I", self.pick((0, 10, 100)))]
        return self.pick(rows)

    def bad_argument(self):
        """A queue argument that a new classic queue refuses."""
        integer = self.pick(("x-expires", "x-message-ttl", "x-max-length", "x-max-length-bytes",
                             "x-max-priority", "x-queue-version"))
        return self.pick((
            (integer, *self.pick(NOT_INTEGERS)), (integer, *self.pick(NOT_INTEGERS)),
            (integer, self.pick("bsIl"), -1), ("x-expires", self.pick("bI"), 0),
            (self.pick(("x-expires", "x-message-ttl")), "l", 315360000001),
            ("x-max-priority", "I", self.pick((256, 1000))), ("x-queue-version", "I", 3),
            ("x-overflow", "S", self.pick(("foo", ""))), ("x-queue-type", "S", "foo"),
            (self.pick(("x-overflow", "x-single-active-consumer", "x-queue-type",
                        "x-dead-letter-exchange")), *self.pick(NOT_STRINGS[:3])),
            ("x-dead-letter-exchange", *self.pick(NOT_STRINGS)),
            ("x-dead-letter-routing-key", "S", "k"), ("x-overflow", *self.pick(NOT_STRINGS)),
            ("x-single-active-consumer", "S", "true"), ("x-single-active-consumer", "I", 1),
            (self.pick(OF_OTHER_TYPES), "I", 5)))

    # -- names ------------------------------------------------------------------------------

    def queue(self):
        """The name of a queue: mostly one that may exist, sometimes an awkward one. The empty name
        stands for the queue last declared on the channel."""
        if self.chance(0.12 if self.channel in self.has_declared else 0.01):
            return ""
        dice = self.random.random()
        if dice < 0.05 and self.n_generated:
            return GeneratedQueue(self.random.randrange(self.n_generated))
        if dice < 0.07:
            return self.pick((self.missing, "amq.none", self.queue_pool[0] + "\r\n",
                              "n" * 255, self.prefix + "é"))
        if dice < 0.95 and self.declared_queues:
            return self.pick(self.declared_queues)
        return self.pick(self.queue_pool)

    def exchange(self, system=0.25, default=0.02):
        """The name of an exchange, likewise."""
        dice = self.random.random()
        if dice < default:
            return ""
        if dice < default + 0.02:
            return self.pick((self.missing, "amq.none", self.exchange_pool[0] + "\n"))
        if dice < default + 0.02 + system:
            return self.pick(list(SYSTEM_EXCHANGES))
        pool = self.declared_exchanges if self.declared_exchanges and dice < 0.97 \
            else self.exchange_pool
        name = self.pick(pool)
        if self.exchange_plans[name]["internal"] and self.chance(0.7):
            name = self.pick(pool)
        return name

    def type_of(self, exchange):
        """The type that an exchange is meant to have."""
        if exchange in self.exchange_plans:
            return self.exchange_plans[exchange]["type"]
        return SYSTEM_EXCHANGES.get(exchange, "direct")

    def words(self, alphabet):
        """Some words of an alphabet with dots between them."""
        return ".".join(self.pick(alphabet) for _ in range(self.pick((1, 1, 2, 2, 3, 4))))

    def binding_key(self, exchange):
        """A binding key that suits the type of the exchange."""
        if self.type_of(exchange) == "topic":
            return self.words((*WORDS, "*", "#")) if self.chance(0.85) else ""
        return self.pick((f"{self.prefix}k1", f"{self.prefix}k2", "", self.prefix + "é"))

    def routing_key(self, exchange):
        """A routing key that has a fair chance to be bound."""
        if self.type_of(exchange) == "topic":
            return self.words(WORDS)
        return self.pick((f"{self.prefix}k1", f"{self.prefix}k2", "", "nowhere",
                          self.prefix + "é"))

    def binding_arguments(self, exchange):
        """Arguments of a binding: matter for headers exchanges, and for identity elsewhere."""
        if self.type_of(exchange) != "headers":
            return [("x", "I", self.pick((1, 2)))] if self.chance(0.15) else []
        rows = []
        for key in HEADER_KEYS:
            if self.chance(0.35):
                rows.append((key, *self.pick(HEADER_VALUES)))
        dice = self.random.random()
        if dice < 0.6:
            rows.insert(self.random.randint(0, len(rows)), (
                "x-match", "S", self.pick(("all", "any", "all-with-x", "any-with-x"))))
        elif dice < 0.68:
            rows.append(("x-match", "S", self.pick(("foo", "ALL", "", "all "))))
        elif dice < 0.74:
            rows.append(("x-match", *self.pick(NOT_STRINGS)))
        return self.with_duplicates(rows)

    def with_duplicates(self, rows):
        """The rows, with a key repeated now and then."""
        if rows and self.has("duplicate_keys") and self.chance(0.2):
            return [*rows, (self.pick(rows)[0], *self.pick(HEADER_VALUES))]
        return rows

    # -- messages ---------------------------------------------------------------------------

    def headers(self):
        """A headers table: sometimes for matching, sometimes of every field type."""
        if self.chance(0.3):
            rows = [(f"k{index}", *value) for index, value in enumerate(EVERY_TYPE)]
            self.random.shuffle(rows)
            return rows[:self.random.randint(0, len(rows))]
        return self.with_duplicates([(key, *self.pick(HEADER_VALUES)) for key in HEADER_KEYS
                                     if self.chance(0.5)])

    def properties(self):
        """Properties of a message that no broker objects to."""
        properties = {}
        makers = {
            "content_type": lambda: "text/plain", "content_encoding": lambda: "utf-8",
            "correlation_id": lambda: self.pick(("1", "", "ä")), "reply_to": lambda: "somewhere",
            "expiration": lambda: self.pick(FAR_EXPIRATIONS), "message_id": lambda: "m" * 255,
            "timestamp": lambda: self.pick((0, 1700000000, 2**64 - 1)), "type": lambda: "t",
            "user_id": lambda: "guest", "app_id": lambda: b"\xff", "cluster_id": lambda: ""}
        if self.has("message_ttl"):
            makers["expiration"] = lambda: self.pick(("0", "1", "50"))
        if self.uses_priorities:
            makers["priority"] = lambda: self.pick((0, 1, 5, 255))
        if self.chance(0.4):
            for name in self.random.sample(list(makers), self.pick((1, 1, 2, 4, 8))):
                properties[name] = makers[name]()
        if self.chance(0.4):
            properties["headers"] = self.headers()
        if self.chance(0.4):
            properties["delivery_mode"] = self.pick((1, 2))
        if self.has("cc_bcc") and self.chance(0.15):
            properties["headers"] = [(self.pick(("CC", "BCC")), "A", [
                ("S", self.pick(self.queue_pool)) for _ in range(self.pick((0, 1, 2)))])]
        return properties

    def body(self, frame_max=131072):
        """A body; its first bytes tell one message from another."""
        mark = self.random.randbytes(4).hex().encode()
        dice = self.random.random()
        if dice < 0.12:
            return b""
        if dice < 0.16 and self.has("large_bodies"):
            size = self.pick((4096, frame_max - 8, frame_max - 7, 2 * (frame_max - 8), 70000))
            return (mark * (size // 8 + 1))[:size]
        return mark[:self.pick((1, 4, 8))]

    def content(self, frame_max=131072):
        """A whole message."""
        body = self.body(frame_max)
        cuts = None
        if len(body) in range(2, 9) and self.chance(0.1):
            cuts = self.pick(((1,), (1, 0), (0, 1), (0,)))
        return Content(self.properties(), body, cuts=cuts)


def add_row(rows, row):
    """The rows with another one, unless its key is taken."""
    return rows if any(row[0] == present[0] for present in rows) else [*rows, row]
