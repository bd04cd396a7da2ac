"""The pages about the levels are what their command writes, and name every level."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmrl_envs.grid.generation.levels import FAMILIES

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def pages():
    """The module ``docs/make_pages.py``."""
    spec = importlib.util.spec_from_file_location("make_pages", DOCS / "make_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("family", FAMILIES)
def test_page_of_a_family_is_up_to_date(pages, family):
    text = (DOCS / "levels" / f"{pages.slug(family)}.md").read_text()
    assert text == pages.page(family)
    for name in FAMILIES[family]:
        assert f"`mmrl/{name}-v0`" in text
    with Image.open(DOCS / "levels" / f"{pages.slug(family)}.png") as picture:
        assert len(np.unique(np.asarray(picture).reshape(-1, 3), axis=0)) > 20


def test_the_first_page_leads_to_all(pages):
    text = (DOCS / "levels" / "README.md").read_text()
    assert text == pages.overview()
    assert all(f"({pages.slug(family)}.md)" in text for family in FAMILIES)
