"""leaffliction/training/leaf_csv.py: the CSV of leaves, in many forms."""

import codecs
import csv

import pytest

from leaffliction.training.leaf_csv import read_groups
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.errors import UserError
from leaffliction.utils.tables import write_csv

NAMES = ("A_b/image (1).JPG", "A_b/image (2).JPG", "A_b/image (3).JPG",
         "A_c/image (1).JPG", "A_c/image (2).JPG", "A_c/image (3).JPG")


@pytest.fixture
def folder(tree):
    """Return two classes of three images, and an augmented copy of one."""
    images = tree({"A_b": 3, "A_c": 3})
    (images / "A_b" / "image (1)_Flip.JPG").touch()
    return images


def read(folder, path):
    """Return {file: leaf} of the images that have a leaf."""
    dataset = read_dataset(folder)
    leaves, = read_groups(path, [dataset])
    return {file.as_posix(): leaf for file, leaf in zip(
        dataset.files, leaves, strict=True) if leaf is not None}


def test_rows_without_image_and_images_without_leaf_are_counted(
        folder, tmp_path, capfd):
    path = tmp_path / "groups.csv"
    path.write_text("\ufeffleaf,more,file\nL1,x,A_b/image (1).JPG\n"
                    "L1,x,./A_b/image (2).JPG\n,x,A_c/image (1).JPG\n"
                    "L9,x,A_b/gone.JPG\n", encoding="utf-8")
    assert read(folder, path) == dict.fromkeys(NAMES[:2], "L1")
    notes = capfd.readouterr().err
    assert "1 of 4 rows match no image (line 5: 'A_b/gone.JPG')" in notes
    # The augmented copy has its original's leaf; the row of A_c/image (1)
    # has none.
    assert ("4 of 7 images have no row with a leaf ('A_b/image (3).JPG')"
            in notes)


def test_a_complete_csv_needs_no_note(folder, tmp_path, capfd):
    path = tmp_path / "groups.csv"
    path.write_text("file,leaf\n" + "".join(
        f"{name},{name[0]}\n" for name in NAMES))
    assert len(read(folder, path)) == 6
    assert not capfd.readouterr().err


def lines_of(names, header="file,leaf", separator=","):
    """Return a CSV that puts each file on a leaf of its own: L0, L1, ..."""
    return "\r\n".join([header] + [
        f"{name}{separator}L{index}" for index, name in enumerate(names)])


@pytest.mark.parametrize("content", [
    lines_of(NAMES).encode("utf-8-sig"),
    lines_of(NAMES, "File\tLeaf", "\t").encode("utf-16"),
    codecs.BOM_UTF16_BE
    + lines_of(NAMES, "File\tLeaf", "\t").encode("utf-16-be"),
    lines_of(NAMES, " FILE ; Leaf ;x", ";").encode(),
    ("sep=;\n" + lines_of(NAMES, "file;leaf", ";")).encode(),
    lines_of(NAMES, "file|leaf", " | ").encode(),
    lines_of([f'"{name}"' for name in NAMES], '"file","leaf"').encode(),
    lines_of([name.replace("/", "\\") for name in NAMES]).encode(),
    lines_of([f".\\{name}" for name in NAMES]).encode(),
    lines_of([name.upper() for name in NAMES]).encode(),
    lines_of([name.lower() for name in NAMES]).encode(),
    lines_of([f"  {name} " for name in NAMES]).encode(),
    lines_of([name.replace("/", "//") for name in NAMES]).encode(),
    lines_of([f"./{name}" for name in NAMES]).encode(),
    lines_of([f"images/{name}" for name in NAMES]).encode(),
    lines_of([f"photos/2019/{name}" for name in NAMES]).encode(),
    lines_of([f"C:\\Users\\me\\{name}" for name in NAMES]).encode(),
    lines_of([f"/home/me/photos/{name}" for name in NAMES]).encode(),
    (lines_of(NAMES) + "\n\n ,\n").encode(),
    ("\n \n" + lines_of(NAMES)).encode(),
    (lines_of(NAMES) + "\nA_b/image (1).JPG,L0\n").encode()])
def test_encodings_separators_and_path_styles_are_read(
        folder, tmp_path, content, capfd):
    path = tmp_path / "groups.csv"
    path.write_bytes(content)
    assert read(folder, path) == {
        name: f"L{index}" for index, name in enumerate(NAMES)}
    assert not capfd.readouterr().err


def test_accents_of_a_windows_csv_are_read(tree, tmp_path, capfd):
    folder = tree({"Pomme_tavel\u00e9e": 2, "A_c": 1})
    path = tmp_path / "groups.csv"
    path.write_bytes("file;leaf\nPomme_tavel\u00e9e/image (1).JPG;\u00e4\n"
                     "Pomme_tavel\u00e9e/image (2).JPG;\u00e4\n"
                     "A_c/image (1).JPG;1\n".encode("cp1252"))
    assert set(read(folder, path).values()) == {"\u00e4", "1"}
    assert not capfd.readouterr().err


