"""leaffliction/training/keras.py: how TensorFlow is started."""

import subprocess
import sys
import threading

from paths import ROOT
from slow import slow

from leaffliction.training import keras
from leaffliction.training.keras import importing_keras


def test_keras_is_imported_while_the_block_runs(monkeypatch):
    started, ends, threads = threading.Event(), threading.Event(), []

    def import_keras():
        started.set()
        assert ends.wait(10)
        threads.append(threading.current_thread())

    monkeypatch.setattr(keras, "import_keras", import_keras)
    with importing_keras():
        assert started.wait(10) and not threads
        ends.set()
    # At its end the import is complete.
    assert threads and threads[0] is not threading.main_thread()


@slow
def test_tensorflow_uses_the_number_of_threads_that_was_set():
    # More than there are cores, so that its own choice would show.
    code = ("import os; os.environ.pop('TF_NUM_INTRAOP_THREADS', None)\n"
            "from leaffliction.training.keras import import_keras, "
            "limit_threads\n"
            "limit_threads(300)\n"
            "keras = import_keras()\n"
            "before = len(os.listdir('/proc/self/task'))\n"
            "keras.ops.ones(1) + 1\n"
            "print(len(os.listdir('/proc/self/task')) - before)\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT,
                          capture_output=True, text=True)
    assert int(done.stdout) > 290
