"""Object stores for tests: one in memory, and an S3 server of this machine."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np

from leaffliction.utils import cli
from leaffliction.utils.files import atomic_write
from leaffliction.utils.images import write_image
from leaffliction.utils.storage import list_files, path_of
from samples.drawing import draw_leaf

# What a user sets, and what keeps this machine's own settings out.
SETTINGS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1", "NO_PROXY": "127.0.0.1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true"}


def memory_store():
    """Return an empty folder of fsspec's store in memory."""
    from fsspec.implementations.memory import MemoryFileSystem
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    return path_of("memory://folder")


@contextmanager
def s3_server():
    """Yield the address of moto's S3 server, which ends with the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p",
         str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None, "the server has stopped"
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def fill(folder, counts=(("Apple_rust", 4), ("Grape_Esca", 2))):
    """Write leaves of each class into a folder, and return the folder."""
    for name, count in counts:
        for number in range(1, count + 1):
            write_image(folder / name / f"image ({number}).JPG", draw_leaf(
                name, np.random.default_rng([number, len(name)]), 32))
    return folder


def put(path, content):
    """Write bytes to a path on a disk or in a store."""
    with atomic_write(path) as partial:
        partial.write_bytes(content)


def contents(folder):
    """Return {name: content} of all files below a folder."""
    return {file.as_posix(): (folder / file).read_bytes()
            for file in list_files(folder)}


def run(program, *arguments):
    """Run a program in this process, and return its exit status."""
    return cli.run(lambda: program.main([*map(str, arguments)]))
