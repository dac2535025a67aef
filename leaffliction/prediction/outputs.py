"""Where predictions go: the files that the options of predict.py name."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from leaffliction.model.classifier import Classifier
from leaffliction.prediction.writers import Result, open_csv, open_json
from leaffliction.utils.errors import UserError
from leaffliction.utils.tables import is_stdout

# Images in the figure: more would be too small to see.
MAX_ROWS = 8


@dataclass(frozen=True)
class Outputs:
    """Where predictions are written and shown.

    csv, json: a file, "-" for stdout, or None.  report: a file or None.
    figure: the file of --save, or None.  no_display: open no window.
    top: classes printed per image.  per_folder: predict plants, each a
    folder of photographs.
    """

    csv: Path | None
    json: Path | None
    report: Path | None
    figure: Path | None
    no_display: bool
    top: int
    per_folder: bool

    @property
    def quiet(self) -> bool:
        """Whether stdout holds a table or an object, and nothing else."""
        return is_stdout(self.csv) or is_stdout(self.json)

    def wants_figure(self, count: int) -> bool:
        """Return whether a run of `count` images shows or saves a figure.

        With --save it always does.  Otherwise there is no figure of more
        than MAX_ROWS images, and none while stdout holds a table.
        """
        return bool(self.figure) or not self.quiet and count <= MAX_ROWS


@contextmanager
def open_writers(classifier: Classifier, outputs: Outputs
                 ) -> Iterator[Callable]:
    """Give a function that writes (path, prediction or error) to all files."""
    with ExitStack() as stack:
        writers = []
        if outputs.csv:
            writers.append(stack.enter_context(
                open_csv(outputs.csv, outputs.per_folder)))
        if outputs.json:
            writers.append(stack.enter_context(
                open_json(outputs.json, classifier, outputs.per_folder)))
        if outputs.report:
            from leaffliction.prediction.report import open_report_file
            writers.append(stack.enter_context(
                open_report_file(outputs.report, classifier.archive)))

        def write(path: Path, result: Result | UserError) -> None:
            for write_to in writers:
                write_to(path, result)

        yield write
