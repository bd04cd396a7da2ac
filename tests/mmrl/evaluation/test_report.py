"""A result holds what is needed to do it again."""

import json
import platform
from datetime import datetime

import numpy as np
import torch

from mmrl.evaluation.episodes import Episodes
from mmrl.evaluation.report import machine, result, versions
from mmrl.evaluation.statistics import wilson_interval


def test_result():
    played = Episodes(
        np.array([True, False, True, True]), np.array([2, 8, 3, 3]), np.array([1, 0, 0.5, 0.5]), 70
    )
    report = json.loads(json.dumps(result(played, "some/Env-v0", {"size": 5}, steps=123)))
    assert report["env"] == "some/Env-v0"
    assert report["env_args"] == {"size": 5}
    assert report["success_rate"] == 0.75
    assert report["success_rate_95"] == list(wilson_interval(3, 4))
    assert report["episodes"] == 4
    assert report["mean_length"] == 4
    assert report["mean_return"] == 0.5
    assert report["seeds"] == [70, 73]
    assert report["steps"] == 123
    assert datetime.fromisoformat(report["date"]).tzinfo is not None


def test_versions_are_those_that_run():
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["torch"] == torch.__version__
    assert {"numpy", "gymnasium", "stable-baselines3"} <= set(found)


def test_machine():
    found = machine()
    assert found["cores"] >= 1
    assert found["cpu"]
    assert found["system"]
