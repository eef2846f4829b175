#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""whippet as its operator meets it: what it says when it cannot start, and what it logs.

    check_server.py WHIPPET
"""

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

WHIPPET = os.path.abspath(sys.argv[1])

DEADLINE_S = 60
LINE_S = 10


def shortstr(text):
    return bytes([len(text)]) + text


def longstr(text):
    return struct.pack(">I", len(text)) + text


def method(channel, class_id, method_id, arguments):
    payload = struct.pack(">HH", class_id, method_id) + arguments
    return struct.pack(">BHI", 1, channel, len(payload)) + payload + b"\xce"


class Client:
    """Just enough of AMQP to be let in, or not."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), DEADLINE_S)
        self.peer = "127.0.0.1:%d" % self.socket.getsockname()[1]

    def send(self, *arguments):
        self.socket.sendall(method(*arguments))

    def read(self):
        """Class and method of the next method frame; (0, 0) at the end."""
        head = self.socket.recv(7, socket.MSG_WAITALL)
        if len(head) < 7:
            return 0, 0
        size = struct.unpack(">I", head[3:])[0]
        return struct.unpack(">HH", self.socket.recv(size + 1, socket.MSG_WAITALL)[:4])

    def log_in(self, user=b"guest", password=b"guest"):
        """Up to the answer to start-ok; it asks for the reason of a refusal."""
        self.socket.sendall(b"AMQP\x00\x00\x09\x01")
        assert self.read() == (10, 10)
        wants = longstr(shortstr(b"authentication_failure_close") + b"t\x01")
        properties = longstr(shortstr(b"capabilities") + b"F" + wants)
        response = longstr(b"\x00" + user + b"\x00" + password)
        self.send(0, 10, 11, properties + shortstr(b"PLAIN") + response + shortstr(b"en_US"))
        return self.read()

    def open(self, vhost=b"/"):
        assert self.log_in() == (10, 30)
        self.send(0, 10, 31, struct.pack(">HIH", 2047, 131072, 0))
        self.send(0, 10, 40, shortstr(vhost) + b"\x00\x00")
        return self.read()

    def close(self):
        self.send(0, 10, 50, struct.pack(">H", 200) + b"\x00" * 5)
        assert self.read() == (10, 51)
        self.socket.close()


class Broker:
    """A whippet of our own, and what it has logged."""

    def __init__(self, *options):
        self.directory = tempfile.TemporaryDirectory(prefix="whippet-server-")
        self.data = self.directory.name + "/data"
        self.log_path = self.directory.name + "/log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.options = options
        self.restart()

    def restart(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [WHIPPET, "--listen", f"127.0.0.1:{self.port}", "--data", self.data,
                 *self.options],
                stdout=subprocess.PIPE, stderr=log, text=True)
        assert "Server startup complete" in self.process.stdout.readline()

    def log(self):
        with open(self.log_path, encoding="utf-8") as log:
            return log.read()

    def lines(self, *parts):
        return [line for line in self.log().splitlines() if all(part in line for part in parts)]

    def line(self, *parts):
        """The one line with all of these; it may take a moment to come."""
        end = time.monotonic() + LINE_S
        while not self.lines(*parts) and time.monotonic() < end:
            time.sleep(0.01)
        found = self.lines(*parts)
        assert len(found) == 1, f"{parts}: {found}\n{self.log()}"
        return found[0]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(DEADLINE_S)
        self.process.stdout.close()


