"""predict.py --web: the command that serves the page."""

import gc
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from paths import ROOT

import predict
from leaffliction.utils import cli
from leaffliction.utils.images import encode_jpeg
from samples.drawing import draw_leaf

HINT = "drop photographs of leaves there; Ctrl-C ends it"


@contextmanager
def started(folder, *options):
    """Yield a process that serves the page, and the line it has printed."""
    with subprocess.Popen(
            [sys.executable, ROOT / "predict.py", "--web", "--port", "0",
             *options], cwd=folder, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def test_it_prints_its_address_serves_and_ends_with_ctrl_c(tmp_path):
    # The browser would be that of $BROWSER; there is no screen.
    with started(tmp_path) as (process, line):
        address, port = line.removesuffix("/\n").rsplit(":", 1)
        assert address == "http://127.0.0.1"
        connection = http.client.HTTPConnection("127.0.0.1", int(port), 20)
        leaf = draw_leaf("Apple_scab", np.random.default_rng(1), 256)
        connection.request("POST", "/api/predict?name=leaf.jpg",
                           encode_jpeg(leaf, 95))
        answer = json.load(connection.getresponse())
        assert answer["model"] == "apple-grape"
        assert list(answer["views"]) == ["photograph", "leaf", "lesions",
                                         "class_map"]
        assert answer["lesions"]["leaves"] == 1
        # Idle, with half a request, and with a request that is answered.
        streams = [socket.create_connection(("127.0.0.1", int(port)))
                   for _ in range(2)]
        streams[1].sendall(b"POST /api/predict HTTP/1.1\r\n")
        connection.request("POST", "/api/predict", encode_jpeg(leaf, 95))
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=20)
        for stream in (connection, *streams):
            stream.close()
    assert (process.returncode, stdout) == (0, "")
    assert stderr == f"{HINT}\n"
    assert os.listdir(tmp_path) == []


# A prediction that takes as long as one of the largest images.
SLOW = """
import time, predict
from leaffliction import program
from leaffliction.web import handlers
handlers.predict_upload = lambda *_: (
    print("begun", flush=True), time.sleep(60))
program.start(lambda: predict.main(["--web", "--port", "0"]))
"""


def test_ctrl_c_does_not_wait_for_a_prediction(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(
        [str(ROOT), os.environ["PYTHONPATH"]])}
    with subprocess.Popen([sys.executable, "-c", SLOW], cwd=tmp_path,
                          env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        port = int(process.stdout.readline().rstrip("/\n").split(":")[-1])
        connection = http.client.HTTPConnection("127.0.0.1", port, 20)
        connection.request("POST", "/api/predict", b"photograph")
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        connection.close()
        assert process.stderr.read() == f"{HINT}\n"


def run(*arguments):
    """Return the exit status of predict.py --web, which does not serve."""
    return cli.run(lambda: predict.main(["--web", *arguments]))


# Tornado leaves a socket open that it could not bind.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_taken_port_is_one_error_that_names_a_free_one(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        assert run("--port", str(taken)) == 1
    start, _, free = capsys.readouterr().err.rpartition(" ")
    assert start == (f"error: port {taken} is taken, perhaps by another "
                     "predict.py --web; the next free one: --port")
    assert int(free) > taken
    gc.collect()


@pytest.mark.parametrize("arguments, message", [
    (["leaf.jpg"], "--web takes photographs in the page: neither images nor "
     "--top, --csv, --json, --report, --evaluate, --per-folder, --save or "
     "--cluster"),
    (["--top", "5"], "--web takes photographs in the page"),
    (["--csv", "x.csv"], "--web takes photographs in the page"),
    (["--json", "-"], "--web takes photographs in the page"),
    (["--report", "r.html"], "--web takes photographs in the page"),
    (["--per-folder"], "--web takes photographs in the page"),
    (["--evaluate"], "--web takes photographs in the page"),
    (["--save", "x.png"], "--web takes photographs in the page"),
    (["--cluster", "tcp://a:1"], "--web takes photographs in the page"),
    (["--port", "65536"], "argument --port: '65536' is more than 65535"),
    (["--port", "http"], "argument --port: 'http' is not a whole number")])
def test_arguments_that_do_not_go_together_are_wrong_usage(
        arguments, message, capsys):
    with pytest.raises(SystemExit) as end:
        run(*arguments)
    assert end.value.code == 2
    assert f"error: {message}" in capsys.readouterr().err


@pytest.mark.parametrize("arguments, message", [
    (["--port", "0", "leaf.jpg"], "--host and --port need --web"),
    (["--host", "0.0.0.0", "leaf.jpg"], "--host and --port need --web"),
    ([], "give an image or a folder, or --web"),
    (["--learnings", "a", "--learnings", "b", "leaf.jpg"],
     "several --learnings need --web")])
def test_options_of_the_page_need_it(arguments, message, capsys):
    with pytest.raises(SystemExit) as end:
        predict.main(arguments)
    assert end.value.code == 2
    assert f"error: {message}\n" in capsys.readouterr().err


@pytest.mark.parametrize("archive", ["missing.zip", "text.zip"])
def test_a_bad_archive_is_one_error_before_anything_is_served(
        archive, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.zip").write_text("text")
    assert run("--learnings", "apple-grape", "--learnings", archive) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: {archive}")
    assert captured.err.count("\n") == 1
