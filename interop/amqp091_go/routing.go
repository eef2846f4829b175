// SPDX-License-Identifier: Apache-2.0

package main

import (
	amqp "github.com/rabbitmq/amqp091-go"
)

// exchange declares an auto-delete exchange; it goes with the bindings of the check's queues.
func (c *client) exchange(kind string) string {
	name := unique(kind)
	must(c.ExchangeDeclare(name, kind, false, true, false, false, nil))
	must(c.ExchangeDeclarePassive(name, kind, false, true, false, false, nil))
	return name
}

func (c *client) boundQueue(exchange, key string, args amqp.Table) string {
	q := c.queue()
	must(c.QueueBind(q, key, exchange, false, args))
	return q
}

func checkDirect(c *client) {
	x := c.exchange("direct")
	north, south := c.boundQueue(x, "north", nil), c.boundQueue(x, "south", nil)
	send(c.Channel, x, "north", "1")
	send(c.Channel, x, "south", "2")
	send(c.Channel, x, "east", "3")
	send(c.Channel, x, "north", "4")
	mustHold(c.Channel, north, "1", "4")
	mustHold(c.Channel, south, "2")

	must(c.QueueBind(north, "south", x, false, nil))
	must(c.QueueUnbind(north, "north", x, nil))
	send(c.Channel, x, "north", "5")
	send(c.Channel, x, "south", "6")
	mustHold(c.Channel, north, "6")
	mustHold(c.Channel, south, "6")
}

func checkFanout(c *client) {
	x := c.exchange("fanout")
	one, two := c.boundQueue(x, "", nil), c.boundQueue(x, "ignored", nil)
	send(c.Channel, x, "any key", "to all")
	mustHold(c.Channel, one, "to all")
	mustHold(c.Channel, two, "to all")
}

func checkTopic(c *client) {
	x := c.exchange("topic")
	one := c.boundQueue(x, "*.eu.*", nil)
	many := c.boundQueue(x, "log.#", nil)
	must(c.QueueBind(many, "#.disk", x, false, nil))
	for _, key := range []string{
		"app.eu.net", "log.eu.disk", "log", "log.us.disk.full", "app.eu", "app.us.disk", "logs.eu",
	} {
		send(c.Channel, x, key, key)
	}
	mustHold(c.Channel, one, "app.eu.net", "log.eu.disk")
	mustHold(c.Channel, many, "log.eu.disk", "log", "log.us.disk.full", "app.us.disk")
}

func checkHeaders(c *client) {
	x := c.exchange("headers")
	all := c.boundQueue(x, "", amqp.Table{"x-match": "all", "shape": "round", "size": int32(7)})
	some := c.boundQueue(x, "", amqp.Table{"x-match": "any", "shape": "round", "size": int32(7)})
	for body, headers := range map[string]amqp.Table{
		"both":    {"shape": "round", "size": int32(7), "colour": "red"},
		"neither": {"shape": "square", "size": int32(8)},
	} {
		must(c.Publish(x, "", false, false, amqp.Publishing{Headers: headers, Body: []byte(body)}))
	}
	mustHold(c.Channel, all, "both")
	mustHold(c.Channel, some, "both")
	must(c.Publish(x, "", false, false, amqp.Publishing{
		Headers: amqp.Table{"shape": "square", "size": int32(7)}, Body: []byte("one")}))
	mustHold(c.Channel, all)
	mustHold(c.Channel, some, "one")
}

func checkExchangeToExchange(c *client) {
	source, target := c.exchange("topic"), c.exchange("direct")
	q := c.boundQueue(target, "a.b", nil)
	must(c.ExchangeBind(target, "a.*", source, false, nil))
	send(c.Channel, source, "a.b", "through both")
	send(c.Channel, source, "a.c", "stopped by the second")
	send(c.Channel, source, "b.b", "stopped by the first")
	mustHold(c.Channel, q, "through both")
	must(c.ExchangeBind(target, "gone", source, false, nil))
	must(c.ExchangeUnbind(target, "a.*", source, false, nil))
	send(c.Channel, source, "a.b", "no longer")
	mustHold(c.Channel, q)
	must(c.ExchangeDelete(source, false, false))
}