class Starts(unittest.TestCase):
    """What cannot start says which option to change."""

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="whippet-server-")
        self.addCleanup(self.directory.cleanup)
        self.data = self.directory.name + "/data"

    def refused(self, *options, status=1):
        run = subprocess.run([WHIPPET, *options], capture_output=True, text=True, check=False,
                             timeout=DEADLINE_S)
        self.assertEqual(run.returncode, status, run.stderr)
        self.assertIn("LOG_START_FAILED", run.stderr)
        return run.stderr.split("LOG_START_FAILED", 1)[1]

    def test_a_port_that_is_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            address = "127.0.0.1:%d" % other.getsockname()[1]
            said = self.refused("--listen", address, "--data", self.data)
        self.assertIn(f"cannot listen on {address}: another process listens there", said)
        self.assertIn("--listen", said)

    def test_an_address_that_is_none(self):
        said = self.refused("--listen", "localhost:http", "--data", self.data)
        self.assertIn("'localhost:http'", said)
        self.assertIn("HOST:PORT", said)
        self.assertIn("--listen", said)

    def test_a_data_directory_without_its_parent(self):
        said = self.refused("--listen", "127.0.0.1:0", "--data", self.data + "/below")
        self.assertIn(f"data directory {self.data}/below: No such file or directory", said)
        self.assertIn("parent", said)

    def test_a_data_directory_that_is_a_file(self):
        with open(self.data, "wb"):
            pass
        said = self.refused("--listen", "127.0.0.1:0", "--data", self.data)
        self.assertIn(f"data directory {self.data}: Not a directory", said)

    @unittest.skipIf(os.geteuid() == 0, "root may write anywhere")
    def test_a_data_directory_that_cannot_be_written(self):
        os.mkdir(self.data, 0o500)
        said = self.refused("--listen", "127.0.0.1:0", "--data", self.data)
        self.assertIn(f"not writable", said)

    def test_a_data_directory_without_a_name(self):
        self.assertIn("--data is empty", self.refused("--listen", "127.0.0.1:0", "--data", ""))
        self.assertIn("--data DIR is missing", self.refused("--listen", "127.0.0.1:0"))

    def test_a_durability_that_is_none(self):
        for value in ("fast", "interval", "interval 0", "interval 1x", "interval 99999"):
            said = self.refused("--listen", "127.0.0.1:0", "--data", self.data,
                                "--set", f"durability={value}")
            self.assertIn(f"durability = {value}: it is sync, interval MS", said)

    def test_a_data_directory_that_another_uses(self):
        broker = Broker()
        self.addCleanup(broker.directory.cleanup)
        self.addCleanup(broker.stop)
        said = self.refused("--listen", "127.0.0.1:0", "--data", broker.data)
        self.assertIn(f"in use by process {broker.process.pid}: stop that one first", said)

    def test_a_config_file_that_is_not_there(self):
        said = self.refused("--data", self.data, "--config", "/nonexistent/whippet.conf")
        self.assertIn("config file /nonexistent/whippet.conf: No such file", said)
        self.assertIn("--config", said)

    def test_help_has_a_letter(self):
        for option in ("-h", "--help"):
            run = subprocess.run([WHIPPET, option], capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, 0)
            self.assertIn("Usage: whippet", run.stdout)


class Kept(unittest.TestCase):
    """What a data directory keeps."""

    def test_a_durable_queue_after_a_kill(self):
        broker = Broker()
        self.addCleanup(broker.directory.cleanup)
        client = Client(broker.port)
        self.assertEqual(client.open(), (10, 41))
        client.send(1, 20, 10, shortstr(b""))
        self.assertEqual(client.read(), (20, 11))
        declare = struct.pack(">H", 0) + shortstr(b"q") + b"%c" + longstr(b"")
        client.send(1, 50, 10, declare % 2)
        self.assertEqual(client.read(), (50, 11))
        broker.process.kill()
        broker.process.wait(DEADLINE_S)
        broker.process.stdout.close()
        broker.restart()
        self.addCleanup(broker.stop)
        self.assertIn("clean=no", broker.line("info LOG_RECOVERED"))
        client = Client(broker.port)
        self.assertEqual(client.open(), (10, 41))
        client.send(1, 20, 10, shortstr(b""))
        self.assertEqual(client.read(), (20, 11))
        client.send(1, 50, 10, declare % 1)  # passive
        self.assertEqual(client.read(), (50, 11))

    def test_a_stop_writes_all_however_long_the_interval(self):
        broker = Broker("--set", "durability=interval 2000")
        self.addCleanup(broker.directory.cleanup)
        client = Client(broker.port)
        self.assertEqual(client.open(), (10, 41))
        client.send(1, 20, 10, shortstr(b""))
        self.assertEqual(client.read(), (20, 11))
        declare = struct.pack(">H", 0) + b"\x01%c%c" + longstr(b"")
        client.send(1, 50, 10, declare % (b"a", 2))
        self.assertEqual(client.read(), (50, 11))
        client.send(1, 50, 10, declare % (b"b", 0x12))  # has to wait for the interval
        client.send(2, 20, 10, shortstr(b""))
        self.assertEqual(client.read(), (20, 11))
        broker.process.send_signal(signal.SIGTERM)
        while client.read() != (10, 50):
            pass
        client.send(0, 10, 51, b"")
        broker.stop()
        broker.restart()
        self.addCleanup(broker.stop)
        self.assertIn("clean=yes", broker.line("info LOG_RECOVERED"))
        self.assertIn("records=3 ", broker.line("info LOG_RECOVERED"))

    def test_a_recording_begins_with_nothing(self):
        broker = Broker()
        self.addCleanup(broker.directory.cleanup)
        broker.stop()
        run = subprocess.run([WHIPPET, "--listen", "127.0.0.1:0", "--data", broker.data,
                              "--record", broker.directory.name + "/record"],
                             capture_output=True, text=True, check=False, timeout=DEADLINE_S)
        self.assertEqual(run.returncode, 1)
        self.assertIn("--record begins with an empty data directory", run.stderr)

    def test_another_default_vhost(self):
        broker = Broker("--set", "default_vhost=mine")
        self.addCleanup(broker.directory.cleanup)
        client = Client(broker.port)
        self.assertEqual(client.open(b"mine"), (10, 41))
        client.send(1, 20, 10, shortstr(b""))
        self.assertEqual(client.read(), (20, 11))
        client.send(1, 50, 10, struct.pack(">H", 0) + shortstr(b"q") + b"\x02" + longstr(b""))
        self.assertEqual(client.read(), (50, 11))
        client.close()
        broker.stop()
        run = subprocess.run([WHIPPET, "--listen", "127.0.0.1:0", "--data", broker.data],
                             capture_output=True, text=True, check=False, timeout=DEADLINE_S)
        self.assertEqual(run.returncode, 1)
        self.assertIn('LOG_OTHER_VHOST vhost="mine" default_vhost="/"', run.stderr)
        self.assertIn("is of another default_vhost", run.stderr)
        broker.restart()
        self.addCleanup(broker.stop)
        self.assertIn("lost=0", broker.line("info LOG_RECOVERED"))

    def test_counts_on_a_signal(self):
        broker = Broker()
        self.addCleanup(broker.directory.cleanup)
        self.addCleanup(broker.stop)
        broker.process.send_signal(signal.SIGUSR1)
        for what in ("messages published=0", "journal batches=", "write_us n=",
                     "parcel_entries n=", "turn_us n="):
            broker.line(f"info LOG_TALLY what={what}")


