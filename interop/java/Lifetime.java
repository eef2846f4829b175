// SPDX-License-Identifier: Apache-2.0

import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;

/** Who may use a queue and how long it lasts; and refusals that cost a channel. */
final class Lifetime {
    static void exclusiveQueue(Session s) throws Exception {
        String name = Session.unique("exclusive");
        Connection owner = s.connect(Session.factory());
        owner.createChannel().queueDeclare(name, false, true, false, null);
        owner.createChannel().queueBind(name, "amq.direct", name);
        String locked = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '" + name
                + "' in vhost '/'. It could be originally declared on another connection or the"
                + " exclusive property value does not match that of the original declaration.";
        s.refused(405, locked, c -> c.queueDeclare(name, false, true, false, null));
        s.refused(405, locked, c -> c.basicConsume(name, new Reader(c)));
        s.refused(405, locked, c -> c.queueDelete(name));
        owner.close(Session.DEADLINE_MS);
        s.refused(404, missing("queue", name), c -> c.queueDeclarePassive(name));
    }

    static void autoDeleteQueue(Session s) throws Exception {
        String name = Session.unique("auto-delete");
        s.channel.queueDeclare(name, false, false, true, null);
        Reader first = Reader.on(s.channel, name, true);
        Reader second = Reader.on(s.channel, name, true);
        s.channel.basicCancel(first.tag);
        Session.same("consumers left",
                s.channel.queueDeclarePassive(name).getConsumerCount(), 1);
        s.channel.basicCancel(second.tag);
        s.refused(404, missing("queue", name), c -> c.queueDeclarePassive(name));
    }

    static void notFound(Session s) throws Exception {
        String name = Session.unique("missing");
        s.refused(404, missing("queue", name), c -> c.queueDeclarePassive(name));
        s.refused(404, missing("queue", name), c -> c.basicGet(name, true));
        s.refused(404, missing("exchange", name), c -> c.basicPublish(name, "", null, new byte[1]));
    }

    static void preconditionFailed(Session s) throws Exception {
        String name = Session.unique("transient");
        s.channel.queueDeclare(name, false, false, false, null);
        s.refused(406, "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '" + name
                + "' in vhost '/': received 'true' but current is 'false'",
                c -> c.queueDeclare(name, true, false, false, null));
        s.refused(406, "PRECONDITION_FAILED - unknown delivery tag 77", c -> c.basicAck(77, false));
        s.refused(406, "PRECONDITION_FAILED - channel is not transactional", Channel::txCommit);
        s.channel.queueDelete(name);
    }

    private static String missing(String what, String name) {
        return "NOT_FOUND - no " + what + " '" + name + "' in vhost '/'";
    }

    private Lifetime() {
    }
}
