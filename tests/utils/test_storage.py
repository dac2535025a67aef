"""leaffliction/utils/storage.py, leaffliction/utils/stores.py: paths in a store, read and written."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from object_store import contents, fill, put, run
from paths import ROOT
from s3fs import S3FileSystem

import Distribution
from leaffliction.augmentation.balance import link_or_copy
from leaffliction.distribution.inspection import inspect_image
from leaffliction.training.data import read_domains
from leaffliction.training.groups import read_groups
from leaffliction.utils import storage
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import (atomic_write, directory_lock,
                                      is_nonempty_file)
from leaffliction.utils.folders import empty_folders, find_images
from leaffliction.utils.images import read_image, write_image
from leaffliction.utils.output_tree import (check_output_folder, files_below,
                                            remove_files)
from leaffliction.utils.storage import path_of

IMAGE = np.random.default_rng(1).integers(0, 255, (8, 8, 3), np.uint8)


# Paths.

def test_a_path_without_a_scheme_is_on_a_disk():
    assert type(path_of("a/b.jpg")) is type(Path("a"))
    for scheme in ("file", "local", "FILE"):
        assert path_of(f"{scheme}:///a/b (1).jpg") == Path("/a/b (1).jpg")
    assert path_of("a:b") == Path("a:b")
    assert path_of(Path("a")) == Path("a")


@pytest.mark.parametrize("text", [
    "http://x.org/a.jpg", "HTTPS://x.org/images", "ftp://x.org/a",
    "ftps://x.org/a", "http:/x.org/a", "www.x.org/a.jpg", "\"https://x/a\"",
    " http://x/a"])
def test_a_web_address_is_to_be_downloaded_first(text):
    with pytest.raises(UserError, match="a web address; .*: download it firs"):
        path_of(text)


def test_a_folder_may_be_called_like_a_web_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("www.x.org").mkdir()
    assert path_of("www.x.org") == Path("www.x.org")


@pytest.mark.parametrize("url, path", [
    ("file:///a/b%20(1)%2B.jpg", "/a/b (1)+.jpg"), ("file:/a/b", "/a/b"),
    ("file://localhost/a%C3%A9", "/a\u00e9"), ("file:///a/50%.jpg",
                                               "/a/50%.jpg"),
    ("file:///%FF.jpg", "/\udcff.jpg"), ("file://a/b", "a/b")])
def test_a_file_url_is_a_path(url, path):
    assert path_of(url) == Path(path)


def test_a_file_url_may_have_been_written_without_escapes(tmp_path):
    (tmp_path / "a%20b").touch()
    assert path_of(f"file://{tmp_path}/a%20b") == tmp_path / "a%20b"


@pytest.mark.parametrize("text", ["", "file://", "file:///a%00b", "a\0b"])
def test_what_is_no_path_is_an_error(text):
    with pytest.raises(UserError, match="is no path|a path is empty"):
        path_of(text)


def test_home_is_found_where_the_shell_has_left_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert path_of("~/a") == tmp_path / "home" / "a"
    assert path_of("~") == tmp_path / "home"
    assert path_of("~root/a").is_absolute()
    # Names, and users that there are not.
    for text in ("~a", "a~/b", "~nobody-here/a"):
        assert path_of(text) == Path(text)
    Path("~").mkdir()
    assert path_of("~/a") == Path("~/a")


def test_what_needs_no_store_loads_none():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "predict.py", "-h"], cwd=ROOT,
        capture_output=True, text=True)
    assert done.returncode == 0
    assert "leaffliction.utils.storage" in done.stderr
    assert not any(name in done.stderr for name in (
        "upath", "fsspec", "leaffliction.utils.stores", "s3fs"))


@pytest.mark.parametrize("text, error", [
    ("gs://b/a", r"gs://b/a: needs the package gcsfs \(pip install gcsfs\)"),
    ("nowhere://b/a", "no store of the kind nowhere:// is known")])
def test_an_unknown_store_or_a_missing_package_is_named(
        text, error, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(UserError, match=error):
        path_of(text)
    assert run(Distribution, text) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and printed.count("\n") == 1


def test_paths_have_the_interface_of_pathlib(store):
    path = store / Path("Apple_rust/image (1)#?%.JPG")
    assert str(path).endswith("folder/Apple_rust/image (1)#?%.JPG"
                              ) or "/store/Apple_rust/" in str(path)
    assert (path.name, path.stem, path.suffix) == (
        "image (1)#?%.JPG", "image (1)#?%", ".JPG")
    assert path.parent.parent == store
    assert path.with_name("b") == store / "Apple_rust" / "b"
    assert path.relative_to(store) == Path("Apple_rust/image (1)#?%.JPG")
    assert storage.is_inside(path.resolve(), store.resolve())
    assert not storage.is_inside(store.resolve(), path.resolve())
    assert not storage.is_inside(Path("/a"), store)
    assert not storage.is_inside(path, Path("/"))
    put(path, b"any")
    assert path.read_bytes() == b"any"
    assert find_images(store) == [path.relative_to(store)]


def test_a_path_travels_to_another_process(bucket):
    put(bucket / "a" / "b.txt", b"there")
    code = ("import pickle, sys\n"
            "path = pickle.load(sys.stdin.buffer)\n"
            "sys.stdout.buffer.write(path.read_bytes())\n"
            "from leaffliction.utils.files import atomic_write\n"
            "with atomic_write(path.with_name('new')) as partial:\n"
            "    partial.write_bytes(b'from there')\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT,
                          input=pickle.dumps(bucket / "a" / "b.txt"),
                          capture_output=True)
    assert (done.stdout, done.stderr) == (b"there", b"")
    assert (bucket / "a" / "new").read_bytes() == b"from there"


# Reading.

def test_images_are_found_and_read_as_on_a_disk(store, tmp_path):
    fill(tmp_path / "disk")
    fill(store)
    for folder in (tmp_path / "disk", store):
        for name in (".hidden/a.jpg", "Apple_rust/.a.jpg", "notes/a.txt",
                     "notes/more/b.txt", "Apple_rust/c.txt"):
            put(folder / name, b"")
    files = find_images(store)
    assert files == find_images(tmp_path / "disk") and len(files) == 6
    assert empty_folders(store, files) == empty_folders(
        tmp_path / "disk", files) == [Path("notes")]
    for file in files:
        assert (read_image(store / file)
                == read_image(tmp_path / "disk" / file)).all()
    one, other = (inspect_image(folder / files[0])
                  for folder in (store, tmp_path / "disk"))
    assert one.digest == other.digest
    assert read_dataset(store).class_names == ("Apple_rust", "Grape_Esca")


def test_an_object_is_asked_for_once(bucket, monkeypatch):
    write_image(bucket / "a.png", IMAGE)
    asked = []
    real = bucket.fs.get_file
    monkeypatch.setattr(bucket.fs, "get_file", lambda *given: (
        asked.append(given), real(*given)))
    inspect_image(bucket / "a.png")
    assert len(asked) == 1


@pytest.mark.parametrize("name, reason", [
    ("missing", "no such folder"), ("Apple_rust/image (1).JPG",
                                    "not a folder")])
def test_find_images_takes_only_a_folder(store, name, reason):
    fill(store)
    with pytest.raises(UserError, match=reason):
        find_images(store / name)


@pytest.mark.parametrize("name, content, reason", [
    ("none.jpg", None, "no such file"),
    ("truncated.jpg", b"\xff\xd8\xff\xe0 and no more", "not a readable image"),
    ("empty.jpg", b"", "empty")])
def test_an_unreadable_object_is_named(store, name, content, reason):
    if content is not None:
        put(store / name, content)
    for read in (read_image, inspect_image):
        with pytest.raises(UserError, match=f"{name}: .*{reason}"):
            read(store / name)


def test_no_name_leads_out_of_a_folder(bucket):
    for key in ("folder//etc/a.jpg", "folder/../b.jpg", "folder/c/../d.jpg",
                "folder/marker/", "folder/e.jpg"):
        bucket.fs.pipe_file(bucket.path + key, b"")
    found = list(files_below(bucket / "folder"))
    assert not any(file.is_absolute() for file in found)
    # Some tools put an object where people see a folder.
    assert Path("marker") not in found and Path("e.jpg") in found
    assert find_images(bucket / "folder") == [Path("e.jpg"),
                                              Path("etc/a.jpg")]


def test_what_others_write_meanwhile_is_seen(bucket):
    folder = fill(bucket / "a")
    assert len(find_images(folder)) == 6
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
    assert "new.JPG" in names and len(names) == 5


def test_groups_are_read(store):
    dataset = read_dataset(fill(store / "images"))
    put(store / "leaves.csv", b"file,leaf\nApple_rust/image (1).JPG,one\n")
    assert read_groups(store / "leaves.csv", [dataset])[0][:2] == [
        "one", None]
    with pytest.raises(UserError, match="none.csv: not readable as a CSV"):
        read_groups(store / "none.csv", [dataset])


def test_several_folders_of_a_store_are_one_dataset(bucket, tmp_path):
    fill(bucket / "images" / "laboratory")
    fill(bucket / "images" / "orchard")
    folders = [bucket / "images" / "laboratory", bucket / "images/orchard"]
    dataset, domains = read_domains(folders)
    assert dataset.root == bucket / "images"
    assert np.bincount(domains).tolist() == [6, 6]
    assert all(map(is_nonempty_file, dataset.paths()))
    with pytest.raises(UserError, match="lies in another"):
        read_domains([bucket / "images", folders[0]])
    fill(tmp_path / "orchard")
    with pytest.raises(UserError, match="in another store, than s3://"):
        read_domains([folders[0], tmp_path / "orchard"])


# Writing.

@pytest.mark.parametrize("error, seen", [
    (OSError(28, "No space"), UserError), (KeyboardInterrupt,
                                           KeyboardInterrupt)])
def test_a_failed_write_leaves_no_object(store, error, seen):
    with pytest.raises(seen), atomic_write(store / "a.csv") as partial:
        assert partial.suffix == ".csv"
        partial.write_bytes(b"half")
        raise error
    assert not (store / "a.csv").exists()
    assert list(files_below(store)) == []


def test_an_object_appears_at_the_end_only(store):
    with atomic_write(store / "new" / "a.csv") as partial:
        partial.write_bytes(b"whole")
        assert not (store / "new" / "a.csv").exists()
    assert contents(store) == {"new/a.csv": b"whole"}


def test_an_upload_that_breaks_off_leaves_no_object(bucket, monkeypatch):
    async def refuse(*_, **__):
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(S3FileSystem, "_upload_file_part_concurrent", refuse)
    with pytest.raises(UserError, match="big.zip: cannot be written .Connec"):
        with atomic_write(bucket / "big.zip") as partial:
            with open(partial, "wb") as content:
                content.truncate(120 * 2**20)   # in parts
    assert not (bucket / "big.zip").exists()


def test_a_folder_of_a_store_knows_no_locks(store):
    with directory_lock(store) as is_alone, directory_lock(store):
        assert not is_alone
    assert list(files_below(store)) == []


def test_where_nothing_can_be_written_it_is_said_at_once(bucket):
    with pytest.raises(UserError, match="s3://none/a: cannot be written"):
        with directory_lock(path_of("s3://none/a")):
            pytest.fail("begun")


def test_objects_are_copied_from_and_to_anywhere(store, tmp_path):
    put(store / "a", b"content")
    link_or_copy(store / "a", store / "b" / "c")
    link_or_copy(store / "b" / "c", tmp_path / "d")
    link_or_copy(tmp_path / "d", store / "e")
    assert contents(store) == dict.fromkeys(("a", "b/c", "e"), b"content")
    with pytest.raises(UserError, match="none: cannot be read any more"):
        link_or_copy(store / "none", store / "e2")


def test_what_is_deleted_is_that_alone(store):
    put(store / "a", b"a")
    put(store / "b", b"b")
    remove_files(store, [Path("a"), Path("none")])
    store.rmdir()
    assert contents(store) == {"b": b"b"}


def test_a_tree_stands_in_a_place_of_its_own(store, tmp_path):
    check_output_folder(store / "b", store / "a")
    check_output_folder(tmp_path / "b", store / "a")
    with pytest.raises(UserError, match="lies inside"):
        check_output_folder(store / "a" / "b", store / "a")
    with pytest.raises(UserError, match="holds"):
        check_output_folder(store, store / "a")
