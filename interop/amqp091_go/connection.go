// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func checkConnect(c *client) {
	mustEqual("product", c.conn.Properties["product"], "RabbitMQ")
	capabilities, _ := c.conn.Properties["capabilities"].(amqp.Table)
	for _, name := range []string{
		"publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
		"connection.blocked", "consumer_priorities", "authentication_failure_close",
		"per_consumer_qos", "direct_reply_to",
	} {
		mustEqual("capability "+name, capabilities[name], true)
	}
	mustEqual("minor version", c.conn.Minor, 9)
	mustEqual("locales", fmt.Sprint(c.conn.Locales), "[en_US]")
	must(c.Close())
	must(c.conn.Close())
	mustEqual("closed", c.conn.IsClosed(), true)
}

// PLAIN with a wrong password, then AMQPLAIN with the right one: a server that refuses everything
// would not pass. The library does not announce that it understands a 403 here; to it, a refusal is
// the end of the TCP connection, which a RabbitMQ delays by 3 s.
func checkRefusedLogin(c *client) {
	address := os.Getenv("AMQP_HOST") + ":" + os.Getenv("AMQP_PORT")
	conn, err := amqp.Dial("amqp://guest:wrong@" + address + "/")
	if err == nil {
		conn.Close()
	}
	mustEqual("the error for a wrong password", err, amqp.ErrCredentials)

	conn, err = amqp.DialConfig(url, amqp.Config{
		SASL: []amqp.Authentication{&amqp.AMQPlainAuth{Username: "guest", Password: "guest"}},
	})
	must(err)
	must(conn.Close())
	mustEqual("messages of a queue declared after the refusal", ready(c.Channel, c.queue()), 0)
}

// mustBreak performs something that the server refuses, and asserts how; then that the refusal cost
// its own channel only: another channel and the connection go on, and a new channel opens.
func mustBreak(c *client, action func(*amqp.Channel) error, code int, text string) {
	broken := openChannel(c.conn)
	closed := broken.NotifyClose(make(chan *amqp.Error, 1))
	mustRefuse(action(broken), code, text)
	select {
	case reason := <-closed:
		if reason == nil {
			fail("the channel closed without a reason")
		}
		mustRefuse(reason, code, text)
	case <-time.After(deadline):
		fail("the channel did not close")
	}
	mustEqual("the broken channel is closed", broken.IsClosed(), true)
	mustEqual("the connection is closed", c.conn.IsClosed(), false)
	for _, ch := range []*amqp.Channel{c.Channel, openChannel(c.conn)} {
		q, err := ch.QueueDeclare("", false, true, true, false, nil)
		must(err)
		send(ch, "", q.Name, "still here")
		mustHold(ch, q.Name, "still here")
	}
}

func checkNotFound(c *client) {
	name := unique("missing")
	mustBreak(c, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclarePassive(name, false, false, false, false, nil)
		return err
	}, 404, "NOT_FOUND - no queue '"+name+"' in vhost '/'")
	mustBreak(c, func(ch *amqp.Channel) error {
		closed := ch.NotifyClose(make(chan *amqp.Error, 1))
		send(ch, name, "key", "to nowhere")
		select {
		case reason := <-closed:
			return reason
		case <-time.After(deadline):
			return nil
		}
	}, 404, "NOT_FOUND - no exchange '"+name+"' in vhost '/'")
}

func checkPreconditionFailed(c *client) {
	name := unique("transient")
	_, err := c.QueueDeclare(name, false, false, false, false, nil)
	must(err)
	mustBreak(c, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(name, true, false, false, false, nil)
		return err
	}, 406, "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '"+name+
		"' in vhost '/': received 'true' but current is 'false'")
	mustBreak(c, func(ch *amqp.Channel) error {
		closed := ch.NotifyClose(make(chan *amqp.Error, 1))
		must(ch.Ack(77, false))
		select {
		case reason := <-closed:
			return reason
		case <-time.After(deadline):
			return nil
		}
	}, 406, "PRECONDITION_FAILED - unknown delivery tag 77")
	_, err = c.QueueDelete(name, false, false, false)
	must(err)
}

// Request and answer between two connections, each reading what the other wrote.
func checkTwoConnections(c *client) {
	other := openChannel(c.connect())
	requests, answers := unique("requests"), unique("answers")
	for _, name := range []string{requests, answers} {
		_, err := c.QueueDeclare(name, false, true, false, false, nil)
		must(err)
	}
	incoming := consume(other, requests, "", true)
	replies := consume(c.Channel, answers, "", true)
	for i := 0; i < 50; i++ {
		body := fmt.Sprintf("request %d", i)
		must(c.Publish("", requests, false, false, amqp.Publishing{
			ReplyTo: answers, CorrelationId: fmt.Sprint(i), Body: []byte(body)}))
		request := mustReceive(incoming)
		mustEqual("the request", string(request.Body), body)
		must(other.Publish("", request.ReplyTo, false, false, amqp.Publishing{
			CorrelationId: request.CorrelationId, Body: append([]byte("re: "), request.Body...)}))
		reply := mustReceive(replies)
		mustEqual("the reply", string(reply.Body), "re: "+body)
		mustEqual("its correlation id", reply.CorrelationId, fmt.Sprint(i))
	}
}

// With an interval of 1 s the library gives up after 1.5 s without a frame from the server, and
// the server after 2 to 3 s without one from the client: being alive after 3.5 idle seconds proves
// that both send.
func checkHeartbeat(c *client) {
	conn, err := amqp.DialConfig(url, amqp.Config{Heartbeat: time.Second})
	must(err)
	c.more = append(c.more, conn)
	mustEqual("the negotiated heartbeat", conn.Config.Heartbeat, time.Second)
	ch := openChannel(conn)
	select {
	case reason := <-conn.NotifyClose(make(chan *amqp.Error, 1)):
		fail("the idle connection closed: %v", reason)
	case <-time.After(3500 * time.Millisecond):
	}
	_, err = ch.QueueDeclare("", false, false, true, false, nil)
	must(err)
}
