// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func mustConfirm(confirms <-chan amqp.Confirmation, tag uint64) {
	select {
	case c := <-confirms:
		mustEqual("the confirm", c, amqp.Confirmation{DeliveryTag: tag, Ack: true})
	case <-time.After(deadline):
		fail("no confirm of %d in %v", tag, deadline)
	}
}

func checkConfirms(c *client) {
	const n = 200
	must(c.Confirm(false))
	confirms := c.NotifyPublish(make(chan amqp.Confirmation, n))
	q := c.queue()
	for i := 0; i < n; i++ {
		send(c.Channel, "", q, fmt.Sprint(i))
	}
	for tag := uint64(1); tag <= n; tag++ {
		mustConfirm(confirms, tag)
	}
	mustEqual("messages once confirmed", ready(openChannel(c.conn), q), n)
	mustEqual("the next sequence number", c.GetNextPublishSeqNo(), uint64(n+1))

	// What reaches no queue is confirmed as well.
	send(c.Channel, "", unique("nowhere"), "")
	mustConfirm(confirms, n+1)
}

// The library handles the frames of a channel one after the other, and gives the next notification
// only when the one before was taken: the first that can be taken is the first that was sent.
func checkReturn(c *client) {
	must(c.Confirm(false))
	confirms := c.NotifyPublish(make(chan amqp.Confirmation))
	returns := c.NotifyReturn(make(chan amqp.Return))
	missing := unique("missing")
	must(c.Publish("", missing, true, false, everyProperty))
	select {
	case r := <-returns:
		mustBeReturned(r, missing)
	case confirm := <-confirms:
		fail("before the return came %+v", confirm)
	case <-time.After(deadline):
		fail("no return in %v", deadline)
	}
	mustConfirm(confirms, 1)

	must(c.Publish("", c.queue(), true, false, everyProperty))
	select {
	case r := <-returns:
		fail("a routed message came back: %+v", r)
	case confirm := <-confirms:
		mustEqual("the confirm", confirm, amqp.Confirmation{DeliveryTag: 2, Ack: true})
	case <-time.After(deadline):
		fail("no confirm in %v", deadline)
	}
}

func mustBeReturned(r amqp.Return, key string) {
	mustEqual("the reply code", r.ReplyCode, uint16(312))
	mustEqual("the reply text", r.ReplyText, "NO_ROUTE")
	mustEqual("the exchange", r.Exchange, "")
	mustEqual("the routing key", r.RoutingKey, key)
	mustCarry(amqp.Delivery{
		Headers: r.Headers, ContentType: r.ContentType, ContentEncoding: r.ContentEncoding,
		DeliveryMode: r.DeliveryMode, Priority: r.Priority, CorrelationId: r.CorrelationId,
		ReplyTo: r.ReplyTo, Expiration: r.Expiration, MessageId: r.MessageId,
		Timestamp: r.Timestamp, Type: r.Type, UserId: r.UserId, AppId: r.AppId, Body: r.Body,
	}, everyProperty)
}

func mustComeBack(d amqp.Delivery, body string) {
	mustEqual("the body", string(d.Body), body)
	mustEqual("redelivered", d.Redelivered, true)
}

func checkNack(c *client) {
	q := c.queue()
	deliveries := consume(c.Channel, q, "", false)
	for _, body := range []string{"1", "2", "3"} {
		send(c.Channel, "", q, body)
	}
	for _, body := range []string{"1", "2"} {
		d := mustReceive(deliveries)
		mustEqual("the body", string(d.Body), body)
		mustEqual("redelivered", d.Redelivered, false)
	}
	last := mustReceive(deliveries)
	must(last.Nack(true, true))
	for _, body := range []string{"1", "2", "3"} {
		d := mustReceive(deliveries)
		mustComeBack(d, body)
		must(d.Nack(false, false))
	}
	mustEqual("messages after they were dropped", ready(c.Channel, q), 0)

	// A message goes back to where it stood.
	must(c.Cancel(last.ConsumerTag, false))
	for _, body := range []string{"4", "5"} {
		send(c.Channel, "", q, body)
	}
	must(mustGet(c.Channel, q, false).Nack(false, true))
	mustComeBack(mustGet(c.Channel, q, true), "4")
	mustEqual("redelivered of what was never out", mustGet(c.Channel, q, true).Redelivered, false)
}

func checkReject(c *client) {
	q := c.queue()
	send(c.Channel, "", q, "once more")
	d := mustGet(c.Channel, q, false)
	mustEqual("redelivered", d.Redelivered, false)
	must(d.Reject(true))
	d = mustGet(c.Channel, q, false)
	mustComeBack(d, "once more")
	must(d.Reject(false))
	mustHold(c.Channel, q)

	// So does everything that a closed channel had not acknowledged.
	send(c.Channel, "", q, "left behind")
	other := openChannel(c.conn)
	mustGet(other, q, false)
	must(other.Close())
	mustComeBack(mustGet(c.Channel, q, true), "left behind")
}

