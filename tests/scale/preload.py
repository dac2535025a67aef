"""Makes workers die at images named "poison", and wait at those named "slow".

The workers of the tests load this file.
"""

import os
import signal
import time
from functools import partial

from PIL import Image


def open_or_die(open_image, file, **options):
    """Call Image.open, unless the file's name says something else."""
    if "poison" in str(file):
        os.kill(os.getpid(), signal.SIGKILL)
    if "slow" in str(file):
        time.sleep(0.02)
    return open_image(file, **options)


if not isinstance(Image.open, partial):     # Dask loads this file twice.
    Image.open = partial(open_or_die, Image.open)
