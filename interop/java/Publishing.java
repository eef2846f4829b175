// SPDX-License-Identifier: Apache-2.0

import com.rabbitmq.client.Channel;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.Return;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** What a publisher is told, and transactions. */
final class Publishing {
    static void confirms(Session s) throws Exception {
        final int n = 200;
        BlockingQueue<String> nacks = new LinkedBlockingQueue<>();
        BlockingQueue<long[]> acks = new LinkedBlockingQueue<>();
        s.channel.confirmSelect();
        s.channel.addConfirmListener(
                (tag, multiple) -> acks.add(new long[] {tag, multiple ? 1 : 0}),
                (tag, multiple) -> nacks.add("nack of " + tag));
        String q = s.queue();
        SortedSet<Long> open = new TreeSet<>();
        for (int i = 0; i < n; i++) {
            open.add(s.channel.getNextPublishSeqNo());
            Session.send(s.channel, "", q, String.valueOf(i));
        }
        while (!open.isEmpty()) {
            long[] ack = Session.await("confirm of " + open.first(), acks);
            Session.same("confirmed only once: " + ack[0], open.contains(ack[0]), true);
            if (ack[1] == 1) {
                open.headSet(ack[0]).clear();
            }
            open.remove(ack[0]);
        }
        Session.same("a nack", nacks.peek(), null);
        Channel other = s.connection.createChannel();
        Session.same("messages once confirmed", Session.ready(other, q), n);

        // What reaches no queue is confirmed as well.
        Session.send(s.channel, "", Session.unique("nowhere"), "");
        Session.same("the next tag", Session.await("confirm", acks)[0], n + 1L);
    }

    /** The library calls both kinds of listeners from the thread that reads, so in wire order. */
    static void mandatoryReturn(Session s) throws Exception {
        BlockingQueue<Object> events = new LinkedBlockingQueue<>();
        s.channel.confirmSelect();
        s.channel.addReturnListener(events::add);
        s.channel.addConfirmListener((tag, multiple) -> events.add("ack of " + tag),
                (tag, multiple) -> events.add("nack of " + tag));
        String missing = Session.unique("missing");
        s.channel.basicPublish("", missing, true, Content.everyProperty(), Content.BODY);
        Object first = Session.await("return", events);
        if (!(first instanceof Return)) {
            throw new AssertionError("before the return came " + first);
        }
        Return back = (Return) first;
        Session.same("the reply code", back.getReplyCode(), 312);
        Session.same("the reply text", back.getReplyText(), "NO_ROUTE");
        Session.same("the exchange", back.getExchange(), "");
        Session.same("the routing key", back.getRoutingKey(), missing);
        Content.carries(back.getProperties(), Content.everyProperty());
        Session.same("the body", Session.text(back.getBody()), Session.text(Content.BODY));
        Session.same("what follows", Session.await("confirm", events), "ack of 1");

        s.channel.basicPublish("", s.queue(), true, null, Content.BODY);
        Session.same("after a routed message", Session.await("confirm", events), "ack of 2");
    }

    static void commit(Session s) throws Exception {
        String q = s.queue();
        Channel other = s.connection.createChannel();
        s.channel.txSelect();
        Session.send(s.channel, "", q, "1");
        Session.send(s.channel, "", q, "2");
        Session.same("messages before the commit", Session.ready(other, q), 0);
        s.channel.txCommit();
        Session.same("messages after the commit", Session.ready(other, q), 2);

        long tag = Session.get(s.channel, q, false).getEnvelope().getDeliveryTag();
        s.channel.basicAck(tag, false);
        s.channel.txCommit();
        s.channel.close();
        Session.holds(other, q, "2");
    }

    static void rollback(Session s) throws Exception {
        String q = s.queue();
        Channel other = s.connection.createChannel();
        s.channel.txSelect();
        Session.send(s.channel, "", q, "kept");
        s.channel.txCommit();
        Session.send(s.channel, "", q, "undone");
        long tag = Session.get(s.channel, q, false).getEnvelope().getDeliveryTag();
        s.channel.basicAck(tag, false);
        s.channel.txRollback();
        s.channel.txCommit();
        s.channel.close();
        GetResponse left = Session.get(other, q, true);
        Session.same("what is left", Session.text(left.getBody()), "kept");
        Session.same("redelivered, its ack undone", left.getEnvelope().isRedeliver(), true);
        Session.holds(other, q);
    }

    private Publishing() {
    }
}
