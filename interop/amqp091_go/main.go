// SPDX-License-Identifier: Apache-2.0

// The amqp091-go client library against the broker at AMQP_URL. This file runs the checks and holds
// what they share; the checks themselves are in the other files, by chapter.
//
// What the library cannot do: it cannot set or show the cluster-id property, so thirteen of the
// fourteen basic properties are compared; and of the field types of a table it can write neither
// u (unsigned 16) nor i (unsigned 32) nor L.
//
// Its deferred confirms are left alone: it registers one after it has sent the message, and loses a
// confirm that is faster than that.
package main

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Everything that is waited for has this long to happen.
const deadline = 10 * time.Second

// A check that still stands after this time hangs inside the library.
const checkDeadline = 45 * time.Second

var url = os.Getenv("AMQP_URL")

// A check fails by calling one of the must functions, or fail, which end it by panicking with this.
type failure string

func fail(format string, args ...interface{}) {
	panic(failure(fmt.Sprintf(format, args...)))
}

func must(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func mustEqual(what string, got, want interface{}) {
	if got != want {
		fail("%s is %v, not %v", what, got, want)
	}
}

// mustRefuse asserts that err is the server's exception with this code and text.
func mustRefuse(err error, code int, text string) {
	var refusal *amqp.Error
	if !errors.As(err, &refusal) {
		fail("expected a %d, got %v", code, err)
	}
	mustEqual("the reply code", refusal.Code, code)
	mustEqual("the reply text", refusal.Reason, text)
	mustEqual("sent by the server", refusal.Server, true)
}

// client is what a check works with: a connection of its own, with one open channel. Whatever the
// check opens besides is closed with it.
type client struct {
	*amqp.Channel
	conn     *amqp.Connection
	more     []*amqp.Connection
	confirms chan amqp.Confirmation
}

func (c *client) connect() *amqp.Connection {
	conn, err := amqp.Dial(url)
	must(err)
	c.more = append(c.more, conn)
	return conn
}

func openChannel(conn *amqp.Connection) *amqp.Channel {
	ch, err := conn.Channel()
	must(err)
	return ch
}

// queue declares an exclusive queue that the server names.
func (c *client) queue() string {
	q, err := c.QueueDeclare("", false, false, true, false, nil)
	must(err)
	return q.Name
}

func ready(ch *amqp.Channel, queue string) int {
	q, err := ch.QueueDeclarePassive(queue, false, false, false, false, nil)
	must(err)
	return q.Messages
}

func send(ch *amqp.Channel, exchange, key string, body string) {
	must(ch.Publish(exchange, key, false, false, amqp.Publishing{Body: []byte(body)}))
}

// confirming puts the channel of c in confirm mode, for sendConfirmed.
func (c *client) confirming() {
	must(c.Confirm(false))
	c.confirms = c.NotifyPublish(make(chan amqp.Confirmation, 1))
}

// sendConfirmed also waits until the message is in its queues. Without that, the counts of a
// declare-ok may be older than a message published before the declare.
func (c *client) sendConfirmed(exchange, key, body string) {
	tag := c.GetNextPublishSeqNo()
	send(c.Channel, exchange, key, body)
	mustConfirm(c.confirms, tag)
}

func mustGet(ch *amqp.Channel, queue string, autoAck bool) amqp.Delivery {
	d, ok, err := ch.Get(queue, autoAck)
	must(err)
	if !ok {
		fail("queue %s is empty", queue)
	}
	return d
}

// mustHold asserts that the queue holds exactly these bodies in this order, and empties it.
func mustHold(ch *amqp.Channel, queue string, bodies ...string) {
	for _, body := range bodies {
		mustEqual("the next body", string(mustGet(ch, queue, true).Body), body)
	}
	if d, ok, err := ch.Get(queue, true); err != nil || ok {
		fail("after %q came %q (%v)", bodies, d.Body, err)
	}
}

func mustReceive(deliveries <-chan amqp.Delivery) amqp.Delivery {
	select {
	case d, open := <-deliveries:
		if !open {
			fail("the consumer ended instead of receiving")
		}
		return d
	case <-time.After(deadline):
		fail("no delivery in %v", deadline)
	}
	panic("not reached")
}

func consume(ch *amqp.Channel, queue, tag string, autoAck bool) <-chan amqp.Delivery {
	deliveries, err := ch.Consume(queue, tag, autoAck, false, false, false, nil)
	must(err)
	return deliveries
}

var names uint32

// unique makes a name that no other run against the same broker uses.
func unique(what string) string {
	return fmt.Sprintf("interop.go.%d.%d.%s", os.Getpid(), atomic.AddUint32(&names, 1), what)
}

// run performs one check and says how it went. The connections of a check that failed are left to
// the end of the program: the library may be waiting for the check to take a notification. A panic
// that is no failure is a bug in here, and ends the program with its trace.
func run(name string, check func(*client)) (passed bool) {
	late := time.AfterFunc(checkDeadline, func() {
		fmt.Printf("not ok - %s: no end in %v\n", name, checkDeadline)
		panic("here is where everybody stands")
	})
	defer late.Stop()
	defer func() {
		switch reason := recover().(type) {
		case nil:
			fmt.Printf("ok - %s\n", name)
			passed = true
		case failure:
			fmt.Printf("not ok - %s: %.400s\n", name, reason)
		default:
			panic(reason)
		}
	}()
	c := &client{}
	c.conn = c.connect()
	c.Channel = openChannel(c.conn)
	check(c)
	for _, conn := range c.more {
		conn.Close()
	}
	return
}

func main() {
	if url == "" || os.Getenv("AMQP_HOST") == "" || os.Getenv("AMQP_PORT") == "" {
		fmt.Println("not ok - environment: AMQP_HOST, AMQP_PORT and AMQP_URL must be set")
		os.Exit(1)
	}
	failed := 0
	for _, c := range checks {
		if !run(c.name, c.check) {
			failed++
		}
	}
	if failed > 0 {
		os.Exit(1)
	}
}

var checks = []struct {
	name  string
	check func(*client)
}{
	{"connect", checkConnect},
	{"refused login", checkRefusedLogin},
	{"direct exchange", checkDirect},
	{"fanout exchange", checkFanout},
	{"topic exchange", checkTopic},
	{"headers exchange", checkHeaders},
	{"exchange to exchange binding", checkExchangeToExchange},
	{"basic properties by get", checkPropertiesByGet},
	{"basic properties by consume", checkPropertiesByConsume},
	{"absent properties stay absent", checkPropertiesAbsent},
	{"header field types", checkFieldTypes},
	{"empty body", checkBody(0)},
	{"body of 1 byte", checkBody(1)},
	{"body of 10 MiB", checkBody(10 << 20)},
	{"publisher confirms", checkConfirms},
	{"mandatory return before its confirm", checkReturn},
	{"nack requeue", checkNack},
	{"reject requeue", checkReject},
	{"prefetch", checkPrefetch},
	{"consumer cancel", checkCancel},
	{"consumer cancelled by the server", checkServerCancel},
	{"exclusive queue", checkExclusiveQueue},
	{"auto-delete queue", checkAutoDeleteQueue},
	{"channel error 404", checkNotFound},
	{"channel error 406", checkPreconditionFailed},
	{"tx commit", checkTxCommit},
	{"tx rollback", checkTxRollback},
	{"two connections", checkTwoConnections},
	{"heartbeat", checkHeartbeat},
}
