# SPDX-License-Identifier: Apache-2.0
"""The methods of AMQP 0-9-1 with RabbitMQ's extensions, as one table.

Columns: class id, method id, name, arguments. A name ending in `*` carries content. Arguments are
`type:name`, and go on in indented lines; consecutive bits share octets as the specification asks.
"""

from typing import NamedTuple

_TABLE = """
10 10 connection.start octet:version_major octet:version_minor table:server_properties
      longstr:mechanisms longstr:locales
10 11 connection.start-ok table:client_properties shortstr:mechanism longstr:response
      shortstr:locale
10 20 connection.secure longstr:challenge
10 21 connection.secure-ok longstr:response
10 30 connection.tune short:channel_max long:frame_max short:heartbeat
10 31 connection.tune-ok short:channel_max long:frame_max short:heartbeat
10 40 connection.open shortstr:virtual_host shortstr:reserved_1 bit:reserved_2
10 41 connection.open-ok shortstr:reserved_1
10 50 connection.close short:reply_code shortstr:reply_text short:class_id short:method_id
10 51 connection.close-ok
10 60 connection.blocked shortstr:reason
10 61 connection.unblocked
10 70 connection.update-secret longstr:new_secret shortstr:reason
10 71 connection.update-secret-ok
20 10 channel.open shortstr:reserved_1
20 11 channel.open-ok longstr:reserved_1
20 20 channel.flow bit:active
20 21 channel.flow-ok bit:active
20 40 channel.close short:reply_code shortstr:reply_text short:class_id short:method_id
20 41 channel.close-ok
30 10 access.request shortstr:realm bit:exclusive bit:passive bit:active bit:write bit:read
30 11 access.request-ok short:ticket
40 10 exchange.declare short:reserved_1 shortstr:exchange shortstr:type bit:passive bit:durable
      bit:auto_delete bit:internal bit:nowait table:arguments
40 11 exchange.declare-ok
40 20 exchange.delete short:reserved_1 shortstr:exchange bit:if_unused bit:nowait
40 21 exchange.delete-ok
40 30 exchange.bind short:reserved_1 shortstr:destination shortstr:source shortstr:routing_key
      bit:nowait table:arguments
40 31 exchange.bind-ok
40 40 exchange.unbind short:reserved_1 shortstr:destination shortstr:source shortstr:routing_key
      bit:nowait table:arguments
40 51 exchange.unbind-ok
50 10 queue.declare short:reserved_1 shortstr:queue bit:passive bit:durable bit:exclusive
      bit:auto_delete bit:nowait table:arguments
50 11 queue.declare-ok shortstr:queue long:message_count long:consumer_count
50 20 queue.bind short:reserved_1 shortstr:queue shortstr:exchange shortstr:routing_key bit:nowait
      table:arguments
50 21 queue.bind-ok
50 30 queue.purge short:reserved_1 shortstr:queue bit:nowait
50 31 queue.purge-ok long:message_count
50 40 queue.delete short:reserved_1 shortstr:queue bit:if_unused bit:if_empty bit:nowait
50 41 queue.delete-ok long:message_count
50 50 queue.unbind short:reserved_1 shortstr:queue shortstr:exchange shortstr:routing_key
      table:arguments
50 51 queue.unbind-ok
60 10 basic.qos long:prefetch_size short:prefetch_count bit:global
60 11 basic.qos-ok
60 20 basic.consume short:reserved_1 shortstr:queue shortstr:consumer_tag bit:no_local bit:no_ack
      bit:exclusive bit:nowait table:arguments
60 21 basic.consume-ok shortstr:consumer_tag
60 30 basic.cancel shortstr:consumer_tag bit:nowait
60 31 basic.cancel-ok shortstr:consumer_tag
60 40 basic.publish* short:reserved_1 shortstr:exchange shortstr:routing_key bit:mandatory
      bit:immediate
60 50 basic.return* short:reply_code shortstr:reply_text shortstr:exchange shortstr:routing_key
60 60 basic.deliver* shortstr:consumer_tag longlong:delivery_tag bit:redelivered shortstr:exchange
      shortstr:routing_key
60 70 basic.get short:reserved_1 shortstr:queue bit:no_ack
60 71 basic.get-ok* longlong:delivery_tag bit:redelivered shortstr:exchange shortstr:routing_key
      long:message_count
60 72 basic.get-empty shortstr:reserved_1
60 80 basic.ack longlong:delivery_tag bit:multiple
60 90 basic.reject longlong:delivery_tag bit:requeue
60 100 basic.recover-async bit:requeue
60 110 basic.recover bit:requeue
60 111 basic.recover-ok
60 120 basic.nack longlong:delivery_tag bit:multiple bit:requeue
60 200 basic.credit shortstr:consumer_tag long:credit bit:drain
60 201 basic.credit-ok long:available
60 202 basic.credit-drained shortstr:consumer_tag long:credit_drained
85 10 confirm.select bit:nowait
85 11 confirm.select-ok
90 10 tx.select
90 11 tx.select-ok
90 20 tx.commit
90 21 tx.commit-ok
90 30 tx.rollback
90 31 tx.rollback-ok
"""


class Method(NamedTuple):
    """One row of the table."""

    class_id: int
    method_id: int
    name: str
    has_content: bool
    arguments: tuple


def _parse(line):
    class_id, method_id, name, *arguments = line.split()
    pairs = tuple(tuple(argument.split(":")) for argument in arguments)
    return Method(int(class_id), int(method_id), name.rstrip("*"), name.endswith("*"), pairs)


_ROWS = [_parse(line) for line in _TABLE.replace("\n  ", " ").strip().splitlines()]
BY_NAME = {row.name: row for row in _ROWS}
BY_ID = {(row.class_id, row.method_id): row for row in _ROWS}

# The method that answers a method, for the player to know what to wait for.
REPLY = {row.name: row.name + "-ok" for row in _ROWS if row.name + "-ok" in BY_NAME}
REPLY.pop("connection.start")
REPLY.pop("connection.tune")
REPLY.pop("basic.credit")

# Basic properties in the order of their flag bits, highest bit first.
PROPERTIES = (
    ("content_type", "shortstr"), ("content_encoding", "shortstr"), ("headers", "table"),
    ("delivery_mode", "octet"), ("priority", "octet"), ("correlation_id", "shortstr"),
    ("reply_to", "shortstr"), ("expiration", "shortstr"), ("message_id", "shortstr"),
    ("timestamp", "longlong"), ("type", "shortstr"), ("user_id", "shortstr"),
    ("app_id", "shortstr"), ("cluster_id", "shortstr"))
