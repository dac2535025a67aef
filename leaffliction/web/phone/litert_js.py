"""LiteRT.js, which runs the network in a browser: from the npm registry.

The package is downloaded once, verified and kept in this project's cache, as
the ImageNet weights are.  Of its four builds of LiteRT only one is used: the
one that every browser with SIMD runs (since 2021; Safari 16.4), without
threads, which take response headers that few static servers send.
"""

import gzip
import os
import shutil
import subprocess
import tarfile
from functools import partial
from importlib import metadata
from pathlib import Path

from leaffliction.model import registry
from leaffliction.utils.console import print_note
from leaffliction.utils.errors import UserError

VERSION = "2.5.3"
# Of the package @litertjs/core of that version.
SHA256 = \
    "a97660833e9e7e1063c95e12016718881240b14f7438728a2f62785e912d30fd"
ARCHIVE = f"litertjs-core-{VERSION}.tgz"
REGISTRY = "https://registry.npmjs.org"
MODULE = "package/dist/index.js"
LOADER = "package/wasm/litert_wasm_compat_internal.js"
LIBRARY = "package/wasm/litert_wasm_compat_internal.wasm"
# The one package that it imports, and our module in its place.
IMPORT = b'from "@litertjs/wasm-utils"'
REPLACEMENT = b'from "../phone/wasm_library.js"'

# The licence asks for a note of the changes.
NOTICE = """\
LiteRT.js (https://github.com/google-ai-edge/LiteRT), the npm package
@litertjs/core, copyright its authors.  In this folder:

    litert.js            its module; one import names another module
    litert_wasm.js       its loader of WebAssembly; one export was added
    litert.wasm.packed   its WebAssembly, compressed with gzip

Under this licence:

"""


def litert_files(scratch: Path) -> dict[str, bytes]:
    """Return LiteRT.js as files of the folder: {path: content}.

    scratch: folder for a download that cannot be kept in the cache.
    Raises UserError where no source has the package.
    """
    with tarfile.open(find_package(scratch)) as package:
        module, loader, library = (
            package.extractfile(name).read()
            for name in (MODULE, LOADER, LIBRARY))
    return {
        "litert/litert.js": module.replace(IMPORT, REPLACEMENT),
        # The loader is a script; as a module it gives away what it defines.
        "litert/litert_wasm.js": loader + b"\nexport { ModuleFactory };\n",
        # No ending that a server knows: it might unpack what it sends.
        "litert/litert.wasm.packed": gzip.compress(library, mtime=0)}


def litert_license() -> bytes:
    """Return what was changed in LiteRT.js, and its licence, that of LiteRT.

    The npm package holds none; the Python package ai-edge-litert does.
    Raises UserError where that is installed without it.
    """
    for file in metadata.files("ai-edge-litert") or ():
        if file.name == "LICENSE":
            return NOTICE.encode() + file.read_binary()
    raise UserError("ai-edge-litert is installed without its file LICENSE, "
                    "which has to go along with LiteRT.js")


def find_package(scratch: Path) -> Path:
    """Return the verified package, from the cache or the npm registry.

    Raises UserError where neither has it.
    """
    try:
        return registry.first_available({
            "our cache": partial(registry.find_cached, ARCHIVE, SHA256),
            "the npm registry": partial(download_package, scratch)})[0]
    except UserError as error:
        raise UserError(f"LiteRT.js {VERSION} is not available: {error}"
                        ) from None


def download_package(scratch: Path) -> Path:
    """Download the package into the cache; return the file there.

    Raises UserError where the content is another one, and OSError or
    HTTPException where the registry does not send it.
    """
    print_note(f"asking the npm registry for LiteRT.js {VERSION}")
    content = registry.download(
        f"{npm_registry()}/@litertjs/core/-/core-{VERSION}.tgz")
    registry.check_sha256(content, SHA256, "LiteRT.js")
    return registry.add_to_cache(
        content, lambda: registry.cache_folder() / ARCHIVE,
        scratch / ARCHIVE)


def npm_registry() -> str:
    """Return the address of the npm registry that this user has chosen.

    npm's variable says it, or npm itself, if it is installed.
    """
    address = (os.environ.get("NPM_CONFIG_REGISTRY")
               or os.environ.get("npm_config_registry"))
    if not address and shutil.which("npm"):
        done = subprocess.run(["npm", "config", "get", "registry"],
                              capture_output=True, text=True, check=False)
        address = done.stdout.strip()
    is_address = address and address.startswith(("https://", "http://"))
    return address.rstrip("/") if is_address else REGISTRY
