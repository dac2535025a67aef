"""leaffliction/training/keras.py: how TensorFlow is started."""

import subprocess
import sys

from paths import ROOT
from slow import slow


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
