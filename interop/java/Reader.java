// SPDX-License-Identifier: Apache-2.0

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.Envelope;
import java.io.IOException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** A consumer that keeps what happens to it for the check to read. */
final class Reader extends DefaultConsumer {
    final BlockingQueue<Delivery> deliveries = new LinkedBlockingQueue<>();

    /** "cancel-ok" after the check's own cancel, "cancel" after the server's. */
    final BlockingQueue<String> ends = new LinkedBlockingQueue<>();

    /** From the consume-ok; DefaultConsumer hears of it later, in a thread of the library. */
    String tag;

    Reader(Channel channel) {
        super(channel);
    }

    static Reader on(Channel channel, String queue, boolean autoAck) throws IOException {
        Reader reader = new Reader(channel);
        reader.tag = channel.basicConsume(queue, autoAck, reader);
        return reader;
    }

    Delivery next() throws InterruptedException {
        return Session.await("delivery", deliveries);
    }

    /** Reads one message and asserts its body and whether it was out before. */
    long next(String body, boolean redelivered) throws InterruptedException {
        Delivery delivery = next();
        Session.same("the body", Session.text(delivery.getBody()), body);
        Session.same("redelivered of " + body, delivery.getEnvelope().isRedeliver(), redelivered);
        return delivery.getEnvelope().getDeliveryTag();
    }

    @Override
    public void handleDelivery(String tag, Envelope envelope, AMQP.BasicProperties properties,
            byte[] body) {
        deliveries.add(new Delivery(envelope, properties, body));
    }

    @Override
    public void handleCancelOk(String tag) {
        ends.add("cancel-ok");
    }

    @Override
    public void handleCancel(String tag) {
        ends.add("cancel");
    }
}
