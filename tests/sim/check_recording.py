#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Recordings are replayed without a difference, and what is wrong with one is noticed.

    check_recording.py SIM REPLAY WHIPPET WHIPPET_PERF

Records seeds of the simulation and the real server under load, replays both, and then plants
differences in a recording. Prints TAP.
"""

import pathlib
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile

SIM, REPLAY, WHIPPET, PERF = sys.argv[1:]

# Shapes inline, threads and free, slow stores, small turns, memory limits.
SEEDS = (1, 3, 4, 6, 13)

KIND_INPUT, KIND_TURN, KIND_DONE = 1, 2, 3
MAGIC_SIZE = 8
WHOLE = re.compile(r"\d+ turns, \d+ events replayed, no difference\n")

LOADS = (
    # Small ones in a hurry; persistent ones with confirms, acknowledged; large bodies.
    ("-e", "amq.direct", "-s", "16", "-a", "-C", "20000", "-D", "20000"),
    ("-s", "1024", "-f", "persistent", "-c", "20", "-q", "50", "-A", "5", "-C", "2000", "-D",
     "2000"),
    ("-s", "100000", "-x", "2", "-q", "10", "-C", "50", "-D", "100"),
)

results = []


def tell(good, name, output=""):
    results.append(good)
    print(f"{'ok' if good else 'not ok'} - {name}", flush=True)
    if not good:
        print("\n".join(f"# {line}" for line in output.splitlines()), flush=True)


def replay(path):
    run = subprocess.run([REPLAY, path], capture_output=True, text=True, errors="replace")
    return run.returncode, run.stdout + run.stderr


def tell_whole(name, path):
    status, output = replay(path)
    tell(status == 0 and WHOLE.fullmatch(output) is not None, name, output)


class Broker:
    """A whippet that records, on a port of its own."""

    def __init__(self, folder, recording, io_threads=0):
        self.log = folder / "log"
        for _ in range(20):
            self.port = random.randint(20000, 29999)
            with open(self.log, "wb") as log:
                self.process = subprocess.Popen(
                    [WHIPPET, "--listen", f"127.0.0.1:{self.port}", "--data",
                     folder / f"data-{self.port}", "--record", recording,
                     "--set", f"io_threads={io_threads}"],
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
            if any("Server startup complete" in line for line in self.process.stdout):
                return
            self.process.wait()
        raise RuntimeError(self.log.read_text())

    def load(self, *options):
        run = subprocess.run([PERF, "-h", f"amqp://guest:guest@127.0.0.1:{self.port}/", *options],
                             capture_output=True, text=True, timeout=60)
        if run.returncode != 0:
            raise RuntimeError(run.stdout + run.stderr)

    def end(self, number):
        self.process.send_signal(number)
        self.process.stdout.close()
        return self.process.wait(60)


# ---- Whole recordings ----

def check_seeds(folder):
    for seed in SEEDS:
        path = folder / f"seed-{seed}"
        run = subprocess.run([SIM, "--seed", str(seed), "--record", path], capture_output=True,
                             text=True, errors="replace")
        if run.returncode != 0:
            tell(False, f"seed {seed} is recorded", run.stdout + run.stderr)
        else:
            tell_whole(f"seed {seed} is replayed", path)


def check_server(folder):
    for io_threads in (0, 2):
        path = folder / f"server-{io_threads}"
        broker = Broker(folder, path, io_threads)
        for load in LOADS:
            broker.load(*load)
        # A client that holds on is there when the server stops.
        held = subprocess.Popen([PERF, "-h", f"amqp://guest:guest@127.0.0.1:{broker.port}/",
                                 "--hold", "3", "-u", "held"], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        broker.load(*LOADS[0])
        status = broker.end(signal.SIGTERM)
        held.wait(60)
        name = f"the server with io_threads={io_threads}"
        tell(status == 0, f"{name} stops while it records", broker.log.read_text())
        tell(path.stat().st_mode & 0o777 == 0o600, f"{name} keeps its recording to itself")
        tell_whole(f"{name} is replayed", path)


def check_crash(folder):
    """The last moments of a crash are there; of what is killed outright, all but them."""
    for number in (signal.SIGABRT, signal.SIGKILL):
        path = folder / "crash"
        broker = Broker(folder, path)
        broker.load(*LOADS[0])
        tell(broker.end(number) == -number, f"{number.name} ends the server")
        status, output = replay(path)
        tell(status == 0 and "no difference" in output, f"what {number.name} ended is replayed",
             output)
    tell((folder / "crash.old").exists(), "the recording before is kept")


def check_refused(folder):
    """A recording that cannot be begun stops the start, with a reason."""
    run = subprocess.run([WHIPPET, "--listen", "127.0.0.1:0", "--data", folder / "data",
                          "--record", folder / "no" / "folder"], capture_output=True, text=True)
    tell(run.returncode == 1 and "no/folder: No such file" in run.stderr,
         "a recording that cannot be begun is said", run.stderr)


def check_full(folder):
    """No room for the recording costs the recording alone."""
    broker = Broker(folder, "/dev/full")
    broker.load(*LOADS[0])
    status = broker.end(signal.SIGTERM)
    log = broker.log.read_text()
    tell(status == 0 and log.count("RECORD_FAILED") == 1, "a full disk ends only the recording",
         log)


# ---- Planted differences ----

def crc32c(data, table=[]):
    if not table:
        for value in range(256):
            for _ in range(8):
                value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
            table.append(value)
    crc = 0xffffffff
    for octet in data:
        crc = table[(crc ^ octet) & 0xff] ^ crc >> 8
    return crc ^ 0xffffffff


def records(data):
    """(offset, kind, payload without the kind) of each record."""
    at = MAGIC_SIZE
    while at < len(data):
        size, = struct.unpack_from(">I", data, at)
        yield at, data[at + 8], data[at + 9:at + 8 + size]
        at += 8 + size


def altered(data, at, payload):
    """The record at `at` with another payload of the same size, and the checksum for it."""
    payload = data[at + 8:at + 9] + payload
    changed = bytearray(data)
    changed[at + 4:at + 8 + len(payload)] = struct.pack(">I", crc32c(payload)) + payload
    return bytes(changed)


def tell_planted(folder, name, data, wanted, status=1):
    path = folder / "planted"
    path.write_bytes(data)
    got, output = replay(path)
    tell(got == status and re.search(wanted, output) is not None, name, output)


def check_planted(folder):
    broker = Broker(folder, folder / "source")
    broker.load("-s", "100", "-a", "-C", "20", "-D", "20")
    broker.end(signal.SIGTERM)
    data = (folder / "source").read_bytes()
    all_records = list(records(data))
    inputs = [r for r in all_records if r[1] == KIND_INPUT]
    dones = [r for r in all_records if r[1] == KIND_DONE]
    generator = random.Random(1)

    at, _, payload = dones[len(dones) // 2]
    tell_planted(folder, "another digest is noticed",
                 altered(data, at, payload[:-1] + bytes((payload[-1] ^ 1,))),
                 rf"^turn {len(dones) // 2 + 1} differs")
    # The last octet of a record with a publish is one of its body.
    at, _, payload = max(inputs, key=lambda r: len(r[2]))
    tell_planted(folder, "an octet of a body is noticed",
                 altered(data, at, payload[:-1] + bytes((payload[-1] ^ 1,))), "differs")
    missed = [at for at in (generator.randrange(len(data)) for _ in range(100))
              if flip_is_missed(folder, data, at)]
    tell(not missed, "a flipped bit anywhere is noticed", str(missed))
    # Without its checksum to catch it, garbage may be refused or differ, but nothing breaks.
    broken = [n for n in range(100) if garbage_breaks(folder, data, generator.choice(all_records),
                                                      generator)]
    tell(not broken, "garbage is refused, or replayed", str(broken))
    at = dones[-2][0]
    tell_planted(folder, "a recording may be cut off", data[:at + 3],
                 r"no difference\nthe recording is cut off", 0)
    tell_planted(folder, "a turn may be cut off", data[:at],
                 r"no difference\nthe recording ends within a turn", 0)
    tell_planted(folder, "another format is refused", b"WHIPREC0" + data[8:], "another|format")
    tell_planted(folder, "nothing is refused", b"", "no recording")
    at, _, payload = all_records[0]
    tell_planted(folder, "another version is refused",
                 altered(data, at, payload[:4] + b"9" + payload[5:]), r"is of Whippet 9")


def flip_is_missed(folder, data, at):
    path = folder / "flipped"
    changed = bytearray(data)
    changed[at] ^= 1 << at % 8
    path.write_bytes(changed)
    status, output = replay(path)
    return status not in (0, 1) or (status == 0 and "cut off" not in output)


def garbage_breaks(folder, data, record, generator):
    path = folder / "garbage"
    at, _, payload = record
    changed = bytearray(payload)
    for _ in range(generator.randint(1, 4)):
        if changed:
            changed[generator.randrange(len(changed))] = generator.choice((0, 1, 127, 255))
    path.write_bytes(altered(data, at, bytes(changed)))
    return replay(path)[0] not in (0, 1)


def main():
    with tempfile.TemporaryDirectory(prefix="recording.") as name:
        folder = pathlib.Path(name)
        for check in (check_seeds, check_server, check_crash, check_refused, check_full,
                      check_planted):
            check(folder)
    print(f"1..{len(results)}")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
