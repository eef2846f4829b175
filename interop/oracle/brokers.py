# SPDX-License-Identifier: Apache-2.0
"""Starts and stops the two brokers of a comparison on private loopback ports.

Each broker gets its own directory, and only processes started here are stopped, by their ids.
RabbitMQ runs without its service manager: the environment variables below replace what the
packaged unit would set, and they keep it away from every default port.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

RABBITMQ_SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 15.0
POLL_S = 0.02


class BrokerFailed(Exception):
    """A broker did not come up, or died."""


def free_port():
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def scratch_directory(prefix):
    """A new private directory, in memory where possible: disks are not what is compared."""
    memory = "/dev/shm"
    parent = memory if os.access(memory, os.W_OK) else None
    return tempfile.mkdtemp(prefix=prefix, dir=parent)


def stop_process(process):
    """Asks a process we started to end, and insists after a while."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class External:
    """A broker that somebody else runs."""

    def __init__(self, name, port):
        self.name = name
        self.port = port

    def start(self):
        """Nothing to start."""

    def wait(self):
        """Nothing to wait for."""

    def stop(self):
        """Nothing of ours to stop."""

    def alive(self):
        """We cannot know; the next connection will tell."""
        return True

    def log_tail(self):
        """Its log is elsewhere."""
        return ""


class RabbitMQ:
    """Debian's RabbitMQ as a private child process, with its own name server."""

    name = "rabbitmq"

    def __init__(self):
        self.port = free_port()
        self.directory = scratch_directory("whippet-oracle-rabbitmq-")
        self.server = None
        self.epmd = None

    def start(self):
        """Starts the name server and the node; `wait` tells when it accepts connections."""
        base = pathlib.Path(self.directory)
        (base / "enabled_plugins").write_text("[].\n")
        (base / "rabbitmq.conf").write_text(self._config())
        env = self._environment(base)
        self.epmd = subprocess.Popen(
            ["epmd", "-port", env["ERL_EPMD_PORT"], "-address", "127.0.0.1"],
            env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(base / "console", "wb") as console:
            self.server = subprocess.Popen([RABBITMQ_SERVER], env=env, cwd=base, stdout=console,
                                           stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def _config(self):
        return (f"listeners.tcp.default = 127.0.0.1:{self.port}\n"
                "loopback_users.guest = true\n"
                "log.file = false\n"
                "log.console = true\n"
                "log.console.level = critical\n"
                "disk_free_limit.absolute = 1MB\n"
                "vm_memory_high_watermark.relative = 0.8\n")

    def _environment(self, base):
        env = {key: value for key, value in os.environ.items()
               if not key.startswith(("RABBITMQ_", "ERL_"))}
        env.update({
            "HOME": str(base),
            "RABBITMQ_NODENAME": f"wp_oracle_{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(base / "mnesia"),
            "RABBITMQ_LOG_BASE": str(base / "log"),
            "RABBITMQ_CONFIG_FILE": str(base / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(base / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(base / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(base / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(base / "pid"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(base / "config"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(base / "feature_flags"),
            "RABBITMQ_DIST_PORT": str(free_port()),
            # One scheduler: less load, and message passing inside the broker has nearly one order.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1 +sbwt none +A 4",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(free_port()),
            "LANG": "C.UTF-8",
        })
        return env

    def wait(self):
        """Returns once the node accepts connections."""
        wait_for_port(self, self.port)

    def alive(self):
        """Whether the node still runs."""
        return self.server is not None and self.server.poll() is None

    def log_tail(self):
        """The last lines the node printed."""
        return file_tail(pathlib.Path(self.directory) / "console")

    def stop(self):
        """Stops what was started and removes the directory."""
        stop_process(self.server)
        stop_process(self.epmd)
        shutil.rmtree(self.directory, ignore_errors=True)


class Whippet:
    """The broker under test as a private child process."""

    name = "whippet"

    def __init__(self, binary, settings=()):
        self.binary = binary
        self.settings = list(settings)
        self.port = free_port()
        self.directory = scratch_directory("whippet-oracle-whippet-")
        self.server = None

    def start(self):
        """Starts the broker; `wait` tells when it accepts connections."""
        command = [self.binary, "--listen", f"127.0.0.1:{self.port}",
                   "--data", os.path.join(self.directory, "data")]
        for setting in self.settings:
            command += ["--set", setting]
        with open(os.path.join(self.directory, "console"), "wb") as console:
            self.server = subprocess.Popen(command, stdout=console, stderr=subprocess.STDOUT,
                                           stdin=subprocess.DEVNULL)

    def wait(self):
        """Returns once the broker accepts connections."""
        wait_for_port(self, self.port)

    def alive(self):
        """Whether the broker still runs."""
        return self.server is not None and self.server.poll() is None

    def log_tail(self):
        """The last lines the broker printed."""
        return file_tail(pathlib.Path(self.directory) / "console")

    def stop(self):
        """Stops the broker and removes its directory."""
        stop_process(self.server)
        shutil.rmtree(self.directory, ignore_errors=True)


def file_tail(path, limit=4000):
    """The end of a text file, or nothing when it cannot be read."""
    try:
        return path.read_text(errors="replace")[-limit:]
    except OSError:
        return ""


def accepts_amqp(port):
    """Whether something on the port answers the protocol header with a frame."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as probe:
            probe.sendall(b"AMQP\x00\x00\x09\x01")
            return probe.recv(1) == b"\x01"
    except OSError:
        return False


def wait_for_port(broker, port):
    """Returns when the broker speaks AMQP; fails when its process ends or the deadline passes."""
    deadline = time.monotonic() + START_DEADLINE_S
    while not accepts_amqp(port):
        if not broker.alive():
            raise BrokerFailed(f"{broker.name} ended during its start:\n{broker.log_tail()}")
        if time.monotonic() > deadline:
            raise BrokerFailed(f"{broker.name} does not accept connections:\n{broker.log_tail()}")
        time.sleep(POLL_S)
