#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""whippet-perf and whippetctl against a broker: do they count right, and do they notice failure?

    check_tools.py WHIPPET WHIPPET_PERF WHIPPETCTL
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

WHIPPET, PERF, CTL = (os.path.abspath(path) for path in sys.argv[1:4])

DEADLINE_S = 60


def free_port():
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """A whippet of our own."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="whippet-tools-")
        self.port = free_port()
        self.process = subprocess.Popen(
            [WHIPPET, "--listen", f"127.0.0.1:{self.port}", "--data", self.directory.name],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        assert "Server startup complete" in line, line

    def stop(self):
        """Asks it to end and waits."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(DEADLINE_S)
        self.process.stdout.close()
        self.directory.cleanup()


class Case(unittest.TestCase):
    """A broker per class."""

    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def command(self, options):
        uri = f"amqp://127.0.0.1:{self.broker.port}"
        return [PERF, "--uri", uri, "--json", "--quiet", *options.split()]

    def perf(self, options, status=0):
        """Runs to the end; the JSON, or for a failure what it said."""
        run = subprocess.run(self.command(options), capture_output=True, text=True, check=False,
                             timeout=DEADLINE_S)
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        return json.loads(run.stdout) if status in (0, 1) else run.stderr


class Counts(Case):
    """What goes in comes out, as often as it should."""

    def test_one_publisher_one_consumer(self):
        got = self.perf("-e amq.direct -s 16 -a -C 20000 -D 20000")
        self.assertEqual((got["sent"], got["received"]), (20000, 20000))

    def test_several_of_each_share_the_messages(self):
        got = self.perf("-x 3 -y 4 -C 1000 -q 20 -A 7 -s 100")
        self.assertEqual((got["sent"], got["received"]), (3000, 3000))

    def test_every_publish_is_confirmed_once(self):
        got = self.perf("-c 10 -C 5000 -q 50 -f persistent --latency")
        self.assertEqual((got["sent"], got["confirmed"], got["nacked"]), (5000, 5000, 0))
        self.assertEqual(got["confirm_us"]["n"], 5000)
        self.assertEqual(got["latency_us"]["n"], 5000)

    def test_fan_out_multiplies(self):
        got = self.perf("-e tools.fan -t fanout --queue-pattern tools.%d --queue-pattern-to 3 "
                        "-y 3 -C 500 -a")
        self.assertEqual((got["sent"], got["received"]), (500, 1500))

    def test_topics_reach_their_own_queue(self):
        got = self.perf("-e tools.topic -t topic --queue-pattern tools.t%d --queue-pattern-to 4 "
                        "-x 4 -y 4 -k a.%d.b --binding-key a.%d.* -C 300 -D 300 -a")
        self.assertEqual((got["sent"], got["received"]), (1200, 1200))

    def test_bodies_of_many_frames_and_of_none(self):
        for size in (0, 1, 131064, 131065, 300000):
            with self.subTest(size=size):
                got = self.perf(f"-s {size} -C 40 -D 40 -a")
                self.assertEqual((got["sent"], got["received"]), (40, 40))

    def test_unroutable_messages_are_returned(self):
        got = self.perf("-e amq.direct -k nowhere --binding-key elsewhere -f mandatory -c 5 -C 200 "
                        "-y 0")
        self.assertEqual((got["confirmed"], got["returned"]), (200, 200))

    def test_what_was_acknowledged_does_not_come_again(self):
        self.perf("-u tools.kept --keep -y 0 -c 10 -C 103")
        got = self.perf("-u tools.kept --keep -x 0 -q 20 -A 10 -D 103")
        self.assertEqual(got["received"], 103)
        got = self.perf("-u tools.kept --keep -x 0 -D 1 -z 0.3", status=1)
        self.assertEqual(got["received"], 0)

    def test_rates_and_bursts_are_kept(self):
        got = self.perf("-a -r 1000 -C 300")
        self.assertGreaterEqual(got["seconds"], 0.299)
        got = self.perf("-x 3 -a --burst 5 -C 100")
        self.assertEqual(got["received"], 300)
        self.assertGreaterEqual(got["seconds"], 0.059)

    def test_a_slow_consumer_takes_its_rate(self):
        got = self.perf("-C 200 -D 200 -a -R 1000")
        self.assertGreaterEqual(got["seconds"], 0.199)

    def test_the_broker_is_accounted_for(self):
        got = self.perf(f"-C 20000 -a --broker-pid {self.broker.process.pid}")
        self.assertGreater(got["broker_us"], 0)
        self.assertGreater(got["rss_after"], 100000)

    def test_connections_and_queues_are_counted(self):
        self.assertEqual(self.perf("--connect 20")["steps"], 20)
        self.assertEqual(self.perf("--declare 250 --pipeline 100")["steps"], 250)
        got = self.perf(f"--hold 30 -a -z 0.1 --broker-pid {self.broker.process.pid}")
        self.assertEqual(got["steps"], 30)

    def test_an_interrupt_ends_it_well(self):
        command = self.command("-a")
        command.remove("--quiet")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as run:
            self.assertIn("received", run.stderr.readline())
            run.send_signal(signal.SIGINT)
            out, _ = run.communicate(timeout=DEADLINE_S)
        self.assertEqual(run.returncode, 0)
        self.assertGreater(json.loads(out)["received"], 0)


