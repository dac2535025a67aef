"""The folder for a phone's browser: what is in it, and how it is written.

    index.html, *.css, *.js, icon*    the page, as predict.py --web shows it
    texts/                            its languages
    phone/                            the engine that runs in the browser
    litert/                           LiteRT.js, which runs the network there
    model/                            the network, and what else predicts
    service_worker.js                 keeps all of this on the phone
    manifest.webmanifest              lets it be installed like an app
"""

import base64
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np

from leaffliction import __version__
from leaffliction.model.bundle import Bundle
from leaffliction.model.ood import ARRAYS, GATE, SHIFT, OODDetector
from leaffliction.model.released import released_name
from leaffliction.prediction.hints import not_like_learned
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import write_error
from leaffliction.web.page_files import language_menu, read_page_files
from leaffliction.web.phone.icons import icon
from leaffliction.web.phone.litert_js import litert_files, litert_license

ENGINE = Path(__file__).parent / "static"
SERVICE_WORKER, LIST = "service_worker.js", "files.json"
INDEX, LICENSE = "index.html", "litert/LICENSE"
# Neither the page nor the service worker needs these.
NOT_KEPT = (SERVICE_WORKER, LIST, LICENSE)
# As that of the server (request_handler.py), and WebAssembly may be compiled.
POLICY = "; ".join((
    "default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'", "img-src 'self' data: blob:", "connect-src 'self'",
    "worker-src 'self'", "manifest-src 'self'", "base-uri 'none'",
    "form-action 'none'"))
# What the page has more than that of the server: before its title.
HEAD = (f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '  <link rel="manifest" href="manifest.webmanifest">\n'
        '  <link rel="apple-touch-icon" href="icon-192.png">\n  ')
ICON_SIDES = (192, 512)
# The page asks this module for its engine.
CHOICE = "engine_choice.js"
SCRATCH = ".phone-"   # prefix of the folder in which the new one is made


def write_folder(out: Path, bundle: Bundle) -> int:
    """Write the folder; return its size in bytes.

    An earlier folder of this program is replaced in one step; the new one
    is never there in part.
    bundle: the archive's content.
    Raises UserError where the folder holds anything else, or cannot be
    written, or where LiteRT.js is not to be had.
    """
    check_folder(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=out.parent,
                                         ignore_cleanup_errors=True
                                         ) as scratch:
            files = phone_files(bundle, Path(scratch))
            new, old = Path(scratch, "new"), Path(scratch, "old")
            for path, content in files.items():
                file = new / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            replace_folder(out, new, old)
    except OSError as error:
        raise write_error(out, error) from None
    return sum(map(len, files.values()))


def check_folder(out: Path) -> None:
    """Raise UserError if a folder holds files that are not of this program.

    Those would be lost: a web site, a repository.
    """
    if not out.is_dir():
        if os.path.lexists(out):
            raise UserError(f"{out}: a file, not a folder")
        return
    written = listed(out)
    for file in sorted(out.rglob("*")):
        path = file.relative_to(out).as_posix()
        if path not in written and not (file.is_dir()
                                        and not file.is_symlink()):
            raise UserError(f"{out}: holds {path}, which this program did "
                            "not write; name a new folder")


def listed(out: Path) -> set[str]:
    """Return the paths of the files that this program wrote into a folder."""
    try:
        return set(json.loads((out / LIST).read_text()))
    except (OSError, ValueError):
        return set()


def replace_folder(out: Path, new: Path, old: Path) -> None:
    """Put the folder new at out, and what was there at old."""
    # mkdtemp's own folder is private; this one is to be served.
    new.chmod(0o755)
    if out.is_dir():
        out.rename(old)
    try:
        new.rename(out)
    except OSError:
        if old.is_dir():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def phone_files(bundle: Bundle, scratch: Path) -> dict[str, bytes]:
    """Return all files of the folder: {path: content}."""
    files = {
        **page_files(), **model_files(bundle), **litert_files(scratch),
        LICENSE: litert_license(), "manifest.webmanifest": manifest(),
        **{f"icon-{side}.png": icon(side) for side in ICON_SIDES}}
    files[SERVICE_WORKER] = service_worker(files)
    files[LIST] = json.dumps(sorted([*files, LIST]), indent=0).encode()
    return files


