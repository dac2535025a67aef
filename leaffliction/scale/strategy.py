"""TensorFlow's strategy for several machines: join, broadcast, errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from leaffliction.scale.tf_config import VARIABLE, Task
from leaffliction.training import replicas
from leaffliction.training.keras import import_keras
from leaffliction.utils.console import print_note, suppress_native_stderr
from leaffliction.utils.errors import UserError
from leaffliction.utils.interrupts import exit_on_interrupt

NAME_LENGTH = 64         # characters of a broadcast name


def join(task: Task):
    """Wait until all machines have joined, and return their strategy.

    Must be called before anything else uses TensorFlow.  Raises UserError if
    this machine cannot join.
    """
    import_keras()
    import tensorflow as tf
    count = sum(map(len, task.cluster.values()))
    print_note(f"{VARIABLE}: {task} of {count} machines; waiting for the "
               "others")
    with (exit_on_interrupt(), lost_machine_as_error(),
          suppress_native_stderr()):
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except (RuntimeError, ValueError, tf.errors.UnknownError) as error:
            raise UserError(f"{VARIABLE}: {task} cannot join "
                            f"({first_line(error)})") from None


def first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def broadcast(strategy, name: str = "") -> str:
    """Send a name from the chief to all machines; return it on each.

    name: ASCII, at most NAME_LENGTH characters; "" on the workers, which
    wait here until the chief calls this.
    """
    import tensorflow as tf

    @tf.function
    def add(codes):
        return strategy.run(lambda codes: replicas.sum_replicas(codes),
                            (codes,))

    codes = np.zeros(NAME_LENGTH, np.int32)
    codes[:len(name)] = list(name.encode("ascii"))
    # The codes are summed, so only one replica of the chief sends them.
    silent = len(replicas.local_replicas(strategy)) - 1
    sent = replicas.scatter(strategy, [codes, *[0 * codes] * silent])
    with lost_machine_as_error():
        codes = replicas.first_result(strategy, add(sent))
    return bytes(codes[codes > 0].tolist()).decode("ascii")


@contextmanager
def lost_machine_as_error() -> Iterator[None]:
    """Raise UserError instead of TensorFlow's errors about a lost machine.

    TensorFlow notices it at the next sum over the replicas: at once, or
    after 10 seconds.
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
