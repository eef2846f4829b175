# SPDX-License-Identifier: Apache-2.0
"""Celery worker processes, started the way everybody starts them."""

import signal
import subprocess
import sys
import threading


class Worker:
    def __init__(self, name, queues, *options):
        self.name = name
        self.log = []
        self._ready = threading.Event()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "celery", "--app", "tasks", "worker", "--hostname", name,
             "--queues", ",".join(queues), "--loglevel", "INFO", "--events", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.log.append(line)
            if line.rstrip().endswith(self.name + " ready."):
                self._ready.set()

    def wait_ready(self, seconds=30):
        if not self._ready.wait(seconds):
            raise AssertionError("worker %s was not ready within %d s" % (self.name, seconds))

    def kill(self):
        """No goodbye: the process is gone at once."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=20):
        """A warm shutdown; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def make_sure_of_the_end(self):
        if self.process.poll() is None:
            self.kill()

    def print_log(self):
        print("--- log of worker %s\n%s--- end of the log" % (self.name, "".join(self.log)))