def test_rows_of_the_whole_tree_match_one_class_folder(
        folder, tmp_path, capfd):
    path = tmp_path / "groups.csv"
    for root in ("", "images/", f"{folder.resolve()}/"):
        path.write_text(lines_of([root + name for name in NAMES]))
        assert read(folder / "A_c", path) == {
            f"image ({number}).JPG": f"L{number + 2}"
            for number in (1, 2, 3)}
        assert "3 of 6 rows match no image" in capfd.readouterr().err


def test_rows_match_the_end_of_a_path_only_if_it_is_unique(
        tree, tmp_path):
    path = tmp_path / "groups.csv"
    folder = tree({"train/A_b": 2, "train/A_c": 2})
    path.write_text(lines_of(["A_b/image (1).JPG", "A_c/image (2).JPG"]))
    assert read(folder, path) == {"train/A_b/image (1).JPG": "L0",
                                  "train/A_c/image (2).JPG": "L1"}
    # Two paths now end in A_b/image (1).JPG, so that row matches neither.
    tree({"valid/A_b": 1})
    with pytest.raises(UserError, match="names no image"):
        read(folder, path)


def test_file_names_alone_match_where_each_is_unique(tree, tmp_path):
    folder = tree({"A_b": 1})
    (folder / "A_c").mkdir()
    (folder / "A_c" / "x.jpg").touch()
    path = tmp_path / "groups.csv"
    path.write_text("file,leaf\nx.JPG,1\nimage (1).JPG,2\n")
    assert read(folder, path) == {"A_c/x.jpg": "1", "A_b/image (1).JPG": "2"}


def test_files_that_differ_only_in_case_are_not_confused(
        tree, tmp_path, capfd):
    folder = tree({"A_b": 1})
    (folder / "A_b" / "IMAGE (1).JPG").touch()
    path = tmp_path / "groups.csv"
    path.write_text("file,leaf\nA_b/IMAGE (1).JPG,1\nA_b/image (1).JPG,2\n"
                    "A_B/Image (1).JPG,3\n")
    assert read(folder, path) == {"A_b/IMAGE (1).JPG": "1",
                                  "A_b/image (1).JPG": "2"}
    assert "1 of 3 rows match no image" in capfd.readouterr().err


@pytest.mark.parametrize("escape", [True, False])
def test_names_that_write_csv_has_escaped_match(tree, tmp_path, escape):
    folder = tree({"=A_b": 2, "A_\x1bc": 2})
    dataset = read_dataset(folder)
    rows = [(file.as_posix(), f"L{index}")
            for index, file in enumerate(dataset.files)]
    path = tmp_path / "groups.csv"
    if escape:
        write_csv(path, ("file", "leaf"), rows)
        assert "\x1b" not in path.read_text()
    else:
        with open(path, "w", newline="") as lines:
            csv.writer(lines).writerows([("file", "leaf"), *rows])
    assert read_groups(path, [dataset]) == [["L0", "L1", "L2", "L3"]]


@pytest.mark.parametrize("content, reason", [
    (b"", "needs the columns file,leaf"),
    (b"file:leaf\n", "needs the columns file,leaf"),
    (b"path,leaf\nA_b/image (1).JPG,1\n", "needs the columns file,leaf; its "
     "first line is 'path,leaf'"),
    (b"PK\x03\x04file,leaf\n", "a workbook .*save it as CSV"),
    (b"Datei;Blatt\n", "needs the columns file,leaf; .*'Datei;Blatt'"),
    (b"file,leaf\nA_b/image (1).JPG,\nA_c/image (1).JPG\n",
     r"the column leaf is empty for all images \(line 2: 'A_b/image \(1\)"),
    (b"file;leaf\n", "names no image .*it has no rows"),
    (b"file,leaf\n", "names no image .*it has no rows"),
    (b"file,leaf\nimage (1).JPG,1\n",
     r"names no image .*a row is 'image \(1\).JPG', an image 'A_b/image"),
    # Another class: the file name alone does not match.
    (b"file,leaf\nA_d/image (1).JPG,1\n", "names no image"),
    (b"file,leaf\nA_b/image (1).JPG,1\nA_b/image (1).JPG,2\n",
     r"line 2 puts A_b/image \(1\).JPG on leaf '1', line 3 on leaf '2'"),
    (b"file,leaf\nA_b/image (1).JPG,1\na_b\\IMAGE (1).jpg,2\n", "line 3"),
    (b"file,leaf\n\x81\x8d,1\n", "not readable as a CSV file"),
    (b"\xff\xfefil", "not readable as a CSV file"),
    (b"file,leaf\n" + b"x" * 200_000, "not readable as a CSV file"),
    (None, "not readable as a CSV file")])
def test_an_unusable_csv_is_refused(folder, tmp_path, content, reason):
    path = tmp_path / "groups.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=reason):
        read(folder, path)


def test_rows_of_one_class_do_not_match_another(folder, tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text(lines_of(NAMES[:3]))
    with pytest.raises(UserError, match="names no image"):
        read(folder / "A_c", path)
