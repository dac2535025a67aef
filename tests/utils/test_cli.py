"""leaffliction/utils/cli.py: options, exit statuses and error lines."""

import argparse
import subprocess
import sys

import pytest
from paths import ROOT

from leaffliction.utils import cli
from leaffliction.utils.cores import usable_cores
from leaffliction.utils.errors import UserError


def raising(error):
    """Return a main that raises an error."""
    def main():
        raise error
    return main


@pytest.mark.parametrize("main, status, line", [
    (lambda: 0, 0, ""),
    (lambda: 1, 1, ""),
    (raising(UserError("leaf.jpg: truncated")),
     1, "error: leaf.jpg: truncated"),
    (raising(KeyboardInterrupt()), 130, "error: interrupted"),
    (raising(MemoryError()), 1, "error: out of memory"),
    (raising(FileNotFoundError(2, "No such file", "a.csv")), 1,
     "error: a.csv: No such file"),
    (raising(OSError("odd")), 1, "error: odd"),
    (raising(UserError("a\nb\x1b[31m\udcff\u202e")), 1,
     r"error: a\nb\x1b[31m\udcff\u202e"),
    (raising(ModuleNotFoundError(name="numpy.linalg")), 1,
     "error: the Python package numpy is not installed for "
     f"{sys.executable}; run `make demo` once and start the programs with "
     ".venv/bin/python, or install requirements.txt"),
])
def test_each_error_is_a_status_and_one_line(main, status, line, capsys):
    assert cli.run(main) == status
    assert capsys.readouterr().err == line + "\n" * bool(line)


def test_an_internal_error_is_one_line_that_names_its_origin(
        capsys, monkeypatch):
    monkeypatch.delenv("LEAF_DEBUG", raising=False)
    assert cli.run(raising(ValueError("first\nsecond"))) == 1
    line = capsys.readouterr().err
    assert line.startswith("error: internal error, please report it: Value")
    assert line.count("\n") == 1
    assert "(test_cli.py:" in line


def test_leaf_debug_raises_an_internal_error(monkeypatch):
    monkeypatch.setenv("LEAF_DEBUG", "1")
    with pytest.raises(ValueError, match="a bug"):
        cli.run(raising(ValueError("a bug")))


def test_an_error_that_a_library_raises_from_ctrl_c_is_an_interrupt(capsys):
    def main():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise ImportError("half loaded") from error

    assert cli.run(main) == cli.INTERRUPTED
    assert capsys.readouterr().err == "error: interrupted\n"


def run_code(code, redirection=""):
    """Run code in a shell with a redirection; return the finished process."""
    code = f"import sys; from leaffliction.utils import cli\n{code}"
    return subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" {redirection}', sys.executable, code],
        cwd=ROOT, capture_output=True, text=True, timeout=30)


def test_a_reader_that_ends_early_causes_no_error_line():
    done = run_code("def main():\n  for _ in range(99999): print('line')\n"
                    "  return 0\nsys.exit(cli.run(main))", "| head -n 1")
    assert (done.stdout, done.stderr) == ("line\n", "")


@pytest.mark.parametrize("main, status, lines", [
    ("print(1); return 0", 1, 1), ("print(1); raise MemoryError", 1, 1),
    ("print(1); sys.exit(2)", 2, 0)])
def test_a_full_disk_is_at_most_one_line(main, status, lines):
    done = run_code(f"def main(): {main}\nsys.exit(cli.run(main))",
                    ">/dev/full")
    assert (done.returncode, done.stderr.count("\n")) == (status, lines)


def test_closed_streams_are_no_error():
    done = run_code("def main(): print(1); cli.print_error(2); return 0\n"
                    "sys.exit(cli.run(main))", ">&- 2>&-")
    assert done.returncode == 0


def test_a_terminal_without_accents_shows_them_escaped():
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


def test_shared_options_have_defaults(parser):
    assert vars(parser.parse_args([])) == {
        "no_display": False, "jobs": usable_cores(), "cluster": None,
        "seed": 42}


def test_the_default_of_jobs_is_at_most_the_limit(monkeypatch):
    monkeypatch.setattr(cli, "usable_cores", lambda: 384)
    parser = cli.Parser("")
    parser.add_jobs()
    assert parser.parse_args([]).jobs == cli.MAX_JOBS == 256


def test_help_shows_no_default_that_is_none_or_false(parser):
    text = parser.format_help()
    assert "(default: 42)" in text and text.count("(default:") == 2


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


@pytest.mark.parametrize("text, is_valid", [
    ("tcp://host:8786", True), ("tls://10.0.0.1:1", True),
    ("tcp://[::1]:8786", True), ("host:8786", False), ("tcp://host", False),
    ("tcp://host:port", False), ("tcp://host:1/", False), ("", False)])
def test_a_cluster_address_has_protocol_host_and_port(text, is_valid):
    if is_valid:
        assert cli.cluster_address(text) == text
    else:
        with pytest.raises(argparse.ArgumentTypeError, match="tcp://host"):
            cli.cluster_address(text)


@pytest.mark.parametrize("convert, lowest, highest, beyond", [
    (cli.positive_int, "1", "10000", ["0", "-1", "1.0", "x"]),
    (cli.non_negative_int, "0", "10000", ["-1", ""]),
    (cli.image_size, "32", "1024", ["31", "1025", "x"]),
    (cli.fraction, "0.001", "0.999", ["0", "1", "nan", "x"]),
    (cli.ratio, "0", "10", ["-0.1", "10.1", "nan", "inf"])])
def test_numbers_are_accepted_within_their_bounds(
        convert, lowest, highest, beyond):
    for text in (lowest, highest):
        assert convert(text) == float(text)
    for text in beyond:
        with pytest.raises(argparse.ArgumentTypeError):
            convert(text)
