"""A dataset, opened."""

import pytest

from mmrl.data import open_dataset


@pytest.fixture
def rollouts(described):
    return open_dataset(described)
