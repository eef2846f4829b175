# SPDX-License-Identifier: Apache-2.0
"""The brokers that are measured: private processes on free loopback ports, pinned to one CPU.

Whippet is started anew for every row, so that no row inherits another's memory. A RabbitMQ takes
seconds to start and is kept for the whole run.
"""

import contextlib
import os
import pathlib
import re
import resource
import select
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "interop/oracle"))

import brokers as oracle  # noqa: E402 - how a RabbitMQ is run without its service manager

import figures  # noqa: E402

BrokerFailed = oracle.BrokerFailed

CPUS = sorted(os.sched_getaffinity(0))
BROKER_CPU = CPUS[0]
LOAD_CPU = CPUS[-1]

START_DEADLINE_S = 30
STOP_DEADLINE_S = 30


@contextlib.contextmanager
def pinned(cpu):
    """Processes that are started inside run on this CPU."""
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, CPUS)


def raise_file_limit():
    """Brokers and load inherit as many open files as we may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Whippet:
    """A release of ours."""

    name = "whippet"

    def __init__(self, binary, settings):
        self.binary = binary
        self.settings = settings
        self.directory = oracle.scratch_directory("whippet-bench-")
        self.process = None
        self.port = None
        self.journal = {}

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        """With an empty data directory. Returns when the broker says that it accepts connections;
        how long that took, in ms."""
        self.port = oracle.free_port()
        data = os.path.join(self.directory, "data")
        oracle.shutil.rmtree(data, ignore_errors=True)
        command = [self.binary, "--listen", f"127.0.0.1:{self.port}", "--data", data]
        for setting in self.settings:
            command += ["--set", setting]
        with pinned(BROKER_CPU), open(self.log_path(), "wb") as log:
            begin = time.monotonic()
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log)
        self._await_line(begin + START_DEADLINE_S)
        return (time.monotonic() - begin) * 1e3

    def _await_line(self, deadline):
        said = b""
        while b"Server startup complete" not in said:
            ready, _, _ = select.select([self.process.stdout], [], [],
                                        max(0.0, deadline - time.monotonic()))
            more = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not more:
                self.stop()
                raise BrokerFailed(f"whippet did not start:\n{self.log_tail()}")
            said += more

    def measure_start(self):
        """Start to accepting, and what an empty broker holds."""
        start_ms = self.start()
        try:
            return {"start_ms": start_ms, **figures.memory_mb(self.pid)}
        finally:
            self.stop()

    def log_path(self):
        return os.path.join(self.directory, "log")

    def log_tail(self):
        return oracle.file_tail(pathlib.Path(self.log_path()))

    def stop(self):
        """Ends the broker; one that does not end well has failed its row."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise BrokerFailed(f"whippet did not stop:\n{self.log_tail()}") from None
        finally:
            process.stdout.close()
        if status != 0:
            raise BrokerFailed(f"whippet ended with {status}:\n{self.log_tail()}")
        text = pathlib.Path(self.log_path()).read_text(encoding="utf-8", errors="replace")
        lines = re.findall(r"LOG_TALLY what=(?:messages|journal) (.*)", text)
        self.journal = {name: int(value)
                        for name, value in re.findall(r"(\w+)=(\d+)", " ".join(lines))}

    def end(self):
        """Removes what is left."""
        self.stop()
        oracle.shutil.rmtree(self.directory, ignore_errors=True)


class StockRabbitMQ(oracle.RabbitMQ):
    """Debian's RabbitMQ as its package runs it, but for the addresses."""

    def __init__(self):
        super().__init__()
        self.journal = {}
        self.pid = None
        self.first = {}

    def _environment(self, base):
        env = super()._environment(base)
        del env["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"]
        return env

    def start(self):
        """Starts it, the first time it is asked to."""
        if self.pid is not None:
            return
        begin = time.monotonic()
        with pinned(BROKER_CPU):
            super().start()
        super().wait()
        took_ms = (time.monotonic() - begin) * 1e3
        self.pid = int((pathlib.Path(self.directory) / "pid").read_text(encoding="ascii"))
        self.first = {"start_ms": took_ms, **figures.memory_mb(self.pid)}

    def measure_start(self):
        """Of the one start in a run."""
        self.start()
        return self.first

    def stop(self):
        """Goes on running until the end."""

    def end(self):
        super().stop()
