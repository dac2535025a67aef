"""leaffliction/utils/stores.py: a store's errors, and the five programs on S3."""

import shutil

import pytest
from object_store import contents, fill, put, run
from tiny import SMALL

import Augmentation
import Distribution
import predict
import train
import Transformation
from leaffliction.utils.output_tree import RECORD

# Errors of a store.


@pytest.mark.parametrize("address, reason", [
    ("http://127.0.0.1:9", "Could not connect to the endpoint"),
    ("nonsense", "Invalid endpoint")])
def test_a_server_that_is_not_there_is_one_error(
        settings, address, reason, capsys):
    settings.setenv("AWS_ENDPOINT_URL", address)
    assert run(Distribution, "s3://b/images") == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: s3://b/images: {reason}")
    assert error.count("\n") == 1


def test_without_credentials_each_program_says_one_error(
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
            (Distribution, leaves, "--quick", "--csv",
             "s3://b/a.csv")):
        assert run(program, *arguments) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: s3://b")
        assert "Unable to locate credentials" in error
        assert error.count("\n") == 1


def test_a_bucket_that_is_not_there_is_named(bucket, capsys):
    assert run(Distribution, "s3://none/images") == 1
    assert capsys.readouterr().err == (
        "error: s3://none/images: no such folder\n")


def test_an_object_that_is_refused_is_skipped(bucket, monkeypatch, capsys):
    fill(bucket / "images")
    real = bucket.fs.get_file

    def refuse(path, *given):
        if path.endswith("Esca/image (1).JPG"):
            raise PermissionError("Access Denied")
        real(path, *given)

    monkeypatch.setattr(bucket.fs, "get_file", refuse)
    assert run(Distribution, bucket / "images", "--csv",
               bucket / "a.csv", "--no-display") == 1
    assert capsys.readouterr().err == (
        f"error: {bucket}images/Grape_Esca/image (1).JPG: permission "
        "denied\n")
    assert b"Grape_Esca,1," in (bucket / "a.csv").read_bytes()


def test_no_object_hides_a_folder(bucket, capsys):
    fill(bucket / "images", [("Apple_rust", 1)])
    fill(bucket / "a.png", [("Apple_rust", 1)])
    for option, name in (("--csv", "images"), ("--save", "a.png")):
        assert run(Distribution, bucket / "images", "--quick", option,
                   bucket / name) == 1
        assert capsys.readouterr().err == (
            f"error: {bucket / name}: cannot be written (Is a directory)\n")
        assert (bucket / name).is_dir()


# The five programs: the same on S3 as on a disk.

@pytest.fixture
def both(bucket, tmp_path, monkeypatch):
    """Return a folder on a disk and one on S3 with the same images."""
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, bucket):
        fill(folder / "images")
        put(folder / "images" / "Apple_rust" / "truncated.JPG", b"truncated")
    return tmp_path, bucket


def outputs(both, program, *arguments):
    """Return what both folders hold in the end, and what was printed.

    In the arguments, {} is the folder.
    """
    results = []
    for folder in both:
        status = run(program, *(argument.format(folder)
                                for argument in arguments))
        results.append((status, contents(folder)))
    return results


def test_distribution(both, capsys):
    one, other = outputs(both, Distribution, "{}/images", "--csv",
                         "{}/a.csv", "--save", "{}/a.png", "--no-display")
    assert one == other and one[0] == 1
    assert {"a.csv", "a_distribution_Apple.png"} <= set(one[1])


