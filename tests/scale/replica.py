"""A process that fine-tunes with others; test_strategy.py starts it.

    python replica.py FOLDER WEIGHTS.npz [mirrored|again|dies]

FOLDER: of a job (leaffliction/scale/job.py).  TF_CONFIG, if set, tells which
of several machines this is.  mirrored: trains on two devices.  again: trains
twice.  dies: the same, but is killed in step 3 of the second training.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np

from leaffliction import program
from leaffliction.scale.job import join_fine_tuning
from leaffliction.scale.strategy import broadcast, join
from leaffliction.scale.tf_config import read_task
from leaffliction.training import loop
from leaffliction.training.keras import import_keras
from leaffliction.utils import cli


def choose_strategy(is_mirrored):
    """Return TensorFlow's strategy for this process."""
    task = read_task()
    if task is not None:
        strategy = join(task)
        name = broadcast(strategy, "name" if task.is_chief else "")
        assert name == "name"
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
    """Return a callback that kills this process, instead of advance_bar's.
    """
    def kill(number, logs=None):
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    return import_keras().callbacks.LambdaCallback(on_train_batch_end=kill)


def main():
    """Fine-tune, and write the weights."""
    folder, weights, *how = sys.argv[1:]
    strategy = choose_strategy("mirrored" in how)
    network, _ = join_fine_tuning(Path(folder), strategy)
    np.savez(weights, *network.get_weights())
    if "dies" in how:
        loop.advance_bar = die
    if {"again", "dies"} & set(how):
        join_fine_tuning(Path(folder), strategy)
    return cli.DONE


if __name__ == "__main__":
    program.start(main)
