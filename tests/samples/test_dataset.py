"""The sample data set: its counts, its files, and its command."""

import pytest

from leaffliction.utils.errors import UserError
from leaffliction.utils.images import read_image
from samples import __main__ as command
from samples.dataset import CLASS_COUNTS, sample_counts, write_samples

CLASS_NAMES = list(CLASS_COUNTS)


@pytest.mark.parametrize("total", [24, 100, 240, 1001])
def test_counts_are_proportional_and_add_up(total):
    counts = sample_counts(total)
    assert list(counts) == CLASS_NAMES
    assert sum(counts.values()) == total
    assert min(counts.values()) >= 3
    if total >= 240:                    # then no class needs the minimum
        share = total / sum(CLASS_COUNTS.values())
        for name, photographs in CLASS_COUNTS.items():
            assert abs(counts[name] - photographs * share) < 1.0001


def test_the_real_total_gives_the_real_counts():
    assert sample_counts(sum(CLASS_COUNTS.values())) == CLASS_COUNTS


def test_every_class_gets_the_minimum():
    assert set(sample_counts(1).values()) == {3}


def test_files_are_named_as_in_the_exercise(tmp_path):
    folder = tmp_path / "new" / "images"
    paths = write_samples(folder, total=24, size=32, seed=7)
    assert sorted(paths) == sorted(folder.rglob("*.*"))
    assert {path.parent.name for path in paths} == set(CLASS_NAMES)
    assert paths[2] == folder / "Apple_Black_rot" / "image (3).JPG"
    assert read_image(paths[2]).shape == (32, 32, 3)


def test_an_image_does_not_depend_on_the_total(tmp_path):
    few = write_samples(tmp_path / "few", 24, 16, seed=7)
    more = write_samples(tmp_path / "more", 32, 16, seed=7)
    other = write_samples(tmp_path / "other", 24, 16, seed=8)
    more = {path.relative_to(tmp_path / "more"): path for path in more}
    for path, other_seed in zip(few, other):
        same = more[path.relative_to(tmp_path / "few")]
        assert path.read_bytes() == same.read_bytes()
        assert path.read_bytes() != other_seed.read_bytes()


def test_a_folder_that_is_not_empty_is_left_unchanged(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="not empty"):
        write_samples(tmp_path, 24, 16, seed=7)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(UserError, match="not a folder"):
        write_samples(tmp_path / "mine.txt", 24, 16, seed=7)


def test_the_command_draws_the_leaves_and_prints_their_counts(
        tmp_path, capsys):
    folder = tmp_path / "images"
    assert command.main([str(folder), "--count", "25", "--size", "16"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    assert sum(int(line.split()[0]) for line in lines) == 25
    assert len(list(folder.rglob("*.JPG"))) == 25
    with pytest.raises(UserError, match="at least 16"):
        command.main([str(tmp_path / "other"), "--size", "8"])
    assert not (tmp_path / "other").exists()
