# SPDX-License-Identifier: Apache-2.0
"""Celery: two real workers, a prefork and a solo one, and results over the rpc:// backend."""

import os
import select
import signal
import sys
import threading
import time

from checks import Checks, equal, raises, unique, until

os.environ["INTEROP_PREFIX"] = unique("celery")

from celery import chain, group  # noqa: E402  (tasks.py reads the prefix when it is imported)
from celery.exceptions import TaskRevokedError  # noqa: E402
from celery.result import ResultSet  # noqa: E402

import tasks  # noqa: E402
from worker import Worker  # noqa: E402

SECONDS = 20
MAIN, SOLO = "main@interop", "solo@interop"

check = Checks()
workers = {}


def answers(results):
    """All at once: asked one by one, Celery waits a second for each that is there already."""
    return ResultSet(results).get(timeout=SECONDS)


@check("a prefork and a solo worker start", needed=True)
def workers_start():
    workers[MAIN] = Worker(MAIN, [tasks.WORK, tasks.PRIORITY], "--concurrency", "2")
    workers[SOLO] = Worker(SOLO, [tasks.LATE], "--pool", "solo")
    for worker in workers.values():
        worker.wait_ready()


@check("remote control: both answer a ping, and tell their queues")
def remote_control():
    control = tasks.app.control
    replies = control.ping(destination=[MAIN, SOLO], timeout=SECONDS)
    equal({name: answer for reply in replies for name, answer in reply.items()},
          {MAIN: {"ok": "pong"}, SOLO: {"ok": "pong"}}, "replies")
    queues = control.inspect(destination=[SOLO], timeout=SECONDS).active_queues()
    equal([queue["name"] for queue in queues[SOLO]], [tasks.LATE], "queues")


@check("tasks and their results")
def simple():
    results = [tasks.add.delay(i, i) for i in range(100)]
    equal(answers(results), [2 * i for i in range(100)], "results")


@check("a task with an argument and a result of 1 MiB")
def large():
    text = "x" * (1024 * 1024)
    equal(tasks.echo.delay(text).get(timeout=SECONDS) == text, True, "equality of the result")


@check("a task that fails")
def failure():
    with raises(ValueError) as caught:
        tasks.fail.delay("on purpose").get(timeout=SECONDS)
    equal(str(caught.error), "on purpose", "error")


@check("retry")
def retry():
    equal(tasks.third_time_lucky.delay().get(timeout=SECONDS), 2, "retries")


@check("countdown")
def countdown():
    began = time.time()
    results = [tasks.now.apply_async(countdown=1) for _ in range(20)]
    for ended in answers(results):
        if ended - began < 1:
            raise AssertionError("a countdown of 1 s took %.3f s" % (ended - began))


@check("a revoked task does not run")
def revoke():
    result = tasks.now.apply_async(countdown=1)
    tasks.app.control.revoke(result.id, destination=[MAIN], reply=True, timeout=SECONDS)
    with raises(TaskRevokedError):
        result.get(timeout=SECONDS)


@check("all tasks on a priority queue run")
def priority():
    results = [tasks.echo.apply_async((i,), queue=tasks.PRIORITY, priority=i % 11)
               for i in range(50)]
    equal(answers(results), list(range(50)), "results")


@check("group")
def groups():
    result = group(tasks.add.s(i, 1) for i in range(20))()
    equal(result.get(timeout=SECONDS), [i + 1 for i in range(20)], "results")


@check("chain")
def chains():
    equal(chain(tasks.add.s(1, 2), tasks.add.s(4), tasks.double.s())().get(timeout=SECONDS), 14)
    result = group(chain(tasks.double.s(i), tasks.double.s()) for i in range(10))()
    equal(result.get(timeout=SECONDS), [4 * i for i in range(10)], "a group of chains")


@check("task events")
def events():
    seen, listening, done = [], threading.Event(), threading.Event()

    class Receiver(tasks.app.events.Receiver):
        def on_consume_ready(self, *args, **kwargs):
            super().on_consume_ready(*args, **kwargs)
            listening.set()

    def on_succeeded(event):
        seen.append(event["uuid"])

    def listen():
        with tasks.app.connection() as connection:
            receiver = Receiver(connection, handlers={"task-succeeded": on_succeeded})
            for _ in receiver.itercapture(limit=None, timeout=SECONDS, wakeup=True):
                if done.is_set():
                    return

    threading.Thread(target=listen, daemon=True).start()
    equal(listening.wait(SECONDS), True, "readiness of the listener")
    result = tasks.add.delay(1, 1)
    result.get(timeout=SECONDS)
    until(lambda: result.id in seen, lambda: tasks.app.control.ping([MAIN], timeout=SECONDS),
          "the event of the task")
    done.set()


@check("acks_late: a killed worker's task is redelivered to another")
def acks_late():
    fifo = os.path.join(os.environ["BROKER_TMP"], "hold")
    os.mkfifo(fifo)
    reports = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)

    def report():
        if not select.select([reports], [], [], SECONDS)[0]:
            raise AssertionError("no report from the task")
        return os.read(reports, 100)

    result = tasks.hold.apply_async((fifo,), queue=tasks.LATE)
    equal(report(), b"fresh\n", "the first report")
    workers[SOLO].kill()
    answer, = tasks.app.control.add_consumer(
        tasks.LATE, destination=[MAIN], reply=True, timeout=SECONDS)
    equal(list(answer[MAIN]), ["ok"], "answer")
    equal(report(), b"redelivered\n", "the second report")
    equal(result.get(timeout=SECONDS), "done", "result")
    os.close(reports)
    # The result overtakes the ack, and a worker told to stop between the two would not send it.
    inspect = tasks.app.control.inspect(destination=[MAIN], timeout=SECONDS)
    until(lambda: inspect.active() == {MAIN: []}, lambda: None, "the worker to be idle")


@check("a warm shutdown ends with status 0 and leaves nothing behind")
def shutdown():
    equal(workers[MAIN].stop(), 0, "exit status")
    with tasks.app.connection() as connection:
        channel = connection.default_channel
        for queue in (tasks.WORK, tasks.PRIORITY, tasks.LATE):
            answer = channel.queue_declare(queue, passive=True)
            equal((answer.message_count, answer.consumer_count), (0, 0), queue)
            channel.queue_delete(queue)
            channel.exchange_delete(queue)


# Ends as SystemExit does below, so that no worker outlives us.
signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(143))
try:
    check.run()
except SystemExit as end:
    for one in workers.values():
        one.make_sure_of_the_end()
        if end.code:
            one.print_log()
    raise
