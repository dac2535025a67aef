"""leaffliction/utils/folders.py: which files below a folder are images."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leaffliction.utils import folders, marks
from leaffliction.utils.errors import UserError
from leaffliction.utils.file_types import image_kind
from leaffliction.utils.images import write_image

GREEN = np.full((8, 8, 3), (40, 120, 30), np.uint8)


def names_in(folder):
    """Return the paths of the images below a folder, as text."""
    return [path.as_posix() for path in folders.find_images(folder)]


def encoded(kind):
    """Return a small image file in one of Pillow's formats."""
    content = io.BytesIO()
    Image.fromarray(GREEN).save(content, kind)
    return content.getvalue()


def test_hidden_files_and_folders_are_skipped(tree):
    folder = tree({"b": 2, "a": 1, "b/.hidden": 1, "empty": 0})
    (folder / "b" / "loop").symlink_to(folder)
    (folder / "b" / "._image (1).JPG").touch()
    (folder / "folder.jpg").mkdir()
    assert names_in(folder) == [
        "a/image (1).JPG", "b/image (1).JPG", "b/image (2).JPG"]


@pytest.mark.parametrize("name, reason", [
    ("missing", "no such folder"), ("a/image (1).JPG", "not a folder")])
def test_what_is_no_folder_is_refused(tree, name, reason):
    with pytest.raises(UserError, match=reason):
        folders.find_images(tree({"a": 1}) / name)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP",
                                  "AVIF", "JPEG2000"])
@pytest.mark.parametrize("name", ["x", "x.jpg?w=300", "x.txt", "X.JFIF"])
def test_an_image_is_found_by_its_content_whatever_its_name(
        tmp_path, kind, name):
    content = encoded(kind)
    assert image_kind(content[:64]) == kind
    (tmp_path / name).write_bytes(content)
    (tmp_path / "notes").write_text("BMW, RIFF, GIF and II* are letters.")
    assert names_in(tmp_path) == [name]


