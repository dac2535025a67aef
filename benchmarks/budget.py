"""Does train.py --budget keep to the time, and what does more time buy?

    python -m benchmarks.budget images
    python -m benchmarks.budget images --groups leaf_groups.csv --minutes 1 3

Runs train.py with each budget; further options are handed on to it.  Prints
for each run the size and the epochs that were chosen, its minutes, the loss on
the early-stopping set, and the accuracy on the validation set.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.training import run_ours
from leaffliction.utils import cli

MINUTES = (1.0, 1.5, 2.5, 5.0)


def run(arguments: list[str], minutes: float) -> tuple[float, dict]:
    """Return the minutes that a run took, and its report."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        _, report = run_ours([*arguments, "--budget", str(minutes)],
                             Path(folder, "learnings.zip"))
        return (time.perf_counter() - start) / 60, report


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("images", help="folder of class folders")
    parser.add_argument("--minutes", type=float, nargs="+", default=MINUTES)
    options, of_train = parser.parse_known_args(argv)
    print("budget  minutes  pixels  epochs  early-stopping loss  accuracy")
    for minutes in options.minutes:
        took, report = run([options.images, *of_train], minutes)
        settings = report["settings"]
        print(f"{minutes:6.1f} {took:8.1f} {settings['size']:7} "
              f"{settings['epochs']:7} "
              f"{report['forms']['as_trained']['log_loss']:20.4f} "
              f"{report['validation']['accuracy']:9.2%}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
