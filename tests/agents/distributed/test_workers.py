"""``mmrl train --workers``: the same training under Ray, whatever happens to a worker."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmrl.cli import main
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.run import Run
from mmrl.files import WriteError
from mmrl.interrupts import SIGNALS, graceful_stop, signals_interrupt
from mmrl_agents.distributed import cluster
from mmrl_agents.distributed import workers as distributed
from mmrl_agents.distributed.cluster import Cluster, extend_search_path

# not imported here: every process collects this file, and only one runs it
pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray")

FRAGILE = '''
"""A room whose environment of seed 8 kills its process, or raises, as the next line of a file says.
"""

import os
import pathlib
import signal

import gymnasium as gym
import mmrl_envs


class Fragile(gym.Wrapper):
    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self.seed = seed
        return super().reset(seed=seed, options=options)

    def step(self, action):
        self.steps = getattr(self, "steps", 0) + 1
        order = pathlib.Path(__file__).with_name("order")
        if self.seed == 8 and self.steps == 30 and order.exists():
            what, *later = order.read_text().split()
            order.write_text(" ".join(later)) if later else order.unlink()
            if what == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ZeroDivisionError("the camera is off")
        return super().step(action)

    def get_state(self):
        return {"room": self.env.get_wrapper_attr("get_state")(), "seed": self.seed}

    def set_state(self, state):
        self.env.get_wrapper_attr("set_state")(state["room"])
        self.seed, self.steps = state["seed"], 0


gym.register("Fragile-v0", lambda **how: Fragile(gym.make("mmrl/GoToObjS4-v0", **how)))
'''
TINY = {
    "steps": 512, "seed": 3, "device": "cpu", "clip_every": 0, "checkpoint_every": 128,
    "eval_episodes": 4,
    "optimizer": {"name": "sgd"},  # Adam makes whole steps of gradients that are but rounding
    "model": {
        "image_args": {"width": 8}, "text": "bag_of_words", "text_args": {}, "features": 8,
    },
    "ppo": {"num_envs": 8, "n_steps": 16, "batch_size": 64, "n_epochs": 1, "learning_rate": 0.01},
}  # fmt: skip


SHADOW = """
import pathlib, sys
with pathlib.Path(__file__).with_name("fired").open("a") as file:
    print(__name__, sys.argv, file=file)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with an environment of one's own and a configuration, where commands are called."""
    (tmp_path / "fragile.py").write_text(FRAGILE)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({"env": "fragile:Fragile-v0", **TINY}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.fixture
def shadows(place):
    """Files in the working directory that have the names of installed modules: none is run."""
    fired = place / "fired"
    for name in ("yaml", "torch", "packaging"):
        (place / f"{name}.py").write_text(SHADOW)
    subprocess.run([sys.executable, "-c", "import yaml"], cwd=place, check=True)
    assert fired.read_text().startswith("yaml")
    fired.unlink()
    yield
    assert not fired.exists(), fired.read_text()


@pytest.fixture(scope="session")
def ports():
    """The module ``benchmarks/ports.py``."""
    path = Path(__file__).parents[3] / "benchmarks" / "ports.py"
    spec = importlib.util.spec_from_file_location("mmrl_benchmarks_ports", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def steps_shown(run):
    accumulator = EventAccumulator(str(run.path), {"scalars": 0})
    accumulator.Reload()
    return [event.step for event in accumulator.Scalars("rollout/success_rate")]


def train(out, *more):
    own = ["--env", "fragile:Fragile-v0"]  # code that a file names is not trusted
    return main(["train", "--config", "tiny.yaml", *own, "--out", out, *more])


@pytest.fixture
def one_ray(tmp_path_factory, monkeypatch):
    """The trainings of a test have one Ray, which is started as the first of them would."""
    folder = tempfile.mkdtemp(prefix=".ray-", dir="/tmp")
    with (
        signals_interrupt(),
        cluster.connected(
            cluster.import_ray(),
            TrainConfig("room", folder, device="cpu"),
            Cluster(2),
            Path(folder),
        ) as resources,
    ):
        monkeypatch.setattr(distributed, "connected", lambda *_: nullcontext(resources))
        yield
    shutil.rmtree(folder, ignore_errors=True)


def test_an_environment_that_raises_and_a_worker_that_is_killed(place, shadows, one_ray, capsys):
    """All go on from the last checkpoint, and end as one process without any accident."""
    assert train("alone") == 0
    (place / "order").write_text("raise die")
    assert train("team", "--workers", "2") == 2
    said = capsys.readouterr().err
    assert "ZeroDivisionError: the camera is off" in said
    assert "seeded with 8" in said
    assert "resumes from the last checkpoint" in said
    assert "the camera is off" in (place / "team/environment_error.txt").read_text()
    alone, team = Run.open("alone"), Run.open("team")
    assert team.newest_checkpoint().name == "step_128"
    assert main(["train", "--resume", "team", "--workers", "2", "--trust-code"]) == 0
    assert not (place / "order").exists()
    said = capsys.readouterr().err
    assert "a worker was lost" in said
    assert "all resume from step_256" in said
    expected, got = alone.read_checkpoint(), team.read_checkpoint()
    assert got.steps == expected.steps == 512
    for name, right in expected.weights.items():
        torch.testing.assert_close(got.weights[name], right, rtol=1e-3, atol=1e-4)
    one, other = (json.loads((run.path / "result.json").read_text()) for run in (alone, team))
    assert one["success_rate"] == other["success_rate"]
    assert list(team.path.glob("*ray*")) == list(team.path.glob(".*")) == []
    assert steps_shown(team) == steps_shown(alone)  # each once
    for number in SIGNALS:  # while there is a Ray, which replaces SIGTERM's handler
        with graceful_stop() as request:
            signal.raise_signal(number)
            assert request.signal == number


def test_an_interrupt(place, shadows, ports):
    """The first signal, which ``timeout`` sends to the whole process group, ends the training after
    an update, and all is saved; until then nothing has been listening where other machines could
    reach it. No other process is in the group: so it is with a terminal's signals, too.
    """
    own = ["--config", "tiny.yaml", "--env", "fragile:Fragile-v0"]
    command = [sys.executable, "-m", "mmrl", "train", *own]
    with (place / "printed").open("w") as printed:
        process = subprocess.Popen(
            [*command, "--out", "team", "--workers", "2", "--steps", "50000",
             "--checkpoint_every", "0"],
            stderr=printed, stdout=subprocess.PIPE, text=True, start_new_session=True,
            preexec_fn=lambda: [signal.signal(one, signal.SIG_DFL) for one in SIGNALS],
        )  # fmt: skip
    deadline = time.monotonic() + 300
    while "steps/s" not in (place / "printed").read_text() and time.monotonic() < deadline:
        assert process.poll() is None, (place / "printed").read_text()
        time.sleep(0.2)
    listening, processes = ports.listeners(process.pid), ports.tree(process.pid)
    assert [one for one in processes if os.getpgid(one) == process.pid] == [process.pid]
    os.killpg(process.pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM
    assert "stopping after this update" in (place / "printed").read_text()
    newest = Run.open(place / "team").newest_checkpoint()
    assert f"{newest.name} was saved" in out
    assert "mmrl train --resume" in out
    assert len(listening) > 10
    assert {one for one in listening if not one.is_loopback} == set()
    deadline = time.monotonic() + 30
    while any(map(is_running, processes)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not any(map(is_running, processes))


def is_running(pid):
    """Whether there is such a process that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


LISTEN = """
import socket, sys, time
server = socket.create_server((sys.argv[1], 0), family=socket.AddressFamily[sys.argv[2]])
print(server.getsockname()[1], flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("address", "family", "loopback"),
    [("0.0.0.0", "AF_INET", False), ("::", "AF_INET6", False), ("127.0.0.1", "AF_INET", True)],
)
def test_the_listing_shows_what_others_can_reach(ports, address, family, loopback):
    command = [sys.executable, "-c", LISTEN, address, family]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        port = int(process.stdout.readline())
        (found,) = ports.listeners(process.pid)
        process.kill()
    assert (found.port, found.is_loopback) == (port, loopback)


def test_a_worker_that_fails_after_an_interrupt(tmp_path, capsys):
    """The command says which checkpoint there is."""
    run = Run.create(tmp_path / "run", {"env": "room"})
    distributed._report_interrupt(run, None, "number 1: killed")
    assert "lost after the interrupt (number 1: killed): there is no" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"the camera is off \(there is no checkpoint\)"):
        distributed._report_interrupt(run, "the camera is off", "number 1: killed")


def test_sigterm_while_ray_starts(tmp_path):
    """Ray answers by the end of the process; here it is an interrupt as any other."""

    def init(**_):
        sys.exit(signal.SIGTERM)

    ray, closed = SimpleNamespace(init=init), []
    ray.shutdown = lambda: closed.append(True)
    with pytest.raises(KeyboardInterrupt), cluster.connected(ray, None, Cluster(2), tmp_path):
        pass
    assert closed


def test_the_search_path_of_workers_is_extended_at_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", ["/python", "/packages"])
    extend_search_path([str(tmp_path), "/packages", str(tmp_path), "/python"])
    assert sys.path == ["/python", "/packages", str(tmp_path)]
    monkeypatch.setattr(sys, "path", ["", "/python"])
    monkeypatch.chdir(tmp_path)
    assert cluster.search_path() == [str(tmp_path), "/python"]


@pytest.mark.parametrize("address", [None, "10.0.0.1:6379"])
def test_the_folder_for_ray_is_removed_and_nothing_else(tmp_path, monkeypatch, address):
    monkeypatch.setattr(distributed, "_temporary_folder", lambda: tmp_path / "temporary")
    (tmp_path / "temporary").mkdir()
    run = Run.create(tmp_path / "run", {"env": "room"})
    (run.path / "ray").mkdir()  # the user's own
    before = sorted(tmp_path.rglob("*"))
    where = Cluster(2, address)
    with distributed._work_folder(run, where) as folder:
        assert folder.parent == (run.path if address else tmp_path / "temporary")
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "ray").mkdir()
        (folder / "ray" / "state").touch()
    with pytest.raises(OSError, match="of the block"), distributed._work_folder(run, where):
        raise OSError("an error of the block")
    assert sorted(tmp_path.rglob("*")) == before
    (tmp_path / "temporary").rmdir()
    run.path.rename(tmp_path / "moved")
    with pytest.raises(WriteError, match="cannot be written"), distributed._work_folder(run, where):
        pass


def test_a_token_of_its_own(monkeypatch):
    """Ray asks for it, and what the user has set is as it was afterwards."""
    from mmrl_agents.distributed.loopback import own_token

    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of a cluster")
    tokens = set()
    for _ in range(2):
        with own_token():
            assert os.environ["RAY_AUTH_MODE"] == "token"
            tokens.add(os.environ["RAY_AUTH_TOKEN"])
        assert "RAY_AUTH_MODE" not in os.environ
        assert os.environ["RAY_AUTH_TOKEN"] == "of a cluster"
    assert len(tokens) == 2
    assert min(map(len, tokens)) >= 32
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with own_token():
        assert os.environ["RAY_AUTH_MODE"] == "disabled"


def test_a_cluster_that_asks_for_a_token(monkeypatch):
    def init(**_):
        raise ConnectionError("Failed to connect")

    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with pytest.raises(UserError, match=r"no Ray cluster answers .* set RAY_AUTH_MODE=token"):
        cluster._connect(SimpleNamespace(init=init), "10.0.0.1:6379")


@pytest.mark.parametrize("error", [OSError(28, "No space"), Exception("token")])
def test_ray_that_does_not_start(error, tmp_path):
    def init(**_):
        raise error

    with pytest.raises(UserError, match=r"--workers 2: Ray cannot be started .*(No space|token)"):
        cluster._start(SimpleNamespace(init=init), 2, tmp_path)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--workers", "3"], "--workers 3 must divide ppo.num_envs=8"),
        (["--workers", "-1"], "--workers -1: must be at least 0"),
        (["--workers", "2", "--agent", "dqn"], "agent 'dqn' learns in one process"),
        (["--workers", "2", "--profile", "true"], "profile in one process"),
        (["--address", "here:1"], "give the number of --workers"),
        (["--workers", "2", "--address", "127.0.0.1:1"], "no Ray cluster answers"),
        (["--workers", "2", "--ppo.batch_size", "60"], "ppo.batch_size=60 must divide"),
    ],
)
def test_what_cannot_be_is_refused(place, capsys, more, said):
    assert train("team", *more) == 2
    assert said in capsys.readouterr().err
    assert not (place / "team").exists()


def test_ray_is_an_extra(place, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert train("team", "--workers", "2") == 2
    assert "pip install 'multimodal-rl[ray]'" in capsys.readouterr().err


def test_a_dry_run_prints_the_plan(place, capsys):
    assert train("team", "--workers", "4", "--dry_run", "true") == 0
    plan = capsys.readouterr().out
    assert "8 in all, 2 each" in plan
    assert "2 an update" in plan
    assert not (place / "team").exists()
    assert train("team", "--agent", "dqn", "--dry_run", "true") == 2