@pytest.mark.parametrize("head, kind", [
    (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIF"),
    (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIF"),
    (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
    (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", None),
    # What follows the first box is none of its brands.
    (b"\0\0\0\x14ftypisom\0\0\0\0isomavifavif", None),
    (b"\xff\x0a\x00", "JXL"), (b"\0\0\0\x0cJXL \r\n\x87\n", "JXL"),
    (b"MM\x00+\x00\x08", "TIFF"), (b"", None), (b"BM is a text", None),
    (b"%PDF-1.7", None), (b"<svg", None)])
def test_the_first_bytes_decide_the_kind_of_image(head, kind):
    assert image_kind(head) == kind


@pytest.mark.parametrize("name", [
    "a.JPG", "a.gif", "a b (1).TiFf", "a.HEIC", "a.avif", "a.jxl", "a.jfif",
    "a.CR2", "a.dng", "a.psd", "a.ppm", "a.TGA", "a.pef", "a.jpx"])
def test_a_damaged_image_is_found_by_its_suffix(tmp_path, name):
    (tmp_path / name).write_text("<html>404</html>")
    assert names_in(tmp_path) == [name]


@pytest.mark.parametrize("name", ["a.jpg.txt", "jpg", "Thumbs.db", ".a.jpg",
                                  "a.csv", "a.svg"])
def test_other_files_are_not_found(tmp_path, name):
    (tmp_path / name).write_text("text")
    assert names_in(tmp_path) == []


def test_pipes_and_dead_links_do_not_block_the_search(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    assert names_in(tmp_path) == ["gone.jpg", "pipe.jpg", "self.jpg"]


@pytest.mark.parametrize("name", ["@eaDir", "__MACOSX", "$RECYCLE.BIN",
                                  "#recycle", "System Volume Information",
                                  "lost+found", "@Recycle"])
def test_system_folders_are_left_out_and_noted(tree, name, capsys):
    folder = tree({"a": 1, f"a/{name}/b": 2, f"{name}": 1})
    assert names_in(folder) == ["a/image (1).JPG"]
    assert capsys.readouterr().err == (
        f"{folder}: left out 2 folders of the operating system: "
        + ", ".join(sorted((f"a/{name}", name), key=folders.natural_key))
        + "\n")
    assert folders.empty_folders(folder, [Path("a/image (1).JPG")]) == []


@pytest.mark.parametrize("link, target", [
    ("AAA", "Apple_scab"), ("Apple_scab/AAA", "../Apple_scab"),
    ("AAA", "."), ("AAA", ".."), ("AAA", "AAA"), ("Zoo", "Apple_scab/deep")])
def test_a_link_inside_the_folder_adds_nothing(tree, link, target):
    folder = tree({"Apple_scab": 2, "Apple_scab/deep": 1})
    tree({"neighbour": 1}, "other")
    without = names_in(folder)
    (folder / link).symlink_to(target)
    assert names_in(folder) == without


def test_a_folder_outside_is_searched_through_one_link_only(tree):
    folder = tree({"Apple_scab": 1})
    outside = tree({"deep": 1}, "outside")
    (folder / "B").symlink_to(outside)
    (folder / "A").symlink_to(outside)
    (outside / "back").symlink_to(folder)
    assert names_in(folder) == ["A/deep/image (1).JPG",
                                "Apple_scab/image (1).JPG"]


def test_a_linked_image_counts_once(tree, capsys):
    folder = tree({"Apple_scab": 2, "Apple_rust": 1})
    outside = tree({"x": 1}, "outside") / "x" / "image (1).JPG"
    (folder / "Apple_rust" / "a.jpg").symlink_to(
        "../Apple_scab/image (1).JPG")
    for name in ("b.jpg", "c.jpg"):
        (folder / "Apple_rust" / name).symlink_to(outside)
    assert names_in(folder) == [
        "Apple_rust/b.jpg", "Apple_rust/image (1).JPG",
        "Apple_scab/image (1).JPG", "Apple_scab/image (2).JPG"]
    assert "left out 2 links" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp", ".webp"])
def test_images_that_the_programs_drew_are_left_out_and_noted(
        tmp_path, suffix, capsys):
    write_image(tmp_path / f"leaf{suffix}", GREEN)
    write_image(tmp_path / f"chart{suffix}", GREEN, marks.mark_line("leaf"))
    assert names_in(tmp_path) == [f"leaf{suffix}"]
    assert capsys.readouterr().err == (
        f"{tmp_path}: left out 1 image that these programs drew: "
        f"chart{suffix}\n")
    # Other programs read it as any image.
    with Image.open(tmp_path / f"chart{suffix}") as image:
        assert image.size == (8, 8)
        image.load()


def test_views_without_a_mark_are_left_out_beside_their_photograph(
        tmp_path, capsys):
    for name in ("a.b.jpg", "a.b_Mask.JPG", "a.b_Histogram.png",
                 "a.b_Blur.JPG", "c_Mask.jpg", "Mask.jpg", "a.b_Masked.jpg"):
        write_image(tmp_path / name, GREEN)
    assert names_in(tmp_path) == ["a.b.jpg", "a.b_Blur.JPG",
                                  "a.b_Masked.jpg", "c_Mask.jpg", "Mask.jpg"]
    assert capsys.readouterr().err == (
        f"{tmp_path}: left out 2 images named as views of those beside them: "
        "a.b_Histogram.png, a.b_Mask.JPG\n")


def test_an_augmented_tree_is_searched_only_if_it_is_the_folder(
        tree, capsys):
    folder = tree({"Apple_scab": 1, "augmented_directory/Apple_scab": 2})
    (folder / "augmented_directory" / folders.RECORD).write_text("{}")
    assert names_in(folder) == ["Apple_scab/image (1).JPG"]
    assert "1 folder that Augmentation.py wrote: augmented_directory" in (
        capsys.readouterr().err)
    assert len(names_in(folder / "augmented_directory")) == 2


def test_an_object_store_is_searched_like_a_disk(store, tmp_path, capsys):
    for name, content in {
            "a/x": encoded("PNG"), "a/y.jpg": b"", "a/@eaDir/z.jpg": b"",
            "a/notes": b"text", "b/t/.augmentation.json": b"{}",
            "b/t/z.png": encoded("PNG"), "b/.hidden.png": encoded("PNG"),
            "b/chart.png": encoded("PNG") + marks.mark_line("x"),
            "b/c_Flip.png": encoded("PNG") + marks.mark_line("x", marks.COPY)
            }.items():
        (tmp_path / "file").write_bytes(content)
        (store / name).put(tmp_path / "file")
    found = folders.search_images(store)
    assert list(map(str, found.files)) == ["a/x", "a/y.jpg", "b/c_Flip.png"]
    assert found.copies == {Path("b/c_Flip.png")}
    assert found.drawings == [Path("b/chart.png")]
    assert found.trees == [Path("b/t")]
    assert found.system == [Path("a/@eaDir")]


def test_a_mark_names_kind_and_source_of_an_image(tmp_path):
    path = tmp_path / "x.png"
    write_image(path, GREEN)
    tail = path.read_bytes()[-marks.TAIL:]
    assert marks.marked_kind(tail) is None
    marks.mark(path, Path("leaf.jpg"))
    tail = path.read_bytes()[-marks.TAIL:]
    assert marks.marked_kind(tail) == marks.DRAWING
    assert marks.marked_source(tail) == marks.source_key(
        Path.cwd() / "leaf.jpg") != marks.source_key("leaf.jpg")
