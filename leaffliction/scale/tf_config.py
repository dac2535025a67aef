"""Several machines that learn one network together: who is who.

Each is started with the same command and a TF_CONFIG of its own.  The chief
goes the whole way and writes; the others, the workers, help to fine-tune.
"""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from leaffliction.training.backbone import import_keras
from leaffliction.utils.console import print_note, suppress_native_stderr
from leaffliction.utils.errors import UserError

VARIABLE = "TF_CONFIG"   # of the environment, as TensorFlow documents it
TASKS = ("chief", "worker")


@dataclass(frozen=True)
class Task:
    """What one machine is among several.

    cluster: "host:port" of each machine, by TASKS.  kind: one of TASKS.
    """

    cluster: dict[str, list[str]]
    kind: str
    index: int

    @property
    def is_chief(self) -> bool:
        """Tell whether this machine is the one that writes."""
        return self.kind == "chief" or (
            "chief" not in self.cluster and self.index == 0)

    def __str__(self) -> str:
        return f"{self.kind} {self.index}"


def read_task() -> Task | None:
    """Return what TF_CONFIG says of this machine; None if it is alone.

    Raises UserError where it says nothing that can be followed.
    """
    task = _parse_task()
    if task is None:
        # TensorFlow reads it, too, and fails on one that is empty.
        os.environ.pop(VARIABLE, None)
    return task


def _parse_task() -> Task | None:
    text = os.environ.get(VARIABLE, "").strip()
    try:
        config = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise UserError(f"{VARIABLE}: no JSON ({error})") from None
    if not isinstance(config, dict):
        raise UserError(f"{VARIABLE}: is no JSON object")
    cluster = config.get("cluster")
    if not cluster:
        return None
    check_cluster(cluster)
    task = config.get("task")
    kind, index = (task.get(name) if isinstance(task, dict) else None
                   for name in ("type", "index"))
    if kind not in list(cluster):
        raise UserError(f"{VARIABLE}: task.type is {kind!r}; it must be one "
                        f"of the cluster: {', '.join(cluster)}")
    count = len(cluster[kind])
    if type(index) is not int or not 0 <= index < count:
        raise UserError(f"{VARIABLE}: task.index is {index!r}; of a {kind} "
                        f"it must be a number from 0 to {count - 1}")
    return None if sum(map(len, cluster.values())) == 1 else Task(
        cluster, kind, index)


def check_cluster(cluster: object) -> None:
    """Raise UserError where a cluster's machines cannot be told."""
    if not isinstance(cluster, dict) or not set(cluster) <= set(TASKS):
        raise UserError(f"{VARIABLE}: cluster must name machines of the types "
                        f"{' and '.join(TASKS)} only")
    for kind, addresses in cluster.items():
        if not isinstance(addresses, list) or not addresses or not all(
                map(is_address, addresses)):
            raise UserError(f"{VARIABLE}: cluster.{kind} must be a list of "
                            "\"host:port\"")
    if len(cluster.get("chief", [])) > 1:
        raise UserError(f"{VARIABLE}: there can be one chief only")
    every = sum(cluster.values(), [])
    if len(set(every)) < len(every):
        raise UserError(f"{VARIABLE}: two machines have the same address")


def is_address(text: object) -> bool:
    """Tell whether text is "host:port"."""
    host, _, port = str(text).rpartition(":")
    return (isinstance(text, str) and bool(host) and port.isascii()
            and port.isdigit() and 0 < int(port) < 2**16)


def join(task: Task):
    """Return the strategy of several machines, once all have joined.

    To be called before anything else of TensorFlow.  Raises UserError where
    they cannot come together.
    """
    import_keras()
    import tensorflow as tf
    print_note(f"{VARIABLE}: {task} of {sum(map(len, task.cluster.values()))} "
               "machines; waiting until all are there")
    with exit_on_interrupt(), lost_machine_as_error(), suppress_native_stderr():
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except (RuntimeError, ValueError, tf.errors.UnknownError) as error:
            raise UserError(f"{VARIABLE}: {task} cannot join "
                            f"({first_line(error)})") from None


@contextmanager
def lost_machine_as_error() -> Iterator[None]:
    """Make a UserError of TensorFlow's when another machine has ended.

    TensorFlow sees it at the next sum: at once, or after 10 seconds.
    """
    import tensorflow as tf
    errors = tf.errors
    try:
        yield
    except (errors.UnavailableError, errors.AbortedError,
            errors.CancelledError, errors.DeadlineExceededError,
            errors.FailedPreconditionError):
        raise UserError("another machine has ended, or cannot be reached; "
                        "start all of them again") from None


def first_line(error: Exception) -> str:
    """Return the first line of what an error says."""
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextmanager
def exit_on_interrupt() -> Iterator[None]:
    """Let Ctrl-C end the process at once: for waiting, with nothing to clear.

    While TensorFlow waits for another machine, Python cannot raise anything.
    """
    with _interrupts_to(signal.SIG_DFL):
        yield


@contextmanager
def catch_interrupt() -> Iterator[list]:
    """Give a list that is empty until Ctrl-C; it is not raised inside.

    A machine that stopped in the middle of a step would leave the others
    waiting: so it tells them with its next step.
    """
    noted = []
    with _interrupts_to(lambda *_: noted.append(True)):
        yield noted


@contextmanager
def _interrupts_to(handler) -> Iterator[None]:
    """Let a handler have Ctrl-C, which Python tells the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