def page_files() -> dict[str, bytes]:
    """Return the page with its texts and the engine in the browser."""
    files = read_page_files()
    files[INDEX] = fill_in(files[INDEX], "<title>", f"{HEAD}<title>")
    files[CHOICE] = b'export { createEngine } from "./phone/local_engine.js"'
    return files | {
        f"phone/{path.name}": path.read_bytes()
        for path in ENGINE.glob("*.js") if path.name != SERVICE_WORKER}


def model_files(bundle: Bundle) -> dict[str, bytes]:
    """Return the network, its description and the OOD detector's arrays."""
    description = bundle.description
    detector = OODDetector.from_bytes(bundle.ood_detector)
    arrays = {key: getattr(detector, key) for key in ARRAYS}
    if detector.outdoors is not None:
        arrays |= {GATE: detector.outdoors.gate,
                   SHIFT: np.float32([detector.outdoors.shift])}
    spans, start = {}, 0
    for key, array in arrays.items():
        spans[key] = [start, array.size]
        start += array.nbytes
    fields = {
        "version": __version__,
        # By which train.py --weights finds it again.
        "name": released_name(bundle.path) or bundle.path.name,
        "checksum": bundle.checksum,
        "plants": not_like_learned(description.class_names
                                   ).values["plants"],
        "class_names": description.class_names, "size": description.size,
        "temperature": description.temperature,
        "ood_temperature": description.ood_temperature,
        "ood_threshold": description.ood_threshold,
        # Of each array of ood.bin: first byte, and number of floats.
        "arrays": spans, "colours": map_colours(),
        "languages": language_menu()}
    return {"model/model.json": json.dumps(fields).encode(),
            "model/model.tflite": bundle.model,
            "model/ood.bin": b"".join(array.astype("<f4").tobytes()
                                      for array in arrays.values())}


def map_colours() -> list[list[int]]:
    """Return the colours of the class map, RGB 0..255, from low to high."""
    levels = np.arange(256, dtype=np.uint8)
    return cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)[:, 0, ::-1].tolist()


def manifest() -> bytes:
    """Return what the phone needs to install the page like an app."""
    return json.dumps({
        "name": "Leaffliction", "short_name": "Leaffliction",
        "start_url": ".", "scope": ".", "display": "standalone",
        "background_color": "#dff0d8", "theme_color": "#2f6d42",
        "icons": [{"src": f"icon-{side}.png", "type": "image/png",
                   "sizes": f"{side}x{side}", "purpose": "any maskable"}
                  for side in ICON_SIDES]}, indent=1).encode()


def service_worker(files: dict[str, bytes]) -> bytes:
    """Return the service worker, with the hash of each file that it keeps.

    files: {path: content}, all of the folder or those that it keeps.
    """
    hashes = {path: integrity(content) for path, content in files.items()
              if path not in NOT_KEPT}
    content = (ENGINE / SERVICE_WORKER).read_bytes()
    content = fill_in(content, "FILES = {}",
                      f"FILES = {json.dumps(hashes, indent=1)}")
    # A header may also forbid that other pages show this one in a frame.
    return fill_in(content, 'POLICY = ""',
                   f"POLICY = \"{POLICY}; frame-ancestors 'none'\"")


def fill_in(content: bytes, old: str, new: str) -> bytes:
    """Return a file with the first `old` replaced; ValueError without any."""
    before, found, after = content.partition(old.encode())
    if not found:
        raise ValueError(f"there is no {old!r} to replace")
    return before + new.encode() + after


def integrity(content: bytes) -> str:
    """Return the SHA-256 of a content, as browsers compare it."""
    digest = hashlib.sha256(content).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
