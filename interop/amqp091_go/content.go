// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"math"
	"math/rand"
	"reflect"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var everyProperty = amqp.Publishing{
	ContentType:     "text/plain",
	ContentEncoding: "identity",
	Headers:         amqp.Table{"trace": "abc"},
	DeliveryMode:    amqp.Persistent,
	Priority:        7,
	CorrelationId:   "correlation-1",
	ReplyTo:         "some.queue",
	Expiration:      "3600000",
	MessageId:       "message-1",
	Timestamp:       time.Unix(1700000000, 0),
	Type:            "greeting",
	UserId:          "guest",
	AppId:           "interop",
	Body:            []byte("h\u00e9llo"),
}

func mustCarry(d amqp.Delivery, want amqp.Publishing) {
	got := amqp.Publishing{
		Headers: d.Headers, ContentType: d.ContentType, ContentEncoding: d.ContentEncoding,
		DeliveryMode: d.DeliveryMode, Priority: d.Priority, CorrelationId: d.CorrelationId,
		ReplyTo: d.ReplyTo, Expiration: d.Expiration, MessageId: d.MessageId,
		Timestamp: d.Timestamp, Type: d.Type, UserId: d.UserId, AppId: d.AppId, Body: d.Body,
	}
	if !got.Timestamp.Equal(want.Timestamp) {
		fail("the timestamp became %v", got.Timestamp)
	}
	got.Timestamp = want.Timestamp
	if !reflect.DeepEqual(got, want) {
		fail("%+v became %+v", want, got)
	}
}

func checkPropertiesByGet(c *client) {
	q := c.queue()
	must(c.Publish("", q, false, false, everyProperty))
	send(c.Channel, "", q, "behind it")
	d := mustGet(c.Channel, q, false)
	mustCarry(d, everyProperty)
	mustEqual("exchange", d.Exchange, "")
	mustEqual("routing key", d.RoutingKey, q)
	mustEqual("redelivered", d.Redelivered, false)
	mustEqual("messages left", d.MessageCount, uint32(1))
	mustEqual("delivery tag", d.DeliveryTag, uint64(1))
	must(d.Ack(false))
	mustHold(c.Channel, q, "behind it")
}

func checkPropertiesByConsume(c *client) {
	x := c.exchange("direct")
	q := c.boundQueue(x, "key", nil)
	deliveries := consume(c.Channel, q, "the tag", false)
	must(c.Publish(x, "key", false, false, everyProperty))
	d := mustReceive(deliveries)
	mustCarry(d, everyProperty)
	mustEqual("exchange", d.Exchange, x)
	mustEqual("routing key", d.RoutingKey, "key")
	mustEqual("consumer tag", d.ConsumerTag, "the tag")
	mustEqual("redelivered", d.Redelivered, false)
	must(d.Ack(false))
}

func checkPropertiesAbsent(c *client) {
	q := c.queue()
	must(c.Publish("", q, false, false, amqp.Publishing{}))
	mustCarry(mustGet(c.Channel, q, true), amqp.Publishing{Body: []byte{}})
}

// The library reads an array without elements as a nil slice.
var noFields []interface{}

// Every type the library can write, at the ends of its range, in the table, in an array and in a
// table inside it, but for the floating-point values that are no numbers: RabbitMQ closes the
// connection with 541 on those. reflect.DeepEqual compares the types with the values.
func checkFieldTypes(c *client) {
	every := func() amqp.Table {
		return amqp.Table{
			"t true": true, "t false": false,
			"b low": int8(math.MinInt8), "b high": int8(math.MaxInt8),
			"B low": byte(0), "B high": byte(math.MaxUint8),
			"s low": int16(math.MinInt16), "s high": int16(math.MaxInt16),
			"I low": int32(math.MinInt32), "I high": int32(math.MaxInt32),
			"l low": int64(math.MinInt64), "l high": int64(math.MaxInt64),
			"f": float32(1.5), "f least": float32(math.SmallestNonzeroFloat32),
			"d": -2.25, "d most": math.MaxFloat64, "d least": -math.SmallestNonzeroFloat64,
			"D":       amqp.Decimal{Scale: 2, Value: 12345},
			"S":       "text \u00fc",
			"S empty": "",
			"S long":  strings.Repeat("0123456789", 3000),
			"x":       []byte{0, 1, 0xce, 0xff},
			"T":       time.Unix(1700000001, 0),
			"V":       nil,
			"A empty": noFields,
			"F empty": amqp.Table{},
		}
	}
	headers := every()
	headers["A"] = []interface{}{true, int8(-1), byte(1), int16(-2), int32(-3), int64(-4), float32(.5),
		.25, amqp.Decimal{Scale: 1, Value: 5}, "s", []byte("x"), time.Unix(1, 0), nil,
		[]interface{}{"deeper", noFields}, every()}
	headers["F"] = amqp.Table{"inner": every(), "array": []interface{}{every()}}
	headers[strings.Repeat("n", 255)] = "the longest name"

	q := c.queue()
	must(c.Publish("", q, false, false, amqp.Publishing{Headers: headers}))
	d := mustGet(c.Channel, q, true)
	for name, want := range headers {
		if got, present := d.Headers[name]; !present || !reflect.DeepEqual(got, want) {
			fail("%s: %T(%v) became %T(%v)", name, want, want, got, got)
		}
	}
	mustEqual("the number of headers", len(d.Headers), len(headers))
}

func checkBody(size int) func(*client) {
	return func(c *client) {
		body := make([]byte, size)
		rand.New(rand.NewSource(int64(size))).Read(body)
		q := c.queue()
		must(c.Publish("", q, false, false, amqp.Publishing{Body: body}))
		if d := mustGet(c.Channel, q, true); !bytes.Equal(d.Body, body) {
			fail("the %d bytes that were got differ from the %d published", len(d.Body), size)
		}
		deliveries := consume(c.Channel, q, "", true)
		must(c.Publish("", q, false, false, amqp.Publishing{Body: body}))
		if d := mustReceive(deliveries); !bytes.Equal(d.Body, body) {
			fail("the %d bytes that were delivered differ from the %d published", len(d.Body), size)
		}
	}
}
