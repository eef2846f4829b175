// SPDX-License-Identifier: Apache-2.0

import com.rabbitmq.client.Channel;
import com.rabbitmq.client.GetResponse;

/** Deliveries, what becomes of them, and the end of consumers. */
final class Consuming {
    static void nack(Session s) throws Exception {
        String q = s.queue();
        Reader reader = Reader.on(s.channel, q, false);
        for (String body : new String[] {"1", "2", "3"}) {
            Session.send(s.channel, "", q, body);
        }
        reader.next("1", false);
        reader.next("2", false);
        s.channel.basicNack(reader.next("3", false), true, true);
        for (String body : new String[] {"1", "2", "3"}) {
            s.channel.basicNack(reader.next(body, true), false, false);
        }

        // A message goes back to where it stood.
        s.channel.basicCancel(reader.tag);
        Session.send(s.channel, "", q, "4");
        Session.send(s.channel, "", q, "5");
        GetResponse four = Session.get(s.channel, q, false);
        s.channel.basicNack(four.getEnvelope().getDeliveryTag(), false, true);
        comesBack(Session.get(s.channel, q, true), "4", true);
        comesBack(Session.get(s.channel, q, true), "5", false);
        Session.holds(s.channel, q);
    }

    private static void comesBack(GetResponse got, String body, boolean redelivered) {
        Session.same("the body", Session.text(got.getBody()), body);
        Session.same("redelivered of " + body, got.getEnvelope().isRedeliver(), redelivered);
    }

    static void reject(Session s) throws Exception {
        String q = s.queue();
        Session.send(s.channel, "", q, "once more");
        GetResponse got = Session.get(s.channel, q, false);
        comesBack(got, "once more", false);
        s.channel.basicReject(got.getEnvelope().getDeliveryTag(), true);
        got = Session.get(s.channel, q, false);
        comesBack(got, "once more", true);
        s.channel.basicReject(got.getEnvelope().getDeliveryTag(), false);
        Session.holds(s.channel, q);

        // So does everything that a closed channel had not acknowledged.
        Session.send(s.channel, "", q, "left behind");
        Channel other = s.connection.createChannel();
        Session.get(other, q, false);
        other.close();
        comesBack(Session.get(s.channel, q, true), "left behind", true);
    }

    static void recover(Session s) throws Exception {
        String q = s.queue();
        Session.send(s.channel, "", q, "1");
        Session.send(s.channel, "", q, "2");
        Session.get(s.channel, q, false);
        Session.get(s.channel, q, false);
        s.channel.basicRecover(true);
        comesBack(Session.get(s.channel, q, true), "1", true);
        comesBack(Session.get(s.channel, q, true), "2", true);
    }

    /**
     * What waits in the queue and what was delivered add up to what was published, so nothing is on
     * its way beyond the prefetch.
     */
    static void prefetch(Session s) throws Exception {
        String q = s.queue();
        s.channel.confirmSelect();
        for (int i = 1; i <= 10; i++) {
            Session.sendConfirmed(s.channel, q, String.valueOf(i));
        }
        s.channel.basicQos(3);
        Reader reader = Reader.on(s.channel, q, false);
        reader.next("1", false);
        final long second = reader.next("2", false);
        reader.next("3", false);
        stands(s, q, reader, 7);
        s.channel.basicAck(second, true);
        reader.next("4", false);
        final long fifth = reader.next("5", false);
        stands(s, q, reader, 5);
        s.channel.basicAck(fifth, false);
        final long sixth = reader.next("6", false);
        stands(s, q, reader, 4);
        s.channel.basicAck(sixth, true);
        reader.next("7", false);
        reader.next("8", false);
        reader.next("9", false);
        stands(s, q, reader, 1);
    }

    private static void stands(Session s, String q, Reader reader, int waiting) throws Exception {
        Session.same("messages held back", Session.ready(s.channel, q), waiting);
        Session.same("a delivery beyond the prefetch", reader.deliveries.peek(), null);
    }

    static void cancel(Session s) throws Exception {
        String q = s.queue();
        Reader reader = Reader.on(s.channel, q, false);
        Session.send(s.channel, "", q, "before");
        final long before = reader.next("before", false);
        s.channel.basicCancel(reader.tag);
        Session.same("the end", Session.await("cancel-ok", reader.ends), "cancel-ok");
        s.channel.confirmSelect();
        Session.sendConfirmed(s.channel, q, "after");
        Session.same("messages behind the consumer", Session.ready(s.channel, q), 1);
        Session.same("a delivery after the cancel", reader.deliveries.peek(), null);
        s.channel.basicAck(before, false);
        Session.holds(s.channel, q, "after");
    }

    static void serverCancel(Session s) throws Exception {
        String q = s.queue();
        Reader reader = Reader.on(s.channel, q, true);
        s.connection.createChannel().queueDelete(q);
        Session.same("the end", Session.await("cancel", reader.ends), "cancel");
        Session.same("messages of a new queue on the channel",
                Session.ready(s.channel, s.queue()), 0);
    }

    private Consuming() {
    }
}
