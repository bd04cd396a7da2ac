"""One modality has a readout instead of a fusion."""

import pytest
import torch
from torch.testing import assert_close

from mmrl.models.fusion.single import SingleReadout
from mmrl.models.tokens import Tokens, TokensShape


@pytest.mark.parametrize("grid", [None, (2, 3)])
def test_a_linear_layer_on_the_tokens(grid):
    readout = SingleReadout("state", TokensShape(4, grid), 5)
    tokens = Tokens(torch.randn(2, 6, 4), torch.ones(2, 6, dtype=torch.bool), grid)
    features = readout({"state": tokens})
    flat = tokens.values.mean(1) if grid is None else tokens.values.transpose(1, 2).flatten(1)
    assert_close(features, readout.readout.project(flat).relu())
    assert features.shape == (2, readout.features)


@pytest.mark.parametrize("given", [{}, {"image": None}])
def test_it_needs_this_modality_and_no_other(given):
    with pytest.raises(ValueError, match="a fusion of state got (nothing|image)"):
        SingleReadout("state", TokensShape(4), 5)(given)
