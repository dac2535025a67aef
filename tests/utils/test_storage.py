"""leaffliction/utils/storage: paths on a disk and in an object store."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from object_store import contents, fill, put, run
from paths import ROOT

import Distribution
from leaffliction.augmentation.file_copy import link_or_copy
from leaffliction.augmentation.output_tree import (check_output_folder,
                                                   remove_files)
from leaffliction.distribution.inspection import inspect_image
from leaffliction.training.data import read_domains
from leaffliction.training.leaf_csv import read_groups
from leaffliction.utils import storage
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import (atomic_write, directory_lock,
                                      is_nonempty_file)
from leaffliction.utils.folders import empty_folders, find_images
from leaffliction.utils.images import read_image, write_image
from leaffliction.utils.storage import list_files, path_of
from leaffliction.utils.storage.object_store import StorePath

IMAGE = np.random.default_rng(1).integers(0, 255, (8, 8, 3), np.uint8)


# From text to path.

def test_path_without_a_scheme_is_on_a_disk():
    assert type(path_of("a/b.jpg")) is type(Path("a"))
    for scheme in ("file", "local", "FILE"):
        assert path_of(f"{scheme}:///a/b (1).jpg") == Path("/a/b (1).jpg")
    assert path_of("a:b") == Path("a:b")
    assert path_of(Path("a")) == Path("a")


@pytest.mark.parametrize("text", [
    "http://x.org/a.jpg", "HTTPS://x.org/images", "ftp://x.org/a",
    "ftps://x.org/a", "http:/x.org/a", "www.x.org/a.jpg", "\"https://x/a\"",
    " http://x/a"])
def test_web_addresses_are_refused_with_advice(text):
    with pytest.raises(UserError, match="a web address; .*: download it firs"):
        path_of(text)


def test_existing_folder_named_like_a_web_address_is_taken(
        tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("www.x.org").mkdir()
    assert path_of("www.x.org") == Path("www.x.org")


@pytest.mark.parametrize("url, path", [
    ("file:///a/b%20(1)%2B.jpg", "/a/b (1)+.jpg"), ("file:/a/b", "/a/b"),
    ("file://localhost/a%C3%A9", "/a\u00e9"), ("file:///a/50%.jpg",
                                               "/a/50%.jpg"),
    ("file:///%FF.jpg", "/\udcff.jpg"), ("file://a/b", "a/b")])
def test_file_urls_are_unescaped(url, path):
    assert path_of(url) == Path(path)


def test_existing_path_in_a_file_url_is_taken_literally(tmp_path):
    (tmp_path / "a%20b").touch()
    assert path_of(f"file://{tmp_path}/a%20b") == tmp_path / "a%20b"


@pytest.mark.parametrize("text", ["", "file://", "file:///a%00b", "a\0b"])
def test_empty_paths_and_null_bytes_are_refused(text):
    with pytest.raises(UserError, match="is not a path|a path is empty"):
        path_of(text)


def test_tilde_is_expanded_where_the_shell_did_not(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert path_of("~/a") == tmp_path / "home" / "a"
    assert path_of("~") == tmp_path / "home"
    assert path_of("~root/a").is_absolute()
    # Names that begin with "~", and unknown users.
    for text in ("~a", "a~/b", "~nobody-here/a"):
        assert path_of(text) == Path(text)
    Path("~").mkdir()
    assert path_of("~/a") == Path("~/a")


def test_natural_order_compares_numbers_by_value():
    names = ["image (10).JPG", "Image (2).JPG", "image (1).JPG", "a", "10",
             "9", "²"]
    assert sorted(names, key=storage.natural_key) == [
        "9", "10", "a", "image (1).JPG", "Image (2).JPG", "image (10).JPG",
        "²"]


def test_names_that_differ_only_in_case_have_a_fixed_order():
    names = ["a1", "A1", "a01"]
    assert (sorted(names, key=storage.natural_key)
            == sorted(names[::-1], key=storage.natural_key))


def test_local_paths_load_no_library_of_stores():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "predict.py", "-h"], cwd=ROOT,
        capture_output=True, text=True)
    assert done.returncode == 0
    assert "leaffliction.utils.storage" in done.stderr
    assert not any(name in done.stderr for name in (
        "upath", "fsspec", "leaffliction.utils.storage.object_store", "s3fs"))


@pytest.mark.parametrize("text, error", [
    ("gs://b/a", r"gs://b/a: needs the package gcsfs \(pip install gcsfs\)"),
    ("nowhere://b/a", "no store of the kind nowhere:// is known")])
def test_unknown_schemes_and_missing_packages_are_named(
        text, error, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(UserError, match=error):
        path_of(text)
    assert run(Distribution, text) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and printed.count("\n") == 1


def test_store_paths_have_the_interface_of_pathlib(store):
    path = store / Path("Apple_rust/image (1)#?%.JPG")
    assert str(path) == "memory://folder/Apple_rust/image (1)#?%.JPG"
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


def test_store_paths_can_be_sent_to_another_process(tmp_path):
    folder = StorePath(f"file://{tmp_path}/store", protocol="file",
                       use_listings_cache=False, auto_mkdir=True)
    put(folder / "a" / "b.txt", b"content")
    code = ("import pickle, sys\n"
            "path = pickle.load(sys.stdin.buffer)\n"
            "sys.stdout.buffer.write(path.read_bytes())\n"
            "from leaffliction.utils.files import atomic_write\n"
            "with atomic_write(path.with_name('new')) as partial:\n"
            "    partial.write_bytes(b'from the other process')\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT,
                          input=pickle.dumps(folder / "a" / "b.txt"),
                          capture_output=True)
    assert (done.stdout, done.stderr) == (b"content", b"")
    assert (folder / "a" / "new").read_bytes() == b"from the other process"


# How two paths are related.

def test_same_file_follows_links_and_same_target_ignores_case(
        store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a").touch()
    Path("link").symlink_to("a")
    assert storage.same_file(Path("link"), tmp_path / "a")
    assert not storage.same_file(Path("new"), Path("new"))
    for one, other in ((Path("new"), tmp_path / "New"),
                       (Path("link"), Path("a")), (store, store)):
        assert storage.same_target(one, other)
    for one, other in ((Path("a"), Path("new")), (store, Path("a")),
                       (store, store / "b")):
        assert not storage.same_target(one, other)


def test_names_and_scratch_folders_of_disk_and_store(store, tmp_path):
    assert storage.absolute_name(Path("a")) == str(Path.cwd() / "a")
    assert storage.absolute_name("a text") == "a text"
    assert storage.absolute_name(store / "a") == "memory://folder/a"
    assert storage.scratch_parent(tmp_path) == tmp_path
    assert storage.scratch_parent(store) is None
    storage.require_disk(tmp_path, "needs a disk")
    with pytest.raises(UserError, match="memory://folder: needs a disk"):
        storage.require_disk(store, "needs a disk")


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
    assert one.sha256 == other.sha256
    assert read_dataset(store).class_names == ("Apple_rust", "Grape_Esca")


def test_an_object_is_downloaded_only_once(store, monkeypatch):
    write_image(store / "a.png", IMAGE)
    requests = []
    real = store.fs.get_file
    monkeypatch.setattr(store.fs, "get_file", lambda *given: (
        requests.append(given), real(*given)))
    inspect_image(store / "a.png")
    assert len(requests) == 1


def test_parts_of_an_object_are_read_as_on_a_disk(
        store, tmp_path, monkeypatch):
    content = np.random.default_rng(1).bytes(200_000)
    for folder in (store, tmp_path):
        put(folder / "a", content)
        with storage.open_seekable(folder / "a") as stream:
            assert stream.read(3) == content[:3]
            assert stream.seek(-5, 2) == 199_995
            assert stream.read() == content[-5:] and stream.read(1) == b""
            stream.seek(70_000)
            stream.seek(-10, 1)
            assert stream.read(100_000) == content[69_990:169_990]
            with pytest.raises(OSError):
                stream.seek(-1)
        with pytest.raises(FileNotFoundError):
            storage.open_seekable(folder / "none")

    def refuse(*_, **__):
        raise ValueError("the server is gone")

    with storage.open_seekable(store / "a") as stream:
        monkeypatch.setattr(store.fs, "cat_file", refuse)
        with pytest.raises(OSError, match="the server is gone") as error:
            stream.read(1)
    assert error.value.filename == str(store / "a")


def test_hidden_folders_and_output_trees_in_a_store_are_no_empty_classes(
        store):
    for name in ("tree/.augmentation.json", "tree/a.jpg", ".hidden/a.jpg",
                 "@eaDir/a.jpg", "notes/a.txt"):
        put(store / name, b"")
    assert empty_folders(store, find_images(store)) == [Path("notes")]


@pytest.mark.parametrize("name, reason", [
    ("missing", "no such folder"), ("Apple_rust/image (1).JPG",
                                    "not a folder")])
def test_find_images_refuses_anything_but_a_folder(store, name, reason):
    fill(store)
    with pytest.raises(UserError, match=reason):
        find_images(store / name)


@pytest.mark.parametrize("name, content, reason", [
    ("none.jpg", None, "no such file"),
    ("truncated.jpg", b"\xff\xd8\xff\xe0 and no more", "not a readable image"),
    ("empty.jpg", b"", "empty")])
def test_unreadable_objects_are_named(store, name, content, reason):
    if content is not None:
        put(store / name, content)
    for read in (read_image, inspect_image):
        with pytest.raises(UserError, match=f"{name}: .*{reason}"):
            read(store / name)


def test_groups_are_read_from_a_store(store):
    dataset = read_dataset(fill(store / "images"))
    put(store / "leaves.csv", b"file,leaf\nApple_rust/image (1).JPG,one\n")
    assert read_groups(store / "leaves.csv", [dataset])[0][:2] == [
        "one", None]
    with pytest.raises(UserError, match="none.csv: not readable as a CSV"):
        read_groups(store / "none.csv", [dataset])


def test_several_folders_of_a_store_become_one_dataset(store, tmp_path):
    fill(store / "images" / "laboratory")
    fill(store / "images" / "orchard")
    folders = [store / "images" / "laboratory", store / "images/orchard"]
    dataset, domains = read_domains(folders)
    assert dataset.root == store / "images"
    assert np.bincount(domains).tolist() == [6, 6]
    assert all(map(is_nonempty_file, dataset.paths()))
    with pytest.raises(UserError, match="is inside another"):
        read_domains([store / "images", folders[0]])
    fill(tmp_path / "orchard")
    with pytest.raises(UserError, match="in another store, than memory://"):
        read_domains([folders[0], tmp_path / "orchard"])


# Writing.

@pytest.mark.parametrize("error, seen", [
    (OSError(28, "No space"), UserError), (KeyboardInterrupt,
                                           KeyboardInterrupt)])
def test_failed_write_leaves_no_object(store, error, seen):
    with pytest.raises(seen), atomic_write(store / "a.csv") as partial:
        assert partial.suffix == ".csv"
        partial.write_bytes(b"half")
        raise error
    assert not (store / "a.csv").exists()
    assert list(list_files(store)) == []


def test_object_appears_only_when_complete(store):
    with atomic_write(store / "new" / "a.csv") as partial:
        partial.write_bytes(b"whole")
        assert not (store / "new" / "a.csv").exists()
    assert contents(store) == {"new/a.csv": b"whole"}


def test_folders_of_a_store_have_no_locks(store):
    with directory_lock(store) as is_alone, directory_lock(store):
        assert not is_alone
    assert list(list_files(store)) == []


def test_files_are_copied_between_stores_and_disks(store, tmp_path):
    put(store / "a", b"content")
    link_or_copy(store / "a", store / "b" / "c")
    link_or_copy(store / "b" / "c", tmp_path / "d")
    link_or_copy(tmp_path / "d", store / "e")
    assert contents(store) == dict.fromkeys(("a", "b/c", "e"), b"content")
    with pytest.raises(UserError, match="none: cannot be read any more"):
        link_or_copy(store / "none", store / "e2")


def test_hard_links_are_made_only_on_a_disk(store, tmp_path):
    put(tmp_path / "a", b"content")
    put(tmp_path / "b", b"replaced")
    assert storage.hard_link(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").samefile(tmp_path / "a")
    put(store / "a", b"content")
    assert not storage.hard_link(store / "a", tmp_path / "b")
    assert not storage.copy_within_store(store / "a", tmp_path / "c")
    assert storage.copy_within_store(store / "a", store / "c")
    assert (store / "c").read_bytes() == b"content"


def test_object_that_may_not_be_deleted_stays(store, tmp_path, monkeypatch):
    for path in (store / "a", tmp_path / "a"):
        put(path, b"content")
        storage.delete_if_permitted(path)
        storage.delete_if_permitted(path)
        assert not path.exists()

    def refuse(*_, **__):
        raise PermissionError(13, "Access denied")

    put(store / "a", b"content")
    monkeypatch.setattr(store.fs, "rm_file", refuse)
    storage.delete_if_permitted(store / "a")
    assert (store / "a").exists()


def test_only_the_named_objects_are_deleted(store):
    put(store / "a", b"a")
    put(store / "b", b"b")
    remove_files(store, [Path("a"), Path("none")])
    store.rmdir()
    assert contents(store) == {"b": b"b"}


def test_output_tree_must_lie_beside_its_source(store, tmp_path):
    check_output_folder(store / "b", store / "a")
    check_output_folder(tmp_path / "b", store / "a")
    with pytest.raises(UserError, match="lies inside"):
        check_output_folder(store / "a" / "b", store / "a")
    with pytest.raises(UserError, match="holds"):
        check_output_folder(store, store / "a")
