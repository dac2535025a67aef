"""Write docs/reference/commands.md: the help of every program.

    python -m docs.commands
"""

import importlib
import os
from pathlib import Path

from leaffliction.program import PROGRAMS

PAGE = Path(__file__).resolve().parent / "reference" / "commands.md"
TITLE = """# Every option of every program

What each program prints with `-h`. `-` instead of a file name stands for
stdout. Files, formats and exit statuses are described in [files.md](files.md).
(`python -m docs.commands` writes this page.)
"""


def command_page() -> str:
    """Return the page: the help of each program, 79 columns wide."""
    os.environ["COLUMNS"] = "79"
    sections = [TITLE]
    for name in PROGRAMS:
        parser = importlib.import_module(name).build_parser()
        parser.prog = f"python {name}.py"
        # This computer's number of cores would be a wrong default elsewhere.
        parser.set_defaults(jobs=None)
        sections.append(f"\n## {name}.py\n\n```\n{parser.format_help()}```\n")
    return "".join(sections)


if __name__ == "__main__":
    PAGE.write_text(command_page())
