"""One process of several that fine-tune, started by test_replicas.py.

    python replica.py FOLDER WEIGHTS.npz [mirrored|again|dies]

FOLDER: what utils/handover.py has left.  TF_CONFIG, if set, says which of
several machines this is.  mirrored: on two devices.  again: learns once
more.  dies: the same, and is killed in step 3.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np

from utils import cli, machines, recipe, replicas
from utils.backbone import import_keras
from utils.handover import fine_tune_along


def choose_strategy(is_mirrored):
    """Return what to learn under."""
    task = machines.read_task()
    if task is not None:
        strategy = machines.join(task)
        told = replicas.tell(strategy, "told" if task.is_chief else "")
        assert told == "told"
        return strategy
    import_keras()
    import tensorflow as tf
    if is_mirrored:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * 2)
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    return tf.distribute.get_strategy()


def die(bar, title, total, event):
    """Return a callback that kills this process, in recipe.advancing's place.
    """
    def kill(number, logs=None):
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    return import_keras().callbacks.LambdaCallback(on_train_batch_end=kill)


def main():
    """Fine-tune, and write the weights."""
    folder, weights, *how = sys.argv[1:]
    strategy = choose_strategy("mirrored" in how)
    classifier, _ = fine_tune_along(Path(folder), strategy)
    np.savez(weights, *classifier.get_weights())
    if "dies" in how:
        recipe.advancing = die
    if {"again", "dies"} & set(how):
        fine_tune_along(Path(folder), strategy)
    return cli.DONE


if __name__ == "__main__":
    cli.start(main)
