"""A progress bar on stderr, for work that takes longer than a second."""

import sys
import time
from collections.abc import Iterable, Iterator

# Shorter work shows no bar, which would only flicker.
SECONDS_WITHOUT_BAR = 1.0


def progress(items: Iterable, total: int, title: str) -> Iterator:
    """Yield the items, and show a bar on stderr if that takes long.

    total: the number of items.  Where stderr is no terminal, nothing is
    shown.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    start, done, items = time.monotonic(), 0, iter(items)
    for item in items:
        done += 1
        yield item
        if time.monotonic() - start > SECONDS_WITHOUT_BAR:
            break
    else:
        return
    with progress_bar() as bar:
        task = bar.add_task(title, total=total, completed=done)
        for item in items:
            yield item
            bar.advance(task)


def progress_bar():
    """Return a rich.progress.Progress on stderr, with counts and time left."""
    from rich.console import Console
    from rich.progress import (BarColumn, MofNCompleteColumn, Progress,
                               ProgressColumn, TextColumn, TimeRemainingColumn)

    class SpeedColumn(ProgressColumn):
        """Items per second; empty below one."""

        def render(self, task) -> str:
            speed = task.finished_speed or task.speed or 0
            return f"{speed:,.0f}/s" if speed >= 1 else ""

    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        SpeedColumn(), TimeRemainingColumn(), console=Console(stderr=True),
        disable=not sys.stderr.isatty(), transient=True,
        # Results on a terminal are printed above the bar; those that go to a
        # file or a pipe must not pass through rich.
        redirect_stdout=sys.stdout.isatty())
