"""Speed and memory of the page that predict.py --web serves.

    python -m benchmarks.web images
    python -m benchmarks.web images --learnings learnings.zip

images: a folder of photographs of leaves.  Without --learnings, the released
model apple-grape predicts.  The command runs as a process of its own, with 2
threads; this process sends it photographs over HTTP, from clients with a
connection each, as browsers do.  Prints, in one run:

- seconds from the command to the page; to the answer for one photograph of
  256 pixels, and one of 12 megapixels: medians of ROUNDS;
- photographs per second, and the 95th percentile of the seconds to an answer,
  with 1, 4 and 16 clients; beside it, images per second of predict.py itself,
  from the same folder to a CSV file;
- the server's memory, before and after MANY photographs.

An answer from the page holds four views and the lesions as well, which
predict.py --csv does not make.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import cv2
import numpy as np
import psutil

from benchmarks.prediction import seconds_of
from leaffliction.model.released import DEFAULT
from leaffliction.utils import cli
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import encode_jpeg, read_image

ROUNDS = 11
START_ROUNDS = 5
JOBS = 2
CLIENTS = (1, 4, 16)
REQUESTS = 200          # for each number of clients
MANY = 2000             # photographs, for the memory
MEASURED_IMAGES = 400   # of the folder, in turn
SMALL = 256             # pixels
LARGE = (4000, 3000)    # pixels: width, height
NOISE = 3.0             # grey levels, of a phone's sensor


@dataclass(frozen=True)
class Server:
    """A running predict.py --web.  start: seconds until the page came."""

    port: int
    process: psutil.Process
    start: float

    def connect(self) -> HTTPConnection:
        """Return a connection for any number of requests."""
        return HTTPConnection("127.0.0.1", self.port, timeout=60)

    @property
    def megabytes(self) -> float:
        """Its resident memory."""
        return self.process.memory_info().rss / 1e6


@contextmanager
def serving(options: list[str], folder: str) -> Iterator[Server]:
    """Yield a new server; options: further ones of predict.py."""
    program = Path("predict.py").absolute()
    start = time.perf_counter()
    with subprocess.Popen(
            [sys.executable, program, "--web", "--no-display", "--port", "0",
             "--jobs", str(JOBS), *options], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, cwd=folder) as process:
        try:
            address = process.stdout.readline()
            port = int(address.rstrip("/\n").rpartition(":")[2])
            connection = HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/")
            connection.getresponse().read()
            connection.close()
            yield Server(port, psutil.Process(process.pid),
                         time.perf_counter() - start)
        finally:
            process.terminate()


def ask(connection: HTTPConnection, photograph: bytes) -> float:
    """Return the seconds to the answer for a photograph."""
    start = time.perf_counter()
    connection.request("POST", "/api/predict", photograph)
    response = connection.getresponse()
    answer = json.loads(response.read())
    if response.status != 200:
        raise RuntimeError(answer["error"])
    return time.perf_counter() - start


def ask_many(server: Server, photographs: list[bytes], count: int,
             clients: int) -> tuple[float, list[float]]:
    """Return photographs per second, and the seconds to each answer.

    count: of photographs sent, those of the list in turn.
    """
    remaining = itertools.islice(itertools.cycle(photographs), count)

    def work(_: int) -> list[float]:
        connection = server.connect()
        # next() of an islice is one call in C: the threads share it.
        taken = [ask(connection, photograph) for photograph in remaining]
        connection.close()
        return taken

    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        taken = sum(pool.map(work, range(clients)), [])
    return count / (time.perf_counter() - start), taken


def resized(path: Path, width: int, height: int) -> bytes:
    """Return a photograph as a JPEG of this size, with a sensor's noise."""
    rgb_img = cv2.resize(read_image(path), (width, height),
                         interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(42).normal(0, NOISE, rgb_img.shape)
    return encode_jpeg(np.uint8(np.clip(rgb_img + noise, 0, 255)), 90)


def print_single(server: Server, paths: list[Path]) -> None:
    """Measure single photographs of two sizes, one at a time."""
    connection = server.connect()
    for title, width, height in (("256 pixels", SMALL, SMALL),
                                 ("12 megapixels", *LARGE)):
        photographs = [resized(path, width, height)
                       for path in paths[:ROUNDS]]
        ask(connection, photographs[0])
        taken = [ask(connection, photograph) for photograph in photographs]
        megabytes = statistics.mean(map(len, photographs)) / 1e6
        print(f"one photograph of {title:<14}"
              f"{statistics.median(taken):6.3f} s, slowest {max(taken):.3f} s"
              f"   ({megabytes:.1f} MB)", flush=True)
    connection.close()


def print_rates(server: Server, photographs: list[bytes], bulk: float) -> None:
    """Measure several clients at once; bulk: predict.py's own figure."""
    for clients in CLIENTS:
        rate, taken = ask_many(server, photographs, REQUESTS, clients)
        slow = np.percentile(taken, 95)
        print(f"{clients:2} clients: {rate:6.1f} photographs/s, 95th "
              f"percentile {slow:.3f} s", flush=True)
    print(f"predict.py --csv, without views: {bulk:.1f} images/s", flush=True)


def print_memory(server: Server, photographs: list[bytes]) -> None:
    """Measure the memory over many photographs, in four parts."""
    sizes = [server.megabytes]
    for _ in range(4):
        ask_many(server, photographs, MANY // 4, 4)
        sizes.append(server.megabytes)
    print(f"memory, before and after each {MANY // 4} photographs: "
          + ", ".join(f"{size:.0f}" for size in sizes) + " MB", flush=True)


def measure_bulk(images: Path, options: list[str], folder: str) -> float:
    """Return images per second of predict.py, a folder to a CSV file."""
    count = len(find_images(images))
    return count / seconds_of(
        "predict.py", str(images), "--csv", f"{folder}/all.csv", "--jobs",
        str(JOBS), *options)


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("images", type=Path, help="folder of photographs")
    parser.add_argument("--learnings", type=Path, metavar="ZIP",
                        help="archive of train.py")
    options = parser.parse_args(argv)
    # The server runs in another folder.
    archive = ["--learnings", str(options.learnings.absolute())
               if options.learnings else DEFAULT]
    paths = [options.images / file for file in find_images(options.images)]
    # Spread over the classes.
    paths = paths[::max(1, len(paths) // MEASURED_IMAGES)][:MEASURED_IMAGES]
    photographs = [path.read_bytes() for path in paths]
    with tempfile.TemporaryDirectory() as folder:
        starts = []
        for _ in range(START_ROUNDS):
            with serving(archive, folder) as server:
                starts.append(server.start)
        print("from the command to the page    "
              f"{statistics.median(starts):6.3f} s, slowest "
              f"{max(starts):.3f} s", flush=True)
        bulk = measure_bulk(options.images, archive, folder)
        with serving(archive, folder) as server:
            print_single(server, paths)
            print_rates(server, photographs, bulk)
            print_memory(server, photographs)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
