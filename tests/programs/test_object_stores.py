"""The five programs on an object store: one in memory, and an S3 server."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from object_store import SETTINGS, contents, fill, put, run, s3_server
from paths import ROOT
from s3fs import S3FileSystem
from slow import slow
from tiny import SMALL

import Augmentation
import Distribution
import predict
import train
import Transformation
from leaffliction.distribution import inspection
from leaffliction.utils import parallel
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import (atomic_write, directory_lock,
                                      is_nonempty_file)
from leaffliction.utils.folders import RECORD, find_images
from leaffliction.utils.storage import list_files, path_of

# One process of pytest-xdist starts the server, once.
pytestmark = pytest.mark.xdist_group("s3")


@pytest.fixture(scope="module")
def server():
    """Return the address of an S3 server."""
    with s3_server() as address:
        yield address


@pytest.fixture
def bucket(server, request, monkeypatch):
    """Return the path of an empty bucket of the S3 server."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    name = f"bucket-{abs(hash(request.node.nodeid))}"
    path = path_of(f"s3://{name}")
    path.fs.mkdir(name)
    return path


@pytest.fixture
def settings(bucket, monkeypatch):
    """Return monkeypatch, to change the settings of new connections."""
    S3FileSystem.clear_instance_cache()
    yield monkeypatch
    S3FileSystem.clear_instance_cache()


# Errors of S3.

@pytest.mark.parametrize("address, reason", [
    ("http://127.0.0.1:9", "Could not connect to the endpoint"),
    ("nonsense", "Invalid endpoint")])
def test_unreachable_server_is_one_error_line(
        settings, address, reason, capsys):
    settings.setenv("AWS_ENDPOINT_URL", address)
    assert run(Distribution, "s3://b/images") == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: s3://b/images: {reason}")
    assert error.count("\n") == 1


