// SPDX-License-Identifier: Apache-2.0

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.Method;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** One connection with one open channel, what a check needs around them, and its assertions. */
final class Session implements AutoCloseable {
    /** Everything that is waited for has this long to happen. */
    static final int DEADLINE_MS = 10_000;

    private static final AtomicInteger NAMES = new AtomicInteger();

    final Connection connection;
    final Channel channel;
    private final List<Connection> more = new ArrayList<>();

    Session() throws Exception {
        connection = connect(factory());
        channel = connection.createChannel();
    }

    /** Without automatic recovery: a connection that is lost must be seen to be lost. */
    static ConnectionFactory factory() {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost(System.getenv("AMQP_HOST"));
        factory.setPort(Integer.parseInt(System.getenv("AMQP_PORT")));
        factory.setAutomaticRecoveryEnabled(false);
        factory.setChannelRpcTimeout(DEADLINE_MS);
        factory.setChannelShouldCheckRpcResponseType(true);
        return factory;
    }

    /** Opens a connection that is closed with the session. */
    Connection connect(ConnectionFactory factory) throws Exception {
        Connection opened = factory.newConnection();
        more.add(opened);
        return opened;
    }

    @Override
    public void close() {
        for (Connection opened : more) {
            opened.abort(DEADLINE_MS);
        }
    }

    /** Makes a name that no other run against the same broker uses. */
    static String unique(String what) {
        return "interop.java." + ProcessHandle.current().pid() + "." + NAMES.incrementAndGet()
                + "." + what;
    }

    /** Declares an exclusive queue that the server names. */
    String queue() throws IOException {
        return channel.queueDeclare("", false, true, false, null).getQueue();
    }

    /** Declares an auto-delete exchange; it goes with the bindings of the session's queues. */
    String exchange(String type) throws IOException {
        String name = unique(type);
        channel.exchangeDeclare(name, type, false, true, null);
        channel.exchangeDeclarePassive(name);
        return name;
    }

    String boundQueue(String exchange, String key, Map<String, Object> arguments)
            throws IOException {
        String queue = queue();
        channel.queueBind(queue, exchange, key, arguments);
        return queue;
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] body) {
        return new String(body, StandardCharsets.UTF_8);
    }

    static void send(Channel channel, String exchange, String key, String body) throws IOException {
        channel.basicPublish(exchange, key, null, bytes(body));
    }

    /**
     * Publishes and waits until the messages are in their queue; the channel must be in confirm
     * mode. Without that, the counts of a declare-ok may be older than a message published before.
     */
    static void sendConfirmed(Channel channel, String queue, String... bodies) throws Exception {
        for (String body : bodies) {
            send(channel, "", queue, body);
        }
        same("confirmed", channel.waitForConfirms(DEADLINE_MS), true);
    }

    static GetResponse get(Channel channel, String queue, boolean autoAck) throws IOException {
        GetResponse response = channel.basicGet(queue, autoAck);
        if (response == null) {
            throw new AssertionError("queue " + queue + " is empty");
        }
        return response;
    }

    /** Asserts that the queue holds exactly these bodies in this order, and empties it. */
    static void holds(Channel channel, String queue, String... bodies) throws IOException {
        for (String body : bodies) {
            same("the next body", text(get(channel, queue, true).getBody()), body);
        }
        GetResponse further = channel.basicGet(queue, true);
        if (further != null) {
            throw new AssertionError("after them came " + text(further.getBody()));
        }
    }

    static int ready(Channel channel, String queue) throws IOException {
        return channel.queueDeclarePassive(queue).getMessageCount();
    }

    static void same(String what, Object got, Object wanted) {
        if (!Objects.equals(got, wanted)) {
            throw new AssertionError(what + " is " + got + ", not " + wanted);
        }
    }

    static <T> T await(String what, BlockingQueue<T> events) throws InterruptedException {
        T event = events.poll(DEADLINE_MS, TimeUnit.MILLISECONDS);
        if (event == null) {
            throw new AssertionError("no " + what + " in " + DEADLINE_MS + " ms");
        }
        return event;
    }

    interface Action {
        void run(Channel channel) throws Exception;
    }

    /**
     * Performs something on a new channel that the server refuses, and asserts how; then that the
     * refusal cost that channel only: another channel and the connection go on, a new one opens.
     */
    void refused(int code, String replyText, Action action) throws Exception {
        Channel broken = connection.createChannel();
        BlockingQueue<ShutdownSignalException> closed = new LinkedBlockingQueue<>();
        broken.addShutdownListener(closed::add);
        try {
            action.run(broken);
        } catch (IOException | ShutdownSignalException expected) {
            Throwable cause = expected instanceof IOException ? expected.getCause() : expected;
            if (!(cause instanceof ShutdownSignalException)) {
                throw expected;
            }
        }
        ShutdownSignalException signal = await("channel.close", closed);
        Method reason = signal.getReason();
        if (!(reason instanceof AMQP.Channel.Close)) {
            throw new AssertionError("the channel ended with " + reason);
        }
        same("hard error", signal.isHardError(), false);
        same("initiated by the application", signal.isInitiatedByApplication(), false);
        same("the reply code", ((AMQP.Channel.Close) reason).getReplyCode(), code);
        same("the reply text", ((AMQP.Channel.Close) reason).getReplyText(), replyText);
        same("the broken channel is open", broken.isOpen(), false);
        same("the connection is open", connection.isOpen(), true);
        Channel fresh = connection.createChannel();
        for (Channel working : new Channel[] {channel, fresh}) {
            String queue = working.queueDeclare().getQueue();
            send(working, "", queue, "still here");
            holds(working, queue, "still here");
        }
    }
}
