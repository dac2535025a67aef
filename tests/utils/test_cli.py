"""leaffliction/utils/cli.py: exit statuses, error lines and options."""

import argparse
import subprocess
import sys

import pytest
from paths import ROOT

from leaffliction.utils import cli
from leaffliction.utils.cores import usable_cores
from leaffliction.utils.errors import UserError


def stop_with(error):
    def main():
        raise error
    return main


@pytest.mark.parametrize("main, status, line", [
    (lambda: 0, 0, ""),
    (lambda: 1, 1, ""),
    (stop_with(UserError("leaf.jpg: truncated")),
     1, "error: leaf.jpg: truncated"),
    (stop_with(KeyboardInterrupt()), 130, "error: interrupted"),
    (stop_with(MemoryError()), 1, "error: out of memory"),
    (stop_with(FileNotFoundError(2, "No such file", "a.csv")), 1,
     "error: a.csv: No such file"),
    (stop_with(OSError("odd")), 1, "error: odd"),
    (stop_with(UserError("a\nb\x1b[31m\udcff\u202e")), 1,
     r"error: a\nb\x1b[31m\udcff\u202e"),
])
def test_run_gives_the_status_and_one_line(main, status, line, capsys):
    assert cli.run(main) == status
    assert capsys.readouterr().err == line + "\n" * bool(line)


def test_a_fault_of_ours_is_one_line_that_names_the_place(
        capsys, monkeypatch):
    monkeypatch.delenv("LEAF_DEBUG", raising=False)
    assert cli.run(stop_with(ValueError("first\nsecond"))) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: internal fault, please report it: Value")
    assert error.count("\n") == 1
    assert "(test_cli.py:" in error


def test_leaf_debug_shows_us_the_traceback(monkeypatch):
    monkeypatch.setenv("LEAF_DEBUG", "1")
    with pytest.raises(ValueError, match="ours"):
        cli.run(stop_with(ValueError("ours")))


def test_ctrl_c_that_a_library_made_another_error_is_still_ctrl_c(capsys):
    def load():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise ImportError("half loaded") from error

    assert cli.run(load) == cli.INTERRUPTED
    assert capsys.readouterr().err == "error: interrupted\n"


def run_code(code, redirect=""):
    """Run code in a shell with a redirection; return the finished process."""
    code = f"import sys; from leaffliction.utils import cli\n{code}"
    return subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" {redirect}', sys.executable, code],
        cwd=ROOT, capture_output=True, text=True, timeout=30)


def test_a_reader_that_leaves_early_causes_no_complaint():
    done = run_code("def main():\n  for _ in range(99999): print('line')\n"
                    "  return 0\nsys.exit(cli.run(main))", "| head -n 1")
    assert (done.stdout, done.stderr) == ("line\n", "")


@pytest.mark.parametrize("main, status, lines", [
    ("print(1); return 0", 1, 1), ("print(1); raise OSError", 1, 1),
    ("print(1); sys.exit(2)", 2, 0)])
def test_a_full_disk_is_one_line_at_most(main, status, lines):
    done = run_code(f"def main(): {main}\nsys.exit(cli.run(main))",
                    ">/dev/full")
    assert (done.returncode, done.stderr.count("\n")) == (status, lines)


def test_closed_streams_are_no_fault():
    done = run_code("def main(): print(1); cli.print_error(2); return 0\n"
                    "sys.exit(cli.run(main))", ">&- 2>&-")
    assert done.returncode == 0


def test_a_terminal_without_accents_gets_them_escaped():
    done = run_code("sys.stdout.reconfigure(encoding='ascii')\n"
                    "cli.run(lambda: print('caf\\xe9') or 0)")
    assert (done.stdout, done.stderr) == ("caf\\xe9\n", "")


@pytest.fixture
def parser():
    parser = cli.Parser("For the test.")
    parser.add_display()
    parser.add_jobs()
    parser.add_seed()
    return parser


def test_options_have_defaults(parser):
    assert vars(parser.parse_args([])) == {
        "no_display": False, "jobs": usable_cores(), "cluster": None,
        "seed": 42}


@pytest.mark.parametrize("arguments", [
    ["--jobs", "0"], ["--jobs", "two"], ["--jobs", "1.5"], ["--jobs", ""],
    ["--jobs", "257"],
    ["--seed", "-1"], ["--seed"], ["--no-disp"], ["extra\n"]])
def test_wrong_usage_is_status_2_and_one_error_line(
        parser, arguments, capsys):
    with pytest.raises(SystemExit) as end:
        parser.parse_args(arguments)
    assert end.value.code == 2
    *usage, error = capsys.readouterr().err.splitlines()
    assert usage[0].startswith("usage: ")
    assert error.startswith("error: ")


@pytest.mark.parametrize("text, is_one", [
    ("tcp://host:8786", True), ("tls://10.0.0.1:1", True),
    ("tcp://[::1]:8786", True), ("host:8786", False), ("tcp://host", False),
    ("tcp://host:port", False), ("tcp://host:1/", False), ("", False)])
def test_the_address_of_a_cluster_has_all_its_parts(text, is_one):
    if is_one:
        assert cli.cluster_address(text) == text
    else:
        with pytest.raises(argparse.ArgumentTypeError, match="tcp://host"):
            cli.cluster_address(text)
