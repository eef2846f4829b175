// SPDX-License-Identifier: Apache-2.0

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.LongString;
import java.io.IOException;
import java.math.BigDecimal;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Whether messages arrive as they were sent. */
final class Content {
    static final byte[] BODY = Session.bytes("h\u00e9llo");

    /** All fourteen. */
    static AMQP.BasicProperties everyProperty() {
        return new AMQP.BasicProperties.Builder()
                .contentType("text/plain").contentEncoding("identity")
                .headers(Collections.singletonMap("trace", "abc"))
                .deliveryMode(2).priority(7).correlationId("correlation-1").replyTo("some.queue")
                .expiration("3600000").messageId("message-1").timestamp(new Date(1700000000000L))
                .type("greeting").userId("guest").appId("interop").clusterId("cluster-1").build();
    }

    static void carries(AMQP.BasicProperties got, AMQP.BasicProperties sent) {
        Session.same("the properties", values(got), values(sent));
    }

    private static List<String> values(AMQP.BasicProperties p) {
        return Arrays.<Object>asList(p.getContentType(), p.getContentEncoding(), p.getHeaders(),
                p.getDeliveryMode(), p.getPriority(), p.getCorrelationId(), p.getReplyTo(),
                p.getExpiration(), p.getMessageId(), p.getTimestamp(), p.getType(), p.getUserId(),
                p.getAppId(), p.getClusterId()).stream().map(Content::show)
                .collect(Collectors.toList());
    }

    static void propertiesByGet(Session s) throws Exception {
        String q = s.queue();
        s.channel.basicPublish("", q, everyProperty(), BODY);
        Session.send(s.channel, "", q, "behind it");
        GetResponse got = Session.get(s.channel, q, false);
        carries(got.getProps(), everyProperty());
        Session.same("the body", show(got.getBody()), show(BODY));
        Session.same("the exchange", got.getEnvelope().getExchange(), "");
        Session.same("the routing key", got.getEnvelope().getRoutingKey(), q);
        Session.same("redelivered", got.getEnvelope().isRedeliver(), false);
        Session.same("the delivery tag", got.getEnvelope().getDeliveryTag(), 1L);
        Session.same("messages left", got.getMessageCount(), 1);
        s.channel.basicAck(1, false);
        Session.holds(s.channel, q, "behind it");
    }

    static void propertiesByConsume(Session s) throws Exception {
        String x = s.exchange("direct");
        String q = s.boundQueue(x, "key", null);
        Reader reader = Reader.on(s.channel, q, false);
        s.channel.basicPublish(x, "key", everyProperty(), BODY);
        Delivery delivery = reader.next();
        carries(delivery.getProperties(), everyProperty());
        Session.same("the body", show(delivery.getBody()), show(BODY));
        Session.same("the exchange", delivery.getEnvelope().getExchange(), x);
        Session.same("the routing key", delivery.getEnvelope().getRoutingKey(), "key");
        Session.same("redelivered", delivery.getEnvelope().isRedeliver(), false);
        s.channel.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
    }

    static void propertiesAbsent(Session s) throws Exception {
        AMQP.BasicProperties none = new AMQP.BasicProperties.Builder().build();
        String q = s.queue();
        s.channel.basicPublish("", q, none, BODY);
        carries(Session.get(s.channel, q, true).getProps(), none);
    }

    /**
     * Every type the library can write, at the ends of its range, in the table, in an array and in
     * a table inside it; but for the floating-point values that are no numbers, on which RabbitMQ
     * closes the connection.
     */
    static void fieldTypes(Session s) throws Exception {
        Map<String, Object> headers = everyType();
        headers.put("A", Arrays.asList(true, (byte) -1, (short) -2, -3, -4L, .5f, .25,
                new BigDecimal("0.5"), "s", Session.bytes("x"), new Date(1000), null,
                Arrays.asList("deeper", Collections.emptyList()), everyType()));
        Map<String, Object> inner = everyType();
        inner.put("array", Collections.singletonList(everyType()));
        headers.put("F", inner);
        headers.put("n".repeat(255), "the longest name");

        String q = s.queue();
        s.channel.basicPublish("", q,
                new AMQP.BasicProperties.Builder().headers(headers).build(), BODY);
        Map<String, Object> got = Session.get(s.channel, q, true).getProps().getHeaders();
        Session.same("the names", new TreeMap<>(got).keySet(), new TreeMap<>(headers).keySet());
        for (Map.Entry<String, Object> header : headers.entrySet()) {
            Session.same("header " + header.getKey(), show(got.get(header.getKey())),
                    show(header.getValue()));
        }
    }

    private static Map<String, Object> everyType() {
        Map<String, Object> every = new HashMap<>();
        every.put("t true", true);
        every.put("t false", false);
        every.put("b low", Byte.MIN_VALUE);
        every.put("b high", Byte.MAX_VALUE);
        every.put("s low", Short.MIN_VALUE);
        every.put("s high", Short.MAX_VALUE);
        every.put("I low", Integer.MIN_VALUE);
        every.put("I high", Integer.MAX_VALUE);
        every.put("l low", Long.MIN_VALUE);
        every.put("l high", Long.MAX_VALUE);
        every.put("f", 1.5f);
        every.put("f least", Float.MIN_VALUE);
        every.put("d", -2.25);
        every.put("d most", Double.MAX_VALUE);
        every.put("D", new BigDecimal("123.45"));
        every.put("S", "text \u00fc");
        every.put("S empty", "");
        every.put("S long", "0123456789".repeat(3000));
        every.put("x", new byte[] {0, 1, (byte) 0xce, (byte) 0xff});
        every.put("T", new Date(1700000001000L));
        every.put("V", null);
        every.put("A empty", Collections.emptyList());
        every.put("F empty", Collections.emptyMap());
        return every;
    }

    /** A text that is the same for two values only if their AMQP types are the same as well. */
    private static String show(Object value) {
        if (value == null) {
            return "void";
        }
        if (value instanceof LongString || value instanceof String) {
            return "longstr " + value;
        }
        if (value instanceof byte[]) {
            return "bytes " + Arrays.toString((byte[]) value);
        }
        if (value instanceof List) {
            return "array " + ((List<?>) value).stream().map(Content::show)
                    .collect(Collectors.toList());
        }
        if (value instanceof Map) {
            Map<String, String> sorted = new TreeMap<>();
            ((Map<?, ?>) value).forEach((name, field) -> sorted.put((String) name, show(field)));
            return "table " + sorted;
        }
        return value.getClass().getSimpleName() + " " + value;
    }

    static void body(Session s, int size) throws Exception {
        byte[] body = new byte[size];
        new Random(size).nextBytes(body);
        String q = s.queue();
        s.channel.basicPublish("", q, null, body);
        intact(Session.get(s.channel, q, true).getBody(), body);
        Reader reader = Reader.on(s.channel, q, true);
        s.channel.basicPublish("", q, null, body);
        intact(reader.next().getBody(), body);
    }

    private static void intact(byte[] got, byte[] sent) throws IOException {
        if (!Arrays.equals(got, sent)) {
            throw new AssertionError("the " + got.length + " bytes that came differ from the "
                    + sent.length + " published");
        }
    }

    private Content() {
    }
}
