"""One process of several that fine-tune, started by test_replicas.py.

    python replica.py FOLDER WEIGHTS.npz [mirrored|again|dies]

FOLDER: what leaffliction/scale/job.py has left.  TF_CONFIG, if set, says which of
several machines this is.  mirrored: on two devices.  again: learns once
more.  dies: the same, and is killed in step 3.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np

from leaffliction import program
from leaffliction.scale import tf_config
from leaffliction.scale.job import join_fine_tuning
from leaffliction.training import loop, replicas
from leaffliction.training.backbone import import_keras
from leaffliction.utils import cli


def choose_strategy(is_mirrored):
    """Return what to learn under."""
    task = tf_config.read_task()
    if task is not None:
        strategy = tf_config.join(task)
        told = replicas.broadcast(strategy, "told" if task.is_chief else "")
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
    classifier, _ = join_fine_tuning(Path(folder), strategy)
    np.savez(weights, *classifier.get_weights())
    if "dies" in how:
        loop.advancing = die
    if {"again", "dies"} & set(how):
        join_fine_tuning(Path(folder), strategy)
    return cli.DONE


if __name__ == "__main__":
    program.start(main)
