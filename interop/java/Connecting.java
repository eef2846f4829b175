// SPDX-License-Identifier: Apache-2.0

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.AuthenticationFailureException;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** What happens to whole connections. */
final class Connecting {
    /** More than three heartbeat intervals of 1 s. */
    private static final int IDLE_MS = 3_500;

    static void connect(Session s) throws Exception {
        Map<String, Object> server = s.connection.getServerProperties();
        Session.same("product", String.valueOf(server.get("product")), "RabbitMQ");
        Map<?, ?> capabilities = (Map<?, ?>) server.get("capabilities");
        for (String name : new String[] {
            "publisher_confirms", "exchange_exchange_bindings", "basic.nack",
            "consumer_cancel_notify", "connection.blocked", "consumer_priorities",
            "authentication_failure_close", "per_consumer_qos", "direct_reply_to"}) {
            Session.same("capability " + name, capabilities.get(name), true);
        }
        s.channel.close();
        Session.same("the channel is open", s.channel.isOpen(), false);
        s.connection.close(Session.DEADLINE_MS);
        Session.same("the connection is open", s.connection.isOpen(), false);
    }

    /** The library announces authentication_failure_close, so the refusal arrives as a 403. */
    static void refusedLogin(Session s) throws Exception {
        ConnectionFactory factory = Session.factory();
        factory.setPassword("wrong");
        try {
            factory.newConnection().close();
            throw new AssertionError("the wrong password was accepted");
        } catch (AuthenticationFailureException refusal) {
            Session.same("the refusal", refusal.getMessage(), "ACCESS_REFUSED - Login was refused"
                    + " using authentication mechanism PLAIN. For details see the broker logfile.");
        }
    }

    static void refusedVirtualHost(Session s) throws Exception {
        ConnectionFactory factory = Session.factory();
        factory.setVirtualHost("nowhere");
        try {
            factory.newConnection().close();
            throw new AssertionError("the unknown virtual host was accepted");
        } catch (IOException refusal) {
            ShutdownSignalException cause = (ShutdownSignalException) refusal.getCause();
            AMQP.Connection.Close reason = (AMQP.Connection.Close) cause.getReason();
            Session.same("the reply code", reason.getReplyCode(), 530);
            Session.same("the reply text", reason.getReplyText(),
                    "NOT_ALLOWED - vhost nowhere not found");
        }
    }

    /** Request and answer between two connections, each reading what the other wrote. */
    static void twoConnections(Session s) throws Exception {
        Channel other = s.connect(Session.factory()).createChannel();
        String requests = Session.unique("requests");
        String answers = Session.unique("answers");
        s.channel.queueDeclare(requests, false, false, true, null);
        s.channel.queueDeclare(answers, false, false, true, null);
        Reader incoming = Reader.on(other, requests, true);
        Reader replies = Reader.on(s.channel, answers, true);
        for (int i = 0; i < 50; i++) {
            String id = String.valueOf(i);
            s.channel.basicPublish("", requests, new AMQP.BasicProperties.Builder()
                    .replyTo(answers).correlationId(id).build(), Session.bytes("request " + id));
            Delivery request = incoming.next();
            Session.same("the request", Session.text(request.getBody()), "request " + id);
            other.basicPublish("", request.getProperties().getReplyTo(),
                    new AMQP.BasicProperties.Builder()
                            .correlationId(request.getProperties().getCorrelationId()).build(),
                    Session.bytes("answer " + id));
            Delivery reply = replies.next();
            Session.same("the answer", Session.text(reply.getBody()), "answer " + id);
            Session.same("its correlation id", reply.getProperties().getCorrelationId(), id);
        }
    }

    /** The library gives up when two intervals pass without a frame, and so does the server. */
    static void heartbeat(Session s) throws Exception {
        ConnectionFactory factory = Session.factory();
        factory.setRequestedHeartbeat(1);
        Connection idle = s.connect(factory);
        Session.same("the negotiated heartbeat", idle.getHeartbeat(), 1);
        BlockingQueue<ShutdownSignalException> closed = new LinkedBlockingQueue<>();
        idle.addShutdownListener(closed::add);
        Session.same("the end of the idle connection",
                closed.poll(IDLE_MS, TimeUnit.MILLISECONDS), null);
        idle.createChannel().queueDeclare();
    }

    private Connecting() {
    }
}