// mustStand asserts that the consumer has nothing more to read, and that this many wait in the
// queue. Their sum with what was delivered is what was published, so nothing is on its way either.
func mustStand(ch *amqp.Channel, q string, deliveries <-chan amqp.Delivery, waiting int) {
	mustEqual("messages held back", ready(ch, q), waiting)
	select {
	case d := <-deliveries:
		fail("%q was delivered beyond the prefetch", d.Body)
	default:
	}
}

func checkPrefetch(c *client) {
	q := c.queue()
	c.confirming()
	for i := 1; i <= 10; i++ {
		c.sendConfirmed("", q, fmt.Sprint(i))
	}
	must(c.Qos(3, 0, false))
	deliveries := consume(c.Channel, q, "", false)
	var last amqp.Delivery
	take := func(from, to int) {
		for i := from; i <= to; i++ {
			last = mustReceive(deliveries)
			mustEqual("the body", string(last.Body), fmt.Sprint(i))
		}
	}
	take(1, 2)
	second := last
	take(3, 3)
	mustStand(c.Channel, q, deliveries, 7)
	must(second.Ack(true))
	take(4, 5)
	mustStand(c.Channel, q, deliveries, 5)
	must(last.Ack(false))
	take(6, 6)
	mustStand(c.Channel, q, deliveries, 4)
	must(last.Ack(true))
	take(7, 9)
	mustStand(c.Channel, q, deliveries, 1)
}

func checkCancel(c *client) {
	q := c.queue()
	deliveries := consume(c.Channel, q, "mine", false)
	send(c.Channel, "", q, "before")
	d := mustReceive(deliveries)
	must(c.Cancel("mine", false))
	if d, open := <-deliveries; open {
		fail("%q was delivered to a cancelled consumer", d.Body)
	}
	c.confirming()
	c.sendConfirmed("", q, "after")
	mustEqual("messages behind the cancelled consumer", ready(c.Channel, q), 1)
	must(d.Ack(false))
	mustHold(c.Channel, q, "after")
	must(c.Cancel("never was", false))
}

func checkServerCancel(c *client) {
	q := c.queue()
	cancels := c.NotifyCancel(make(chan string, 1))
	deliveries := consume(c.Channel, q, "doomed", true)
	other := openChannel(c.conn)
	_, err := other.QueueDelete(q, false, false, false)
	must(err)
	select {
	case tag := <-cancels:
		mustEqual("the cancelled tag", tag, "doomed")
	case <-time.After(deadline):
		fail("no cancel in %v", deadline)
	}
	select {
	case d, open := <-deliveries:
		mustEqual("a delivery came from the deleted queue: "+string(d.Body), open, false)
	case <-time.After(deadline):
		fail("the consumer did not end")
	}
	mustEqual("messages of a new queue on the same channel", ready(c.Channel, c.queue()), 0)
}

func checkExclusiveQueue(c *client) {
	name := unique("exclusive")
	owner := c.connect()
	_, err := openChannel(owner).QueueDeclare(name, false, false, true, false, nil)
	must(err)
	must(openChannel(owner).QueueBind(name, "k", "amq.direct", false, nil))
	locked := "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '" + name +
		"' in vhost '/'. It could be originally declared on another connection or the exclusive " +
		"property value does not match that of the original declaration."
	mustBreak(c, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(name, false, false, true, false, nil)
		return err
	}, 405, locked)
	mustBreak(c, func(ch *amqp.Channel) error {
		_, err := ch.Consume(name, "", true, false, false, false, nil)
		return err
	}, 405, locked)
	must(owner.Close())
	mustBreak(c, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclarePassive(name, false, false, true, false, nil)
		return err
	}, 404, "NOT_FOUND - no queue '"+name+"' in vhost '/'")
}

func checkAutoDeleteQueue(c *client) {
	q, err := c.QueueDeclare(unique("auto-delete"), false, true, false, false, nil)
	must(err)
	consume(c.Channel, q.Name, "first", true)
	consume(c.Channel, q.Name, "second", true)
	must(c.Cancel("first", false))
	mustEqual("messages while a consumer is left", ready(c.Channel, q.Name), 0)
	must(c.Cancel("second", false))
	mustBreak(c, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclarePassive(q.Name, false, true, false, false, nil)
		return err
	}, 404, "NOT_FOUND - no queue '"+q.Name+"' in vhost '/'")
}

func checkTxCommit(c *client) {
	q, other := c.queue(), openChannel(c.conn)
	must(c.Tx())
	send(c.Channel, "", q, "1")
	send(c.Channel, "", q, "2")
	mustEqual("messages before the commit", ready(other, q), 0)
	must(c.TxCommit())
	mustEqual("messages after the commit", ready(other, q), 2)

	must(mustGet(c.Channel, q, false).Ack(false))
	must(c.TxCommit())
	must(c.Close())
	mustHold(other, q, "2")
}

func checkTxRollback(c *client) {
	q, other := c.queue(), openChannel(c.conn)
	must(c.Tx())
	send(c.Channel, "", q, "kept")
	must(c.TxCommit())
	send(c.Channel, "", q, "undone")
	must(mustGet(c.Channel, q, false).Ack(false))
	must(c.TxRollback())
	must(c.TxCommit())
	must(c.Close())
	mustComeBack(mustGet(other, q, true), "kept")
	mustHold(other, q)
}
