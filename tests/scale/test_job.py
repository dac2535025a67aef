"""leaffliction/scale/job.py: what the chief writes and the workers read."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from leaffliction.scale import job
from leaffliction.training.config import FineTuningPlan
from leaffliction.training.examples import (EXAMPLE_SETS, Examples,
                                            features_file)
from leaffliction.utils.errors import UserError


def test_a_worker_needs_the_disk_of_the_chief(tmp_path):
    with pytest.raises(UserError, match="share the disk"):
        job.join_fine_tuning(tmp_path / ".learning-12345678", None)


def test_a_job_is_on_the_disk_before_workers_are_told(tmp_path, monkeypatch):
    done = []
    flush, fsync = np.memmap.flush, job.fsync

    def record(real, name_of):
        def step(argument):
            real(argument)
            done.append(name_of(argument))
        return step

    monkeypatch.setattr(np.memmap, "flush", record(
        flush, lambda features: f"flushed {Path(features.filename).name}"))
    monkeypatch.setattr(job, "fsync", record(
        fsync, lambda path: path.relative_to(tmp_path).as_posix()))
    examples = []
    for name in EXAMPLE_SETS:
        features = np.lib.format.open_memmap(
            features_file(tmp_path, name), "w+", np.float16, (2, 3))
        features[:] = 1
        examples.append(Examples(features, np.arange(2)))
    network = SimpleNamespace(get_weights=lambda: [np.ones(3)])
    state = job.JobState(8, "block_10", "float32", 2,
                         FineTuningPlan(1e-3, 1, 2, None), {})
    job.write_job(tmp_path, state, network, tuple(examples))
    files = sorted(path.name for path in tmp_path.iterdir())
    assert len(files) == 6
    assert sorted(done[2:]) == [".", *files]
    # The memory-mapped arrays before their files; the folder at the end.
    assert done[:2] == [f"flushed {name}.npy" for name in EXAMPLE_SETS]
    assert done[-1] == "."
