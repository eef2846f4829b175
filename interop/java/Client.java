// SPDX-License-Identifier: Apache-2.0

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Timer;
import java.util.TimerTask;

/**
 * The Java client library (amqp-client) against the broker at AMQP_HOST and AMQP_PORT.
 *
 * <p>What the library cannot do: of the field types of a table it can write neither B (unsigned 8)
 * nor u (unsigned 16) nor i (unsigned 32) nor L. It knows all fourteen basic properties.
 *
 * <p>Every check has a Session of its own and fails by throwing.
 */
final class Client {
    /** A check that still stands after this time hangs inside the library. */
    private static final long CHECK_DEADLINE_MS = 45_000;

    interface Check {
        void run(Session session) throws Exception;
    }

    private static final Map<String, Check> CHECKS = new LinkedHashMap<>();

    static {
        CHECKS.put("connect", Connecting::connect);
        CHECKS.put("refused login", Connecting::refusedLogin);
        CHECKS.put("refused virtual host", Connecting::refusedVirtualHost);
        CHECKS.put("direct exchange", Routing::direct);
        CHECKS.put("fanout exchange", Routing::fanout);
        CHECKS.put("topic exchange", Routing::topic);
        CHECKS.put("headers exchange", Routing::headers);
        CHECKS.put("exchange to exchange binding", Routing::exchangeToExchange);
        CHECKS.put("basic properties by get", Content::propertiesByGet);
        CHECKS.put("basic properties by consume", Content::propertiesByConsume);
        CHECKS.put("absent properties stay absent", Content::propertiesAbsent);
        CHECKS.put("header field types", Content::fieldTypes);
        CHECKS.put("empty body", s -> Content.body(s, 0));
        CHECKS.put("body of 1 byte", s -> Content.body(s, 1));
        CHECKS.put("body of 10 MiB", s -> Content.body(s, 10 << 20));
        CHECKS.put("publisher confirms", Publishing::confirms);
        CHECKS.put("mandatory return before its confirm", Publishing::mandatoryReturn);
        CHECKS.put("tx commit", Publishing::commit);
        CHECKS.put("tx rollback", Publishing::rollback);
        CHECKS.put("nack requeue", Consuming::nack);
        CHECKS.put("reject requeue", Consuming::reject);
        CHECKS.put("recover", Consuming::recover);
        CHECKS.put("prefetch", Consuming::prefetch);
        CHECKS.put("consumer cancel", Consuming::cancel);
        CHECKS.put("consumer cancelled by the server", Consuming::serverCancel);
        CHECKS.put("exclusive queue", Lifetime::exclusiveQueue);
        CHECKS.put("auto-delete queue", Lifetime::autoDeleteQueue);
        CHECKS.put("channel error 404", Lifetime::notFound);
        CHECKS.put("channel error 406", Lifetime::preconditionFailed);
        CHECKS.put("two connections", Connecting::twoConnections);
        CHECKS.put("heartbeat", Connecting::heartbeat);
    }

    public static void main(String[] arguments) {
        boolean failed = false;
        Timer watchdog = new Timer(true);
        for (Map.Entry<String, Check> check : CHECKS.entrySet()) {
            TimerTask late = giveUp(check.getKey());
            watchdog.schedule(late, CHECK_DEADLINE_MS);
            failed |= !passes(check.getKey(), check.getValue());
            late.cancel();
        }
        System.exit(failed ? 1 : 0);
    }

    private static boolean passes(String name, Check check) {
        try (Session session = new Session()) {
            check.run(session);
            System.out.println("ok - " + name);
            return true;
        } catch (Exception | AssertionError failure) {
            System.out.println("not ok - " + name + ": " + reason(failure));
            failure.printStackTrace();
            return false;
        }
    }

    /** On one line: the library says what the server sent in the cause of an exception. */
    private static String reason(Throwable failure) {
        Throwable root = failure;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        String reason = root.toString().replace('\n', ' ');
        return reason.substring(0, Math.min(reason.length(), 400));
    }

    private static TimerTask giveUp(String name) {
        return new TimerTask() {
            @Override
            public void run() {
                System.out.println("not ok - " + name + ": no end in " + CHECK_DEADLINE_MS + " ms");
                for (Map.Entry<Thread, StackTraceElement[]> stack
                        : Thread.getAllStackTraces().entrySet()) {
                    System.out.println(stack.getKey());
                    for (StackTraceElement frame : stack.getValue()) {
                        System.out.println("    at " + frame);
                    }
                }
                Runtime.getRuntime().halt(1);
            }
        };
    }

    private Client() {
    }
}
