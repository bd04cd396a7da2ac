"""A dataset, opened."""

import pytest

from mmrl.data import open_rollouts


@pytest.fixture
def rollouts(described):
    return open_rollouts(described)
