"""leaffliction/training/replicas.py: how a batch is shared."""

import numpy as np
import pytest

from leaffliction.training.replicas import share_rows


@pytest.mark.parametrize("rows, replicas", [(32, 2), (33, 2), (1, 2), (7, 3),
                                            (2, 5)])
def test_each_row_goes_to_one_replica_in_equal_shares(rows, replicas):
    parts = share_rows(rows, replicas)
    assert len(parts) == replicas
    assert np.concatenate([np.arange(rows)[part] for part in parts]
                          ).tolist() == list(range(rows))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 1