def test_augmentation(both, capsys):
    options = "{}/images", "--output-dir", "{}/new", "--target", "5"
    one, other = outputs(both, Augmentation, *options)
    assert one == other and one[0] == 1
    assert sum(name.startswith("new/Grape") for name in one[1]) == 5
    bucket = both[1]
    # What a run that was stopped has not made, the next one does.
    gone = bucket / "new" / "Grape_Esca" / "image (1)_Flip.JPG"
    gone.unlink()
    capsys.readouterr()
    assert run(Augmentation, *(text.format(bucket) for text in options)) == 1
    assert "; 1 written now" in capsys.readouterr().out
    assert contents(bucket) == other[1]
    put(bucket / "new" / "mine.txt", b"mine")
    (bucket / "new" / RECORD).unlink()
    assert run(Augmentation, *(text.format(bucket) for text in options)) == 1
    assert "holds other files already, such as" in capsys.readouterr().err
    assert run(Augmentation, *(text.format(bucket) for text in options),
               "--force") == 1
    assert (bucket / "new" / "mine.txt").read_bytes() == b"mine"
    assert set(contents(bucket)) == set(other[1]) | {"new/mine.txt"}


def test_augmentation_in_place_and_of_one_image(both, capsys):
    one, other = outputs(both, Augmentation, "{}/images", "--in-place")
    assert one == other and len(one[1]) == 4 + 4 + 1
    one, other = outputs(both, Augmentation, "--no-display",
                         "{}/images/Apple_rust/image (1).JPG")
    shutil.rmtree("figures")    # Both figures are on the disk.
    assert contents(both[0]) == other[1] and other[0] == 0
    assert len(other[1]) == 9 + 6


def test_transformation(both, capsys):
    options = ("-src", "{}/images", "-dst", "{}/views", "-mask", "-lesions",
               "--csv", "{}/a.csv")
    one, other = outputs(both, Transformation, *options)
    assert one == other and one[0] == 1
    assert sum(name.startswith("views/") for name in one[1]) == 12
    # What is newer than its image is kept.
    bucket = both[1]
    put(bucket / "views" / "Grape_Esca" / "image (1)_Mask.JPG", b"kept")
    assert run(Transformation, *(text.format(bucket) for text in
                                 options[:-2])) == 1
    assert (bucket / "views" / "Grape_Esca" / "image (1)_Mask.JPG"
            ).read_bytes() == b"kept"
    assert run(Transformation, "-src", bucket / "images", "-dst",
               bucket / "images" / "views") == 1
    assert "lies in -src" in capsys.readouterr().err
    image = "{}/images/Grape_Esca/image (2).JPG"
    one, other = outputs(both, Transformation, image, "--save", "{}/b.png",
                         "--json", "{}/b.json", "--no-display")
    assert one[1]["b.png"] == other[1]["b.png"]
    assert one[1]["b.json"] == other[1]["b.json"].replace(
        str(bucket).encode(), f"{both[0]}/".encode())


def test_many_images_in_two_processes(bucket, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    counts = ("Apple_rust", 84), ("Grape_Esca", 44)
    fill(tmp_path / "images", counts)
    bucket.fs.put(str(tmp_path / "images"), f"{bucket.path}images",
                  recursive=True)
    for folder in (tmp_path, bucket):
        assert run(Distribution, folder / "images", "--jobs", "2",
                   "--csv", folder / "a.csv", "--no-display") == 0
    assert (bucket / "a.csv").read_bytes() == (
        tmp_path / "a.csv").read_bytes()
    assert capfd.readouterr().err == ""


def test_learning_and_predicting(learned, bucket, capsys, tmp_path,
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
    for folder, archive in ((learned, learned), (bucket, bucket / "new")):
        assert run(predict, folder / "images", "--learnings",
                   archive / "learnings.zip", "--csv", bucket /
                   f"{folder is learned}.csv") == 0
    assert (bucket / "True.csv").read_bytes() == (
        bucket / "False.csv").read_bytes().replace(
            str(bucket).encode(), f"{learned}/".encode())
    put(bucket / "new" / "signature.txt", b"0" * 40 + b"  learnings.zip\n")
    capsys.readouterr()
    assert run(predict, bucket / "images", "--learnings",
               bucket / "new" / "learnings.zip") == 1
    assert "is not the archive that" in capsys.readouterr().err
