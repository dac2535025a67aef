"""A progress bar on stderr."""

import sys
import time
from collections.abc import Iterable, Iterator

# A bar for something that is over at once only flickers.
SECONDS_WITHOUT_BAR = 1.0


def progress(items: Iterable, total: int, title: str) -> Iterator:
    """Yield the items, with a bar on stderr for all that takes long.

    Silent when stderr is no terminal.
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
    """Return rich's bar with count and time left, on stderr."""
    from rich.console import Console
    from rich.progress import (BarColumn, MofNCompleteColumn, Progress,
                               ProgressColumn, TextColumn, TimeRemainingColumn)

    class SpeedColumn(ProgressColumn):
        """Items a second, where there are that many."""

        def render(self, task) -> str:
            speed = task.finished_speed or task.speed or 0
            return f"{speed:,.0f}/s" if speed >= 1 else ""

    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        SpeedColumn(), TimeRemainingColumn(), console=Console(stderr=True),
        disable=not sys.stderr.isatty(), transient=True,
        # What is printed while a bar is there goes above it; but results
        # that go into a file or a pipe are none of the bar's business.
        redirect_stdout=sys.stdout.isatty())
