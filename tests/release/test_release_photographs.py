"""leaffliction/release/photographs.py: the split, and what judges a model."""

import pytest
from judged import HEADER, write_data, write_split

from leaffliction.release.photographs import (count_parts, read_photographs,
                                              read_split)
from leaffliction.utils.errors import UserError

ROW = ("leaves/a/b.jpg", "1", "a", "laboratory", "training")


def test_only_the_validation_part_of_what_was_learned_from_judges(tmp_path):
    data, split = write_data(tmp_path)
    found, absent = read_photographs(data, read_split(split))
    names = {kind: [path.relative_to(data).as_posix()
                    for path in photographs.paths]
             for kind, photographs in found.items()}
    assert names["laboratory"] == [
        "leaves/Apple_scab/esca-80-known.jpg",
        "leaves/Apple_scab/scab-90-known.jpg",
        "leaves/grape esca/esca-60-known.jpg",
        "leaves/grape esca/rust-95-refused.jpg"]
    assert not any("broken" in path for path in (
        *names["laboratory"], *names["orchard"], *names["strangers"]))
    assert names["web"] == ["wild/Apple_rust/rust-100-known.jpg"]
    assert found["web"].groups == ("Apple_rust",)
    assert found["strangers"].groups == ("Cherry", "Cherry", "Corn")
    assert len(names["diseases"]) == 3 and len(names["everyday"]) == 2
    assert absent == {"field": "no folder field",
                      "crops": "no folder other/crops"}


def test_a_kind_without_a_photograph_is_absent(tmp_path):
    data, split = write_data(tmp_path, {
        "leaves/Apple_scab/scab-90-known.jpg": "training",
        "wild/Apple_scab/notes.txt": None,
        "other/crops/scab-90-known.jpg": None})
    found, absent = read_photographs(data, read_split(split))
    assert list(found) == ["crops"]
    assert absent["laboratory"] == "the split has no validation part of it"
    assert absent["web"] == "no images in wild"


def test_a_folder_with_nothing_to_judge_by_is_an_error(tmp_path):
    with pytest.raises(UserError, match="nowhere: no such folder"):
        read_photographs(tmp_path / "nowhere", [])
    with pytest.raises(UserError, match="leaves, orchard, strangers, wild"):
        read_photographs(tmp_path, [])


def test_parts_are_counted_by_domain(tmp_path):
    counts = count_parts(read_split(write_data(tmp_path)[1]))
    assert counts["laboratory"] == {"training": 1, "stopping": 1,
                                    "validation": 4}
    assert counts["orchard"] == {"training": 0, "stopping": 0,
                                 "validation": 3}


@pytest.mark.parametrize("rows, header, message", [
    ([ROW], HEADER[:-1], "has no column part; the columns of a split are "
     "file,leaf,class,domain,part"),
    ([ROW, (*ROW[:3], "lab", "training")], HEADER,
     "line 3: domain 'lab' is none of laboratory, orchard, strangers"),
    ([(*ROW[:4], "test")], HEADER, "line 2: part 'test' is none of training"),
    ([("", *ROW[1:])], HEADER, "line 2: names no file"),
    ([ROW[:3]], HEADER, "line 2: domain None is none of")])
def test_a_split_that_makes_no_sense_is_an_error(
        tmp_path, rows, header, message):
    write_split(tmp_path / "split.csv", rows, header)
    with pytest.raises(UserError, match=message):
        read_split(tmp_path / "split.csv")


def test_a_split_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(UserError, match="split.csv: no such file"):
        read_split(tmp_path / "split.csv")
    (tmp_path / "split.csv").write_bytes(b"file\xff\xfe,leaf")
    with pytest.raises(UserError, match="not a readable CSV file"):
        read_split(tmp_path / "split.csv")
    with pytest.raises(UserError, match="not a readable CSV file"):
        read_split(tmp_path)


def test_a_split_with_a_byte_order_mark_is_read(tmp_path):
    write_split(tmp_path / "split.csv", [ROW])
    content = (tmp_path / "split.csv").read_bytes()
    (tmp_path / "split.csv").write_bytes(b"\xef\xbb\xbf" + content)
    row, = read_split(tmp_path / "split.csv")
    assert (row.file, row.leaf, row.class_name, row.domain, row.part) == ROW
