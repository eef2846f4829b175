// SPDX-License-Identifier: Apache-2.0

import static java.util.Map.of;

import com.rabbitmq.client.AMQP;
import java.util.Map;

/** Exchanges of every type, and what they let through. */
final class Routing {
    static void direct(Session s) throws Exception {
        String x = s.exchange("direct");
        String north = s.boundQueue(x, "north", null);
        String south = s.boundQueue(x, "south", null);
        Session.send(s.channel, x, "north", "1");
        Session.send(s.channel, x, "south", "2");
        Session.send(s.channel, x, "east", "3");
        Session.send(s.channel, x, "north", "4");
        Session.holds(s.channel, north, "1", "4");
        Session.holds(s.channel, south, "2");
        s.channel.queueBind(north, x, "south");
        s.channel.queueUnbind(north, x, "north");
        Session.send(s.channel, x, "north", "5");
        Session.send(s.channel, x, "south", "6");
        Session.holds(s.channel, north, "6");
        Session.holds(s.channel, south, "6");
    }

    static void fanout(Session s) throws Exception {
        String x = s.exchange("fanout");
        String one = s.boundQueue(x, "", null);
        String two = s.boundQueue(x, "ignored", null);
        Session.send(s.channel, x, "any key", "to all");
        Session.holds(s.channel, one, "to all");
        Session.holds(s.channel, two, "to all");
    }

    static void topic(Session s) throws Exception {
        String x = s.exchange("topic");
        String one = s.boundQueue(x, "*.eu.*", null);
        String many = s.boundQueue(x, "log.#", null);
        s.channel.queueBind(many, x, "#.disk");
        for (String key : new String[] {"app.eu.net", "log.eu.disk", "log", "log.us.disk.full",
            "app.eu", "app.us.disk", "logs.eu"}) {
            Session.send(s.channel, x, key, key);
        }
        Session.holds(s.channel, one, "app.eu.net", "log.eu.disk");
        Session.holds(s.channel, many, "log.eu.disk", "log", "log.us.disk.full", "app.us.disk");
    }

    static void headers(Session s) throws Exception {
        String x = s.exchange("headers");
        String all = s.boundQueue(x, "", of("x-match", "all", "shape", "round", "size", 7));
        String any = s.boundQueue(x, "", of("x-match", "any", "shape", "round", "size", 7));
        publish(s, x, "both", of("shape", "round", "size", 7, "colour", "red"));
        publish(s, x, "neither", of("shape", "square", "size", 8));
        publish(s, x, "one", of("shape", "square", "size", 7));
        Session.holds(s.channel, all, "both");
        Session.holds(s.channel, any, "both", "one");
    }

    private static void publish(Session s, String exchange, String body,
            Map<String, Object> headers) throws Exception {
        s.channel.basicPublish(exchange, "",
                new AMQP.BasicProperties.Builder().headers(headers).build(), Session.bytes(body));
    }

    static void exchangeToExchange(Session s) throws Exception {
        String source = s.exchange("topic");
        String target = s.exchange("direct");
        String q = s.boundQueue(target, "a.b", null);
        s.channel.exchangeBind(target, source, "a.*");
        Session.send(s.channel, source, "a.b", "through both");
        Session.send(s.channel, source, "a.c", "stopped by the second");
        Session.send(s.channel, source, "b.b", "stopped by the first");
        Session.holds(s.channel, q, "through both");
        s.channel.exchangeBind(target, source, "keeps the source alive");
        s.channel.exchangeUnbind(target, source, "a.*");
        Session.send(s.channel, source, "a.b", "no longer");
        Session.holds(s.channel, q);
        s.channel.exchangeDelete(source);
    }

    private Routing() {
    }
}