def test_missing_credentials_are_one_error_line_of_each_program(
        settings, capsys, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        settings.delenv(name)
    leaves = fill(tmp_path / "images")
    for program, *arguments in (
            (Distribution, "s3://b/images"), (Augmentation, "s3://b/images"),
            (Transformation, "-src", "s3://b/images", "-dst", "s3://b/views"),
            (train, "s3://b/images", "--output", "s3://b/l.zip"),
            (predict, "s3://b/images"),
            (predict, leaves, "--learnings", "s3://b/l.zip"),
            (Distribution, leaves, "--quick", "--csv", "s3://b/a.csv")):
        assert run(program, *arguments) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: s3://b")
        assert "Unable to locate credentials" in error
        assert error.count("\n") == 1


def test_missing_bucket_is_named(bucket, capsys):
    assert run(Distribution, "s3://none/images") == 1
    assert capsys.readouterr().err == (
        "error: s3://none/images: no such folder\n")
    with pytest.raises(UserError, match="s3://none/a: cannot be written"):
        with directory_lock(path_of("s3://none/a")):
            pytest.fail("the block must not begin")


def test_broken_upload_leaves_no_object(bucket, monkeypatch):
    async def refuse(*_, **__):
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(S3FileSystem, "_upload_file_part_concurrent", refuse)
    with pytest.raises(UserError, match="big.zip: cannot be written .Connec"):
        with atomic_write(bucket / "big.zip") as partial:
            with open(partial, "wb") as content:
                content.truncate(120 * 2**20)   # uploaded in parts
    assert not (bucket / "big.zip").exists()


def test_changes_by_other_processes_are_seen(bucket):
    folder = fill(bucket / "a", [("Apple_rust", 2), ("Grape_Esca", 1)])
    assert len(find_images(folder)) == 3
    assert not is_nonempty_file(folder / "Apple_rust" / "new.JPG")
    code = ("import sys; from leaffliction.utils.storage import path_of\n"
            "folder = path_of(sys.argv[1])\n"
            "folder.fs.pipe_file((folder / 'new.JPG').path, b'new')\n"
            "(folder / 'image (1).JPG').unlink()\n")
    subprocess.run([sys.executable, "-c", code, str(folder / "Apple_rust")],
                   cwd=ROOT, check=True)
    assert is_nonempty_file(folder / "Apple_rust" / "new.JPG")
    assert not is_nonempty_file(folder / "Apple_rust" / "image (1).JPG")
    names = {file.name for file in find_images(folder)}
    assert "new.JPG" in names and len(names) == 3


def test_odd_object_names_stay_inside_their_folder(bucket):
    # Some tools store "folder/marker/" to show an empty folder.
    for key in ("folder//etc/a.jpg", "folder/../b.jpg", "folder/c/../d.jpg",
                "folder/marker/", "folder/e.jpg"):
        bucket.fs.pipe_file(bucket.path + key, b"")
    files = list(list_files(bucket / "folder"))
    assert not any(file.is_absolute() for file in files)
    assert Path("marker") not in files and Path("e.jpg") in files
    assert find_images(bucket / "folder") == [Path("e.jpg"),
                                              Path("etc/a.jpg")]


# The five programs on S3 write what they write on a disk.

def fill_both(store, disk):
    """Write the same images into a store and a folder; return both."""
    for folder in (disk, store):
        fill(folder / "images")
        put(folder / "images" / "Apple_rust" / "truncated.JPG", b"truncated")
    return disk, store


def outputs(folders, program, *arguments):
    """Run a program on each folder; return statuses and final contents.

    In the arguments {} stands for the folder.
    """
    return [(run(program, *(argument.format(folder)
                            for argument in arguments)), contents(folder))
            for folder in folders]


@pytest.fixture
def both(bucket, tmp_path, monkeypatch):
    """Return a folder on a disk and one on S3 with the same images."""
    monkeypatch.chdir(tmp_path)
    return fill_both(bucket, tmp_path)


def test_distribution_on_s3_in_two_processes(both, capfd, monkeypatch):
    options = ("{}/images", "--csv", "{}/a.csv", "--save", "{}/a.png",
               "--no-display")
    disk, = outputs(both[:1], Distribution, *options)
    for module in (parallel, inspection):
        monkeypatch.setattr(module, "MIN_ITEMS_PER_PROCESS", 3)
    s3, = outputs(both[1:], Distribution, *options, "--jobs", "2")
    assert disk == s3 and disk[0] == 1
    assert {"a.csv", "a_distribution_Apple.png"} <= set(disk[1])
    errors = capfd.readouterr().err
    assert errors.count("truncated.JPG: not a readable") == 2
    assert errors.count("\n") == 2


def test_augmentation_on_s3(both):
    disk, s3 = outputs(both, Augmentation, "{}/images", "--output-dir",
                       "{}/new", "--target", "5")
    assert disk == s3 and disk[0] == 1
    assert sum(name.startswith("new/Grape") for name in disk[1]) == 5


def test_transformation_on_s3(both):
    disk, s3 = outputs(both, Transformation, "-src", "{}/images", "-dst",
                       "{}/views", "-mask", "-lesions", "--csv", "{}/a.csv")
    assert disk == s3 and disk[0] == 1
    assert sum(name.startswith("views/") for name in disk[1]) == 12


@slow
@pytest.mark.usefixtures("quick_training")
def test_train_and_predict_on_s3(learned, bucket, capsys, tmp_path,
                                 monkeypatch):
    monkeypatch.chdir(tmp_path)
    bucket.fs.put(str(learned / "images"), f"{bucket.path}images",
                  recursive=True)
    put(bucket / "leaves.csv", (learned / "leaves.csv").read_bytes())
    assert str(run(
        train, bucket / "images", "--groups", bucket / "leaves.csv",
        "--output", bucket / "new" / "learnings.zip", *SMALL)
    ) == (learned / "status").read_text()
    made = contents(bucket / "new")
    for name in ("learnings.zip", "signature.txt", "report/split.csv"):
        assert made.pop(name) == (learned / name).read_bytes()
    assert sorted(made) == [f"report/{name}" for name in (
        "confusion.png", "curves.png", "errors.png", "report.json")]
    assert not list(tmp_path.iterdir())
    for folder, archive, table in ((learned, learned, "disk.csv"),
                                   (bucket, bucket / "new", "s3.csv")):
        assert run(predict, folder / "images", "--learnings",
                   archive / "learnings.zip", "--csv", bucket / table) == 0
    assert (bucket / "disk.csv").read_bytes() == (
        bucket / "s3.csv").read_bytes().replace(
            str(bucket).encode(), f"{learned}/".encode())
    verify = (predict, bucket / "images", "--learnings",
              bucket / "new" / "learnings.zip", "--verify", "--csv", "-")
    assert run(*verify) == 0
    put(bucket / "new" / "signature.txt", b"0" * 40 + b"  learnings.zip\n")
    capsys.readouterr()
    assert run(*verify) == 1
    assert "is not the archive that" in capsys.readouterr().err


# Behaviour that is the same in every store.

@pytest.fixture
def both_in_memory(store, tmp_path, monkeypatch):
    """Return a folder on a disk and one in memory with the same images."""
    monkeypatch.chdir(tmp_path)
    return fill_both(store, tmp_path)


def test_refused_object_is_named_and_skipped(store, monkeypatch, capsys):
    fill(store / "images")
    real = store.fs.get_file

    def refuse(path, *given):
        if path.endswith("Esca/image (1).JPG"):
            raise PermissionError("Access Denied")
        real(path, *given)

    monkeypatch.setattr(store.fs, "get_file", refuse)
    assert run(Distribution, store / "images", "--csv",
               store / "a.csv", "--no-display") == 1
    assert capsys.readouterr().err == (
        f"error: {store}/images/Grape_Esca/image (1).JPG: permission "
        "denied\n")
    assert b"Grape_Esca,1," in (store / "a.csv").read_bytes()


def test_no_object_hides_a_folder(store, capsys):
    fill(store / "images", [("Apple_rust", 1)])
    fill(store / "a.png", [("Apple_rust", 1)])
    for option, name in (("--csv", "images"), ("--save", "a.png")):
        assert run(Distribution, store / "images", "--quick", option,
                   store / name) == 1
        assert capsys.readouterr().err == (
            f"error: {store / name}: cannot be written (Is a directory)\n")
        assert (store / name).is_dir()


def test_augmentation_completes_its_own_tree_and_keeps_other_files(
        both_in_memory, capsys):
    options = "{}/images", "--output-dir", "{}/new", "--target", "5"
    disk, memory = outputs(both_in_memory, Augmentation, *options)
    assert disk == memory
    folder = both_in_memory[1]
    arguments = [text.format(folder) for text in options]
    # What a stopped run did not write, the next one does.
    (folder / "new" / "Grape_Esca" / "image (1)_Flip.JPG").unlink()
    capsys.readouterr()
    assert run(Augmentation, *arguments) == 1
    assert "; 1 written now" in capsys.readouterr().out
    assert contents(folder) == memory[1]
    put(folder / "new" / "mine.txt", b"mine")
    (folder / "new" / RECORD).unlink()
    assert run(Augmentation, *arguments) == 1
    assert "holds other files already, such as" in capsys.readouterr().err
    assert run(Augmentation, *arguments, "--force") == 1
    assert (folder / "new" / "mine.txt").read_bytes() == b"mine"
    assert set(contents(folder)) == set(memory[1]) | {"new/mine.txt"}


def test_augmentation_in_place_and_of_one_image(both_in_memory):
    disk, memory = outputs(both_in_memory, Augmentation, "{}/images",
                           "--in-place")
    assert disk == memory and len(disk[1]) == 4 + 4 + 1
    disk, memory = outputs(both_in_memory, Augmentation, "--no-display",
                           "{}/images/Apple_rust/image (1).JPG")
    shutil.rmtree("figures")    # Both figures are on the disk.
    assert contents(both_in_memory[0]) == memory[1] and memory[0] == 0
    assert len(memory[1]) == 9 + 6


def test_transformation_keeps_newer_views_and_draws_one_image(
        both_in_memory, capsys):
    options = "-src", "{}/images", "-dst", "{}/views", "-mask"
    outputs(both_in_memory, Transformation, *options)
    folder = both_in_memory[1]
    view = folder / "views" / "Grape_Esca" / "image (1)_Mask.JPG"
    put(view, b"newer than its image")
    assert run(Transformation, *(text.format(folder) for text in options)) == 1
    assert view.read_bytes() == b"newer than its image"
    assert run(Transformation, "-src", folder / "images", "-dst",
               folder / "images" / "views") == 1
    assert "lies in -src" in capsys.readouterr().err
    disk, memory = outputs(
        both_in_memory, Transformation, "{}/images/Grape_Esca/image (2).JPG",
        "--save", "{}/b.png", "--json", "{}/b.json", "--no-display")
    assert disk[1]["b.png"] == memory[1]["b.png"]
    assert disk[1]["b.json"] == memory[1]["b.json"].replace(
        str(folder).encode(), str(both_in_memory[0]).encode())
