"""The files of the page, for the server and for the folder for a phone."""

from pathlib import Path

from leaffliction.prediction.languages import FOLDER as TEXTS
from leaffliction.prediction.languages import language_codes, load_language

STATIC = Path(__file__).parent / "static"


def read_page_files() -> dict[str, bytes]:
    """Return the files of the page: {path below its address: content}."""
    files = {path.relative_to(STATIC).as_posix(): path.read_bytes()
             for path in STATIC.rglob("*") if path.is_file()}
    return files | {f"texts/{path.name}": path.read_bytes()
                    for path in TEXTS.glob("*.json")}


def language_menu() -> list[dict[str, str]]:
    """Return the languages of the page: code, and name in the language."""
    return [{"code": code, "name": load_language(code).name}
            for code in language_codes()]
