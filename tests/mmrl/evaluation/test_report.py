"""A result holds what is needed to do it again."""

import json
import platform
from datetime import datetime

import numpy as np
import pytest
import torch

from mmrl.evaluation.episodes import Episodes
from mmrl.evaluation.report import (
    WITHOUT_READING,
    format_report,
    machine,
    markdown,
    packages_of,
    result,
    scalars,
    versions,
)
from mmrl.evaluation.statistics import mean_interval, wilson_interval


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
    assert report["mean_length_95"] == list(mean_interval([2, 8, 3, 3], 0))
    assert report["mean_return_95"] == list(mean_interval([1, 0, 0.5, 0.5]))
    assert report["seeds"] == [70, 73]
    assert report["steps"] == 123
    assert datetime.fromisoformat(report["date"]).tzinfo is not None


def test_the_package_of_an_environment_is_found():
    assert packages_of("CartPole-v1") == ["gymnasium"]
    assert packages_of("worlds.arms:arms/Arm-v0") == []  # a file, of no package
    assert packages_of("nowhere/Nothing-v0") == []


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


def test_episodes_that_are_left_out():
    played = Episodes(np.array([True, False, True]), np.array([2, 8, 3]), np.zeros(3), 70)
    report = played.without({71, 99}).summary()
    assert (report["episodes"], report["left_out"]) == (2, 1)
    assert report["success_rate"] == 1
    assert report["mean_length"] == 2.5
    assert report["seeds"] == [70, 72]
    assert "left_out" not in played.without(set()).summary()


def share(rate, episodes=256):
    return {"success_rate": rate, "success_rate_95": [rate - 0.05, min(rate + 0.05, 1)],
            "episodes": episodes}  # fmt: skip


REPORT = {
    "env": "some/Env-v0",
    **share(0.95, 512),
    "mean_length": 6.4,
    "mean_length_95": [6.1, 6.7],
    "mean_return": 0.9,
    "mean_return_95": [0.88, 0.92],
    "controls": {
        "random_policy": share(0.16),
        "swapped_instructions": share(0.27),
        "empty_instruction": share(0.24),
        "blank_image": share(0.18),
        "greedy_actions": share(0.97),
        "expert": {**share(1.0), "mean_length": 5.1, "spl": 0.91, "spl_95": [0.9, 0.92]},
        "language_accuracy": {"rate": 0.973, "rate_95": [0.95, 0.99], "episodes": 480,
                              "random_policy": 0.5, "expert": 0.99},
    },
}  # fmt: skip
HEADLINE = (
    "success 95.0% (95% interval 90.0% to 100.0%) on 512 held-out episodes of some/Env-v0, "
    "6.4 steps on average"
)


def test_the_report():
    assert format_report(REPORT).splitlines() == [
        HEADLINE,
        "  random policy         16.0%  (11.0% to 21.0%) on 256 episodes",
        "  swapped instructions  27.0%  (22.0% to 32.0%) on 256 episodes",
        "  empty instruction     24.0%  (19.0% to 29.0%) on 256 episodes",
        "  blank image           18.0%  (13.0% to 23.0%) on 256 episodes",
        "  greedy actions        97.0%  (92.0% to 100.0%) on 256 episodes",
        "  steps                   6.4  (6.1 to 6.7), the expert's 5.1; SPL 0.91 (0.90 to 0.92)",
        "  return                 0.90  (0.88 to 0.92)",
        "  language accuracy     97.3%  (95.0% to 99.0%) on 480 episodes, a random policy's 50.0%, "
        "the expert's 99.0%: first act was the one asked for",
    ]


def test_paraphrases_stand_beside_it():
    types = {"verb": share(0.7, 512), "noun": share(0.5, 500)}
    beside = {
        "types": types,
        "left_out": {"order": "no instruction has a paraphrase of type order"},
    }
    lines = format_report({**REPORT, "controls": {}, "paraphrases": beside}).splitlines()
    assert lines[1:] == [
        "  paraphrased: verb  70.0%  (65.0% to 75.0%)",
        "  paraphrased: noun  50.0%  (45.0% to 55.0%) on 500 episodes",
        "  no instruction has a paraphrase of type order",
    ]


def test_a_report_of_an_earlier_version():
    old = {key: one for key, one in REPORT.items() if key != "controls" and key[-3:] != "_95"}
    old["success_rate_95"] = [0.9, 1.0]
    assert format_report(old) == HEADLINE
    assert markdown(old).startswith(HEADLINE)
    assert scalars(old) == {
        "eval/success_rate": 0.95, "eval/mean_length": 6.4, "eval/mean_return": 0.9,
    }  # fmt: skip


def test_what_is_left_out_is_named():
    some = {"random_policy": share(0.16), "left_out": {"expert": "no expert: no SPL\x1b"}}
    lines = format_report({**REPORT, "controls": some}).splitlines()
    assert [line.split("  ")[1] for line in lines[1:]] == [
        "random policy", "steps", "return", "no expert: no SPL\\x1b",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("swapped", "random", "warned"),
    [(0.95, 0.3, True), (0.86, 0.3, True), (0.84, 0.3, False), (0.95, 0.93, False)],
)
def test_a_level_that_needs_no_reading(swapped, random, warned):
    controls = {"swapped_instructions": share(swapped), "random_policy": share(random)}
    report = {**REPORT, "controls": controls}
    assert (format_report(report).splitlines()[-1] == WITHOUT_READING) is warned
    assert (WITHOUT_READING in markdown(report)) is warned
    del controls["random_policy"]
    assert WITHOUT_READING not in format_report(report)


def test_for_tensorboard():
    assert scalars(REPORT) == {
        "eval/success_rate": 0.95,
        "eval/mean_length": 6.4,
        "eval/mean_return": 0.9,
        "eval/random_policy": 0.16,
        "eval/swapped_instructions": 0.27,
        "eval/empty_instruction": 0.24,
        "eval/blank_image": 0.18,
        "eval/greedy_actions": 0.97,
        "eval/spl": 0.91,
        "eval/expert_steps": 5.1,
        "eval/language_accuracy": 0.973,
    }
    table = markdown(REPORT).splitlines()
    assert table[2] == "| measure | value | 95% interval |"
    assert "| random policy | 16.0% | (11.0% to 21.0%) on 256 episodes |" in table
