"""Files that code hosts read: citation, templates of issues, and the site's settings."""

import tomllib

import pytest
import yaml
from page_blocks import ROOT

TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
SETTINGS = (ROOT / "mkdocs.yml").read_text()


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert {"message", "title", "authors", "abstract"} <= citation.keys()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_templates_of_issues_are_forms(path) -> None:
    form = yaml.safe_load(path.read_text())
    if path.stem == "config":
        assert form == {"blank_issues_enabled": True}
        return
    assert {"name", "description", "body"} <= form.keys()
    ids = [one["id"] for one in form["body"]]
    assert len(set(ids)) == len(ids)
    assert all(one["type"] in ("textarea", "input", "dropdown") for one in form["body"])
    assert any(one.get("validations", {}).get("required") for one in form["body"])


def test_there_are_templates_for_bugs_features_questions_and_changes() -> None:
    assert {path.stem for path in TEMPLATES} == {"bug", "config", "feature", "question"}
    assert (ROOT / ".github" / "PULL_REQUEST_TEMPLATE.md").is_file()


def test_the_site_is_strict_and_loads_no_fonts() -> None:
    """A page that is missing in the navigation is a warning, and a warning is an error."""
    assert "\nstrict: true\n" in SETTINGS
    assert "font: false" in SETTINGS
    assert "omitted_files: warn" in SETTINGS
    assert "anchors: warn" in SETTINGS
    pins = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert {"mkdocs", "mkdocs-material", "mkdocstrings", "mkdocstrings-python"} <= pins