class Failures(Case):
    """A failed run says so."""

    def test_counts_that_are_not_reached(self):
        self.assertFalse(self.perf("-C 10 -D 20 -z 0.3", status=1)["complete"])

    def test_a_queue_that_does_not_exist(self):
        self.assertIn("404", self.perf("-p -u tools.nowhere -x 0 -z 1", status=69))

    def test_a_channel_that_the_broker_closes_meanwhile(self):
        self.assertIn("404", self.perf("-p -e tools.nowhere -y 0 -z 10", status=69))

    def test_a_password_that_is_wrong(self):
        run = subprocess.run([PERF, "-h", f"amqp://guest:x@127.0.0.1:{self.broker.port}"],
                             capture_output=True, check=False, timeout=DEADLINE_S)
        self.assertEqual(run.returncode, 69)

    def test_options_that_are_wrong(self):
        self.perf("-x many", status=64)

    def test_a_broker_that_goes_away(self):
        broker = Broker()
        command = [PERF, "-h", f"amqp://127.0.0.1:{broker.port}", "-a", "--timeout", "2000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as run:
            self.assertIn("received", run.stdout.readline())
            broker.process.kill()
            run.communicate(timeout=DEADLINE_S)
        broker.stop()
        self.assertEqual(run.returncode, 69)

    def test_something_that_is_no_broker(self):
        with no_broker() as port:
            run = subprocess.run([PERF, "-h", f"amqp://127.0.0.1:{port}"], capture_output=True,
                                 text=True, check=False, timeout=DEADLINE_S)
        self.assertEqual(run.returncode, 69)
        self.assertIn(f"127.0.0.1:{port}: ", run.stderr)
        self.assertIn("does not speak AMQP", run.stderr)


@contextlib.contextmanager
def no_broker():
    """A port where one visitor is told something else than AMQP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def answer():
            visitor, _ = listener.accept()
            with visitor:
                visitor.recv(8)
                visitor.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(DEADLINE_S)


class Ctl(Case):
    """whippetctl tells whether a broker answers."""

    def ctl(self, *arguments):
        return subprocess.run([CTL, *arguments], capture_output=True, text=True, check=False,
                              timeout=DEADLINE_S)

    def test_ping(self):
        port = str(self.broker.port)
        self.assertEqual(self.ctl("ping", "--port", port).returncode, 0)
        self.assertEqual(self.ctl("--port", port, "await_startup").returncode, 0)

    def test_nobody_there(self):
        port = str(free_port())
        self.assertEqual(self.ctl("--port", port, "ping").returncode, 69)
        self.assertEqual(self.ctl("--port", port, "await_startup", "--timeout", "1").returncode, 69)

    def test_no_broker_there(self):
        with no_broker() as port:
            run = self.ctl("--port", str(port), "ping")
        self.assertEqual(run.returncode, 69)

    def test_a_broker_that_comes_later(self):
        port = free_port()
        command = [CTL, "--port", str(port), "await_startup", "--timeout", "30"]
        with subprocess.Popen(command) as run:
            self.assertIsNone(run.poll())
            with tempfile.TemporaryDirectory() as directory, subprocess.Popen(
                    [WHIPPET, "--listen", f"127.0.0.1:{port}", "--data", directory],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as broker:
                self.assertEqual(run.wait(DEADLINE_S), 0)
                broker.terminate()
                broker.wait(DEADLINE_S)

    def test_what_is_not_there_yet_says_so(self):
        run = self.ctl("list_queues")
        self.assertEqual(run.returncode, 64)
        self.assertIn("not there yet", run.stderr)
        self.assertEqual(self.ctl().returncode, 64)
        self.assertEqual(self.ctl("--timeout", "soon", "ping").returncode, 64)

    def test_wrong_usage_says_what_is_wrong(self):
        for arguments, said in ((("--port", "many", "ping"), "--port: 'many' is not 1 to 65535"),
                                (("--port", "0", "ping"), "--port: '0' is not 1 to 65535"),
                                (("--port", "65536", "ping"), "--port: '65536' is not"),
                                (("--timeout", "soon", "ping"), "--timeout: 'soon' is not"),
                                (("ping", "extra"), "ping takes no argument: 'extra'"),
                                ((), "which command?")):
            run = self.ctl(*arguments)
            self.assertEqual(run.returncode, 64, run.stderr)
            self.assertIn("whippetctl: " + said, run.stderr)

    def test_failures_name_the_address(self):
        port = free_port()
        run = self.ctl("--port", str(port), "ping")
        self.assertIn(f"whippetctl: 127.0.0.1:{port}: cannot connect: Connection refused",
                      run.stderr)
        with no_broker() as port:
            run = self.ctl("--port", str(port), "ping")
        self.assertIn(f"whippetctl: 127.0.0.1:{port}: ", run.stderr)
        run = self.ctl("--port", str(port), "await_startup", "--timeout", "1")
        self.assertIn(f"whippetctl: 127.0.0.1:{port}: not up after 1 s: ", run.stderr)

    def test_a_letter_for_help(self):
        for program in (CTL, PERF):
            run = subprocess.run([program, "-h"], capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertIn("Usage: whippet", run.stdout)

    def test_help_and_version(self):
        for option in ("--help", "--version"):
            self.assertEqual(self.ctl(option).returncode, 0)
            self.assertEqual(subprocess.run([PERF, option], stdout=subprocess.DEVNULL,
                                            check=False).returncode, 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