class Logs(unittest.TestCase):
    """What an operator finds in the log."""

    def setUp(self):
        self.broker = Broker("--set", "log.console.level=debug")
        self.addCleanup(self.broker.directory.cleanup)
        self.addCleanup(self.broker.stop)

    def test_a_start_and_a_stop(self):
        b = self.broker
        started = b.line("info LOG_STARTED")
        for part in ("version=", f"pid={b.process.pid} ", f"data={b.data} ",
                     f"listeners=127.0.0.1:{b.port}"):
            self.assertIn(part, started)
        client = Client(b.port)
        self.assertEqual(client.open(), (10, 41))
        b.process.send_signal(signal.SIGTERM)
        self.assertEqual(client.read(), (10, 50))
        client.send(0, 10, 51, b"")
        b.process.wait(DEADLINE_S)
        b.line("info LOG_STOPPING", "connections=1")
        b.line("info LOG_STOPPED")
        self.assertEqual(b.lines("LOG_CONN_FAULT"), [])
        client.socket.close()

    def test_a_life_of_a_connection(self):
        client = Client(self.broker.port)
        self.assertEqual(client.open(), (10, 41))
        self.broker.line("debug LOG_CONN_OPENED", f"peer={client.peer} ", 'user="guest"',
                         'vhost="/"')
        client.close()
        self.broker.line("debug LOG_CONN_CLOSED", f"peer={client.peer} ", 'user="guest"',
                         'reason="closed"')

    def test_a_connection_that_just_ends(self):
        client = Client(self.broker.port)
        self.assertEqual(client.open(), (10, 41))
        client.socket.close()
        self.broker.line("debug LOG_CONN_CLOSED", f"peer={client.peer} ", "without a close")

    def test_a_refused_login_has_its_reason_in_one_line(self):
        for user, password, reason in ((b"guest", b"no", "wrong password"),
                                       (b"nobody", b"guest", "unknown user")):
            client = Client(self.broker.port)
            self.assertEqual(client.log_in(user, password), (10, 50))
            self.broker.line("warn LOG_CONN_REFUSED", f"peer={client.peer} ",
                             f'user="{user.decode()}"', f'reason="{reason}"')
            self.assertEqual(len(self.broker.lines("warn", client.peer)), 1)
            client.socket.close()

    def test_a_virtual_host_that_is_not_there(self):
        client = Client(self.broker.port)
        self.assertEqual(client.open(b"nope"), (10, 50))
        self.broker.line("warn LOG_CONN_REFUSED", f"peer={client.peer} ", 'user="guest"',
                         'vhost="nope"', 'reason="unknown virtual host"')
        self.assertEqual(len(self.broker.lines("warn", client.peer)), 1)
        client.socket.close()

    def test_what_is_no_amqp(self):
        client = Client(self.broker.port)
        client.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
        self.broker.line("warn LOG_CONN_REFUSED", f"peer={client.peer} ", "protocol header")
        client.socket.close()

    def test_errors_of_channels_and_connections(self):
        client = Client(self.broker.port)
        self.assertEqual(client.open(), (10, 41))
        client.send(1, 20, 10, b"\x00")
        self.assertEqual(client.read(), (20, 11))
        client.send(1, 50, 10, b"\x00\x00" + shortstr(b"q") + b"\x01" + longstr(b""))
        self.assertEqual(client.read(), (20, 40))
        self.broker.line("info LOG_CHANNEL_FAULT", f"peer={client.peer} ", 'user="guest"',
                         "channel=1 ", "code=404 ", "no queue 'q'")
        client.send(1, 20, 10, b"\x00")
        client.send(1, 20, 10, b"\x00")
        self.broker.line("warn LOG_CONN_FAULT", f"peer={client.peer} ", 'user="guest"', "code=504")
        client.socket.close()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
