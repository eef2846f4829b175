# SPDX-License-Identifier: Apache-2.0
"""The Celery application: what the workers run and the client calls."""

import os
import signal
import time

from celery import Celery
from kombu import Exchange, Queue

PREFIX = os.environ["INTEROP_PREFIX"]
WORK, PRIORITY, LATE = PREFIX + ".work", PREFIX + ".priority", PREFIX + ".late"

app = Celery("interop", broker=os.environ["AMQP_URL"], backend="rpc://")
app.conf.update(
    task_default_queue=WORK,
    task_queues=[Queue(WORK, Exchange(WORK), WORK),
                 Queue(PRIORITY, Exchange(PRIORITY), PRIORITY, max_priority=10)],
    result_expires=60,
    broker_connection_retry=False,
)


@app.task
def add(x, y):
    return x + y


@app.task
def double(x):
    return 2 * x


@app.task
def echo(value):
    return value


@app.task
def fail(text):
    raise ValueError(text)


@app.task
def now():
    return time.time()


@app.task(bind=True, max_retries=3)
def third_time_lucky(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    return self.request.retries


@app.task(bind=True, acks_late=True)
def hold(self, fifo):
    """Says whether it is a redelivery, and if it is not, waits for the end of the process."""
    redelivered = bool(self.request.delivery_info["redelivered"])
    with open(fifo, "w") as reports:
        reports.write("redelivered\n" if redelivered else "fresh\n")
    if not redelivered:
        signal.pause()
    return "done"
