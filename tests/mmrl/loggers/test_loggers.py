"""Loggers by name, of packages and of one's own; one that fails ends no training."""

import sys
import types

import pytest

from mmrl import loggers
from mmrl.errors import UserError
from mmrl.loggers import check_loggers, logger_names, open_loggers


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (None, []),
        ("csv", ["csv"]),
        ("csv, jsonl,csv", ["csv", "jsonl"]),
        (["tensorboard", "csv"], ["csv"]),
    ],
)
def test_names(given, names):
    assert logger_names(given) == names


def test_a_name_that_there_is_not():
    with pytest.raises(UserError, match="unknown logger 'jsnl': did you mean 'jsonl'"):
        check_loggers("jsnl")


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="'wandb' needs a package: pip install wandb"):
        check_loggers(["csv", "wandb"])


class Own:
    """A logger that keeps what it gets; it fails at step 2."""

    made: list = []

    def __init__(self, folder, config, steps):
        self.given, self.logged, self.closed = (folder, config, steps), [], 0
        Own.made.append(self)

    def log(self, scalars, step):
        if step == 2:
            raise ConnectionError("no network")
        self.logged.append((step, scalars))

    def close(self):
        self.closed += 1


@pytest.fixture
def own(monkeypatch):
    module = types.ModuleType("own_loggers")
    module.Own = Own
    monkeypatch.setitem(sys.modules, "own_loggers", module)
    Own.made = []
    return "own_loggers.Own"


def test_a_logger_of_ones_own_that_fails_ends_no_training(tmp_path, own):
    opened = open_loggers([own, "jsonl"], tmp_path, {"seed": 1}, 5)
    opened.log({"loss": 1.0}, 1)
    with pytest.warns(UserWarning, match="ConnectionError: no network; the training continues"):
        opened.log({"loss": 1.0}, 2)
    opened.log({"loss": 1.0}, 2)  # without another warning
    opened.log({"loss": 1.0}, 3)
    opened.close()
    opened.close()
    (one,) = Own.made
    assert one.given == (tmp_path, {"seed": 1}, 5)
    assert [step for step, _ in one.logged] == [1, 3]
    assert one.closed == 1
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 4


def test_a_logger_that_cannot_be_opened(tmp_path, monkeypatch, own):
    monkeypatch.setattr(Own, "__init__", lambda self, *_: 1 / 0)
    with pytest.raises(UserError, match="cannot be opened: ZeroDivisionError"):
        open_loggers(own, tmp_path, {})


class Service:
    """Stands for trackio and wandb, which have the same calls."""

    def __init__(self):
        self.begun, self.logged, self.finished = [], [], 0

    def init(self, **given):
        self.begun.append(given)
        return self

    def log(self, scalars, step):
        self.logged.append((step, scalars))

    def finish(self):
        self.finished += 1


@pytest.mark.parametrize("name", ["trackio", "wandb"])
def test_services_continue_the_run_of_a_resumed_training(tmp_path, monkeypatch, name):
    service = Service()
    monkeypatch.setitem(sys.modules, name, service)
    monkeypatch.setattr(loggers, "find_spec", lambda name: True)
    for steps in (None, 10, None):
        with open_loggers(name, tmp_path, {"seed": 3}, steps) as opened:
            opened.log({"loss": 1.0}, 20)
    first, resumed, anew = service.begun
    assert first["name"].startswith(f"{tmp_path.name}-")
    assert first["name"] == resumed["name"] != anew["name"]
    assert first["resume"] == "allow"
    assert first["config"] == {"seed": 3}
    assert (service.logged, service.finished) == ([(20, {"loss": 1.0})] * 3, 3)


def test_mlflow_gets_parameters_once(tmp_path, monkeypatch):
    client = MlflowClient()
    fake = types.SimpleNamespace(
        MlflowClient=lambda: client, entities=types.SimpleNamespace(Metric=lambda *args: args)
    )
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    monkeypatch.setattr(loggers, "find_spec", lambda name: True)
    for steps in (None, 10):
        with open_loggers("mlflow", tmp_path, {"text": "x" * 9000}, steps) as opened:
            opened.log({"loss": 1.0}, 20)
    assert [len(value) for _, value in client.parameters] == [500]
    assert [(name, value, step) for name, value, _, step in client.metrics] == [("loss", 1, 20)] * 2
    assert client.ended == 2


class MlflowClient:
    """The calls of MLflow's client that are used."""

    def __init__(self):
        self.runs, self.parameters, self.metrics, self.ended = {}, [], [], 0

    def get_experiment_by_name(self, name):
        return types.SimpleNamespace(experiment_id="7")

    def search_runs(self, experiments, query, max_results):
        return [run for name, run in self.runs.items() if query.endswith(f"'{name}'")]

    def create_run(self, experiment, run_name):
        run = types.SimpleNamespace(info=types.SimpleNamespace(run_id=run_name))
        self.runs[run_name] = run
        return run

    def log_param(self, run, key, value):
        self.parameters.append((key, value))

    def log_batch(self, run, metrics):
        self.metrics += metrics

    def set_terminated(self, run):
        self.ended += 1
