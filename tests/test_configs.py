"""Every YAML file in ``configs`` is an experiment that its command takes as it stands."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from mmrl.arguments.checks import check
from mmrl.cli import fit, train
from mmrl.errors import UserError
from mmrl.registry import find_agent
from mmrl.trust import modules_named

CONFIGS = Path(__file__).parents[1] / "configs"
TRAINED = sorted(
    path
    for one in ("", "levels/", "foreign/", "imitation/", "offline/")
    for path in CONFIGS.glob(f"{one}*.yaml")
)
FITTED = sorted(CONFIGS.glob("fit/*.yaml"))


def name_of(path: Path) -> str:
    return path.relative_to(CONFIGS).with_suffix("").as_posix()


@pytest.mark.parametrize("path", TRAINED, ids=name_of)
def test_train_takes_it(path: Path, tmp_path: Path) -> None:
    modules = modules_named({"env": yaml.safe_load(path.read_text())["env"]})
    missing = [one for one in modules if find_spec(one) is None]
    for module in missing:  # a package of others, which is not installed here
        with pytest.raises(UserError, match=rf"there is no module '{module}' here: pip install "):
            train.parse(["--config", str(path), "--out", str(tmp_path / "run")])
        return
    request = train.parse(["--config", str(path), "--out", str(tmp_path / "run")])
    check(request.config)
    find_agent(request.config.agent).check(request.hyper)  # type: ignore[attr-defined]
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize("path", FITTED, ids=name_of)
def test_fit_takes_it(path: Path, tmp_path: Path) -> None:
    task = yaml.safe_load(path.read_text())["task"]
    config, _ = fit.parse(task, ["--config", str(path), "--out", str(tmp_path / "run")], None)
    fit.check(config)
    assert path.read_text().startswith("# ")


def test_there_are_recipes_for_a_dozen_levels() -> None:
    levels = {yaml.safe_load(path.read_text())["env"] for path in CONFIGS.glob("levels/*.yaml")}
    assert len(levels) >= 12
