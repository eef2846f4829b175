#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""whippet --inspect: what it says of data directories that a broker has made, whole and damaged.

    check_inspect.py WHIPPET
"""

import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from check_server import DEADLINE_S, WHIPPET, Broker, Client, longstr, shortstr

N_VARIANTS = 400
BLOCK = 4096
FILE_BYTES = 4 * 1024 * 1024
N_MESSAGES = 30
N_ORDERS = 21  # of them and of the transaction, less one that is settled
OTHER = b"the \"other\"\\"


class Writer(Client):
    """What is durable, and confirmed."""

    def declare(self, queue, durable=True):
        arguments = shortstr(b"x-max-length") + b"I" + struct.pack(">i", 1000)
        self.send(1, 50, 10, b"\0\0" + shortstr(queue) + (b"\2" if durable else b"\0") +
                  longstr(arguments))
        assert self.read() == (50, 11)

    def begin(self):
        assert self.open() == (10, 41)
        self.send(1, 20, 10, b"\0")
        assert self.read() == (20, 11)
        self.declare(b"orders")
        self.declare(OTHER)
        self.declare(b"passing", durable=False)
        self.send(1, 40, 10, b"\0\0" + shortstr(b"news") + shortstr(b"topic") + b"\2" +
                  longstr(b""))
        assert self.read() == (40, 11)
        self.send(1, 50, 20, b"\0\0" + shortstr(b"orders") + shortstr(b"news") +
                  shortstr(b"a.*") + b"\0" + longstr(b""))
        assert self.read() == (50, 21)

    def publish(self, queue, body, channel=1):
        self.send(channel, 60, 40, b"\0\0" + shortstr(b"") + shortstr(queue) + b"\0")
        header = struct.pack(">HHQHB", 60, 0, len(body), 0x1000, 2)
        self.socket.sendall(struct.pack(">BHI", 2, channel, len(header)) + header + b"\xce" +
                            struct.pack(">BHI", 3, channel, len(body)) + body + b"\xce")

    def fill(self):
        """Confirmed messages, some of them settled, and a transaction."""
        self.send(1, 85, 10, b"\0")
        assert self.read() == (85, 11)
        for i in range(N_MESSAGES):
            self.publish(b"orders" if i % 3 else OTHER, b"x" * (10 + 100 * i))
            assert self.read() == (60, 80)
        self.send(1, 60, 70, b"\0\0" + shortstr(b"orders") + b"\1")
        assert self.read() == (60, 71)
        self.socket.recv(65536)
        self.send(2, 20, 10, b"\0")
        assert self.read() == (20, 11)
        self.send(2, 90, 10, b"")
        assert self.read() == (90, 11)
        self.publish(b"orders", b"in a transaction", channel=2)
        self.publish(b"orders", b"in a transaction", channel=2)
        self.send(2, 90, 20, b"")
        assert self.read() == (90, 21)
        self.publish(b"orders", b"not committed", channel=2)


def inspect(data, *options):
    """Exit status, output, and what went to the log."""
    run = subprocess.run([WHIPPET, "--inspect", data, *options], capture_output=True, check=False,
                         timeout=DEADLINE_S)
    return run.returncode, run.stdout.decode("ascii"), run.stderr.decode("utf-8", "replace")


def lines(said, word):
    """The lines that begin with a word, each as a dict of its values."""
    return [dict((key, value.strip('"')) for key, value in
                 re.findall(r'(\w+)=("[^"]*"|\S+)', line))
            for line in said.splitlines() if line.split(" ", 1)[0] == word]


def only(said, word):
    found = lines(said, word)
    assert len(found) == 1, said
    return found[0]


def state_of(folder):
    """All bytes, names and times."""
    found = {}
    for place, folders, names in os.walk(folder):
        for path in [place] + [os.path.join(place, n) for n in folders + names]:
            st = os.lstat(path)
            found[path] = [st.st_mtime_ns, st.st_ctime_ns, st.st_atime_ns, st.st_size, st.st_mode]
    for path in found:
        if os.path.isfile(path):
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOATIME), "rb") as f:
                found[path].append(f.read())
    return found


class Inspect(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """One directory of a broker that was stopped, one of a broker that was killed."""
        cls.directory = tempfile.TemporaryDirectory(prefix="whippet-inspect-")
        cls.stopped = cls.make("stopped", signal.SIGTERM)
        cls.killed = cls.make("killed", signal.SIGKILL)

    @classmethod
    def make(cls, name, end):
        broker = Broker("--set", f"journal.file_bytes={FILE_BYTES}")
        writer = Writer(broker.port)
        writer.begin()
        writer.fill()
        status, said, log = inspect(broker.data)
        assert status == 0, said + log
        cls.running = said, broker.process.pid
        writer.socket.close()
        broker.process.send_signal(end)
        broker.process.wait(DEADLINE_S)
        broker.process.stdout.close()
        data = f"{cls.directory.name}/{name}"
        # The reserved space of a file is holes in the copy.
        subprocess.run(["cp", "-r", "--sparse=always", broker.data, data], check=True)
        broker.directory.cleanup()
        return data

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def copy(self, data):
        """A copy, of whose journal only what is written is there."""
        copy = tempfile.mkdtemp(dir=self.directory.name) + "/data"
        subprocess.run(["cp", "-r", "--sparse=always", data, copy], check=True)
        return copy

    def journal(self, data, use="needed"):
        """The path of the newest file of that use."""
        files = [f for f in lines(inspect(data)[1], "file")
                 if f["role"] == "journal" and f["use"] == use]
        return f"{data}/{files[-1]['path']}"

    def damage(self, path, offset, flip=0x10):
        with open(path, "r+b") as f:
            f.seek(offset)
            byte = f.read(1)[0]
            f.seek(offset)
            f.write(bytes([byte ^ flip]))

    def record(self, data, kind, which=0):
        found = [r for r in lines(inspect(data, "--records")[1], "record") if r["kind"] == kind]
        return found[which]

    def test_a_clean_stop(self):
        status, said, log = inspect(self.stopped, "--records")
        self.assertEqual((status, log), (0, ""), said)
        start = only(said, "start")
        for key, value in (("result", "ok"), ("clean", "yes"), ("lost", "0"), ("exchanges", "1"),
                           ("queues", "2"), ("bindings", "1"), ("messages", str(N_MESSAGES + 1)),
                           ("messages_lost", "0"), ("groups_dropped", "0")):
            self.assertEqual(start[key], value, said)
        orders, other = lines(said, "queue")
        self.assertEqual(orders["name"], "orders")
        self.assertEqual(orders["messages"], str(N_ORDERS))
        self.assertEqual(orders["arguments"], "x-max-length=1000")
        self.assertEqual(other["name"], "the \\x22other\\x22\\x5c")
        self.assertEqual(other["redelivered"], "0")
        self.assertEqual(only(said, "exchange")["type"], "topic")
        binding = only(said, "binding")
        self.assertEqual((binding["queue"], binding["key"], binding["ends"]),
                         ("orders", "a.*", "there"))
        self.assertEqual(only(said, "store")["told_by"], "store")
        self.assertIn("summary result=sound", said)

    def test_the_look_and_the_start_agree(self):
        for data in (self.stopped, self.killed):
            said = inspect(data, "--records")[1]
            journal, start = only(said, "journal"), only(said, "start")
            counts = [r for r in lines(said, "record") if r["state"] in ("durable", "doubt")]
            self.assertEqual(len(counts), int(start["records"]))
            self.assertEqual(len(counts), int(journal["durable"]) + int(journal["doubt"]))
            self.assertEqual(len(counts), sum(int(k["n"]) for k in lines(said, "records")))
            self.assertEqual([int(r["lsn"]) for r in counts],
                             list(range(1, len(counts) + 1)))
            self.assertEqual(len([r for r in counts if "group" in r]), 2)

    def test_an_end_that_was_not_clean(self):
        status, said, _ = inspect(self.killed)
        self.assertEqual(status, 0, said)
        self.assertEqual(only(said, "start")["clean"], "no")
        for queue in lines(said, "queue"):
            self.assertEqual(queue["redelivered"], queue["messages"])

    def test_a_broker_that_runs(self):
        said, pid = self.running
        self.assertEqual(only(said, "broker"), {"running": "yes", "pid": str(pid)})
        self.assertEqual(only(inspect(self.killed)[1], "broker"), {"running": "no"})

    def test_nothing_is_changed(self):
        for data in (self.stopped, self.killed):
            before = state_of(data)
            inspect(data, "--records")
            self.assertEqual(before, state_of(data))

    def test_a_damaged_record(self):
        data = self.copy(self.stopped)
        record = self.record(data, "publish", 3)
        self.damage(f"{data}/{record['file']}", int(record["offset"]) + int(record["bytes"]) - 1)
        status, said, log = inspect(data)
        self.assertEqual(status, 1)
        self.assertEqual(only(said, "damage"),
                         {"file": record["file"], "offset": record["offset"], "what": "record",
                          "lost": "1", "first_lsn": record["lsn"]})
        self.assertEqual(only(said, "start")["lost"], "1")
        self.assertEqual(only(said, "start")["messages"], str(N_MESSAGES))
        self.assertIn("LOG_JOURNAL_DAMAGED", log)
        self.assertIn("summary result=damaged", said)

    def test_a_damaged_batch(self):
        data = self.copy(self.stopped)
        batch = lines(inspect(data)[1], "batch")[4]
        self.damage(f"{data}/{batch['file']}", int(batch["offset"]) + 30)
        status, said, _ = inspect(data)
        self.assertEqual(status, 1)
        self.assertEqual(only(said, "damage"),
                         {"file": batch["file"], "offset": batch["offset"], "what": "batch",
                          "lost": batch["records"], "first_lsn": batch["first_lsn"]})
        self.assertEqual(only(said, "start")["lost"], batch["records"])

    def test_heads(self):
        data = self.copy(self.stopped)
        path = self.journal(data)
        self.damage(path, 70)
        status, said, _ = inspect(data)
        self.assertEqual((status, only(said, "damage")["what"]), (1, "copy of head"))
        self.assertEqual(only(said, "start")["lost"], "0")
        self.damage(path, BLOCK // 2 + 70)
        status, said, _ = inspect(data)
        self.assertEqual((status, only(said, "damage")["what"]), (1, "head"))
        self.assertEqual(only(said, "start")["lost"], "0")
        self.damage(path, BLOCK + 10)
        status, said, _ = inspect(data)
        self.assertEqual((status, lines(said, "damage")[0]["what"]), (1, "file"))

    def test_the_identity(self):
        data = self.copy(self.stopped)
        whole = only(inspect(data)[1], "store")
        os.remove(f"{data}/store")
        said = inspect(data)[1]
        self.assertEqual(only(said, "store"), dict(whole, told_by="journal"))
        self.assertEqual(only(said, "start")["messages"], str(N_MESSAGES + 1))
        self.assertFalse(os.path.exists(f"{data}/store"))

    def test_what_is_not_ours(self):
        data = self.copy(self.stopped)
        shutil.copy(self.journal(self.killed), f"{data}/journal/999")
        with open(f"{data}/journal/no number", "wb"):
            pass
        os.mkfifo(f"{data}/journal/1000")
        os.symlink("/dev/zero", f"{data}/else")
        os.remove(f"{data}/journal/1000")
        said = inspect(data)[1]
        uses = {f["path"]: f["use"] for f in lines(said, "file")}
        self.assertEqual(uses["journal/999"], "foreign")
        self.assertEqual(uses["journal/no number"], "unknown")
        self.assertEqual(uses["else"], "unknown")
        self.assertEqual(only(said, "start")["messages"], str(N_MESSAGES + 1))

    def test_what_cannot_be_read(self):
        data = self.copy(self.stopped)
        os.mkfifo(f"{data}/journal/1000")
        status, said, _ = inspect(data)
        self.assertEqual(status, 1)
        self.assertEqual(only(said, "start")["result"], "refused")
        self.assertEqual(inspect(data + "/none")[0], 2)
        self.assertEqual(inspect(f"{data}/store")[0], 2)

    def test_an_empty_directory(self):
        data = tempfile.mkdtemp(dir=self.directory.name)
        status, said, _ = inspect(data)
        self.assertEqual(status, 0, said)
        self.assertEqual(only(said, "start")["records"], "0")
        self.assertEqual(os.listdir(data), [])

    def test_anything_may_be_in_it(self):
        """Bits flip and files are cut wherever something is; each variant is looked at as a whole,
        and the look must say of every record whether it counts as the start does."""
        rng = random.Random(1)
        for i in range(N_VARIANTS):
            source = rng.choice((self.stopped, self.killed))
            data = self.copy(source)
            for _ in range(rng.choice((1, 1, 2, 8))):
                self.spoil(rng, data)
            status, said, log = inspect(data, "--records")
            self.assertIn(status, (0, 1), f"variant {i}: {log}")
            self.assertIn("summary result=", said)
            if "result=refused" not in said:
                self.compare(said, i)
            shutil.rmtree(os.path.dirname(data))

    def compare(self, said, i):
        start = only(said, "start")
        journal = only(said, "journal")
        # A record that makes no sense to the start is one that the look counts as lost, too.
        counts = int(journal["durable"]) + int(journal["doubt"])
        self.assertEqual(counts, int(start["records"]), f"variant {i}\n{said}")
        self.assertEqual(journal["lost"], start["lost"], f"variant {i}\n{said}")

    def spoil(self, rng, data):
        names = [f"{data}/store"] + [f"{data}/journal/{n}" for n in os.listdir(f"{data}/journal")]
        path = rng.choice(names)
        used = sum(len(b) for b in self.extents(path)) if rng.random() < 0.1 else None
        size = min(os.path.getsize(path), 160 * 1024)
        how = rng.random()
        with open(path, "r+b") as f:
            if how < 0.1:
                f.truncate(rng.randrange(size + 1) if used is None else rng.randrange(used + 1))
                return
            at = rng.randrange(max(size, 1)) if how < 0.8 else rng.randrange(3 * BLOCK)
            length = rng.choice((1, 1, 1, 8, 512, BLOCK))
            f.seek(at)
            there = f.read(length)
            f.seek(at)
            if how < 0.7:
                f.write(bytes(b ^ (1 << rng.randrange(8)) for b in there))
            elif how < 0.9:
                f.write(b"\0" * len(there))
            else:
                f.write(rng.randbytes(len(there)))

    @staticmethod
    def extents(path):
        """What is written of a file."""
        with open(path, "rb") as f:
            return [f.read().rstrip(b"\0")]


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
