"""Run predict.py as a shell would."""

import predict
from leaffliction.utils import cli


def run(*arguments):
    """Return the exit status of predict.py, as the shell would see it."""
    return cli.run(lambda: predict.main([*map(str, arguments),
                                         "--no-display"]))
