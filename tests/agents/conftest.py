"""What the tests of the agents share: tiny trainings on tiny rooms."""

from dataclasses import asdict, replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmrl.experiment.config import TrainConfig
from mmrl.experiment.run import Run
from mmrl.models.build import build_tokenizer
from mmrl.models.config import ModelConfig
from mmrl.seeding import seed_torch
from mmrl.wrappers.adapters import instruction_words, make_vec_env
from mmrl_agents.algorithms.ppo import PPOConfig
from mmrl_agents.vec_env import MultimodalVecEnv
from tests.warm import subprocess as warm_subprocess

GRID = "mmrl/GoToObjS4-v0"
COUNTER = "test/Counter-v0"
LETTERS = "abcdefghijklmnopqrstuvwxyz "


class Counter(gym.Env):
    """Its camera shows the step; action 1 ends with reward 1; truncated after 3 steps."""

    def __init__(self, render_mode=None):
        self.observation_space = spaces.Dict(
            {
                "camera": spaces.Box(0, 255, (16, 16, 3), np.uint8),
                "task": spaces.Text(30, charset=LETTERS),
            }
        )
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.word = 0, ("one", "two", "three")[self.np_random.integers(3)]
        return self.look(), {}

    def step(self, action):
        self.steps += 1
        hit = int(action) == 1
        return self.look(), float(hit), hit, self.steps == 3 and not hit, {"success": hit}

    def look(self):
        camera = np.full((16, 16, 3), self.steps, np.uint8)
        return {"camera": camera, "task": f"count to {self.word}"}


@pytest.fixture(autouse=True)
def _one_thread_and_seed():
    torch.set_num_threads(1)
    seed_torch(0)


@pytest.fixture(scope="session")
def counter():
    """The id of an environment that mmrl steps in Gymnasium's SyncVectorEnv."""
    if COUNTER not in gym.registry:
        gym.register(COUNTER, Counter)
    return COUNTER


@pytest.fixture(scope="session")
def tiny():
    """The configuration of a model that takes milliseconds."""
    return ModelConfig(
        image_args={"width": 8},
        text="bag_of_words",
        text_args={"width": 8},
        features=16,
        instruction_length=10,
    )


@pytest.fixture(scope="session")
def tiny_bert(tiny):
    """The same with a BERT, which takes twice the time."""
    return replace(tiny, text="small_bert", text_args={"width": 8, "layers": 1, "heads": 2})


@pytest.fixture
def make_batch(tiny):
    """Makes a MultimodalVecEnv of so many environments."""
    made = []

    def make(env_id=GRID, num_envs=4, **env_args):
        tokenizer = build_tokenizer(tiny, instruction_words(env_id, samples=20, **env_args))
        made.append(MultimodalVecEnv(make_vec_env(env_id, num_envs, **env_args), tokenizer))
        return made[-1]

    yield make
    for env in made:
        env.close()


@pytest.fixture(scope="session")
def hyper():
    """PPO on few transitions."""
    return PPOConfig(num_envs=8, n_steps=16, batch_size=64, n_epochs=2)


@pytest.fixture(scope="session")
def make_run(tiny, hyper):
    """Makes a run folder, and the configuration that goes with it."""

    def make(path, env=GRID, **changes):
        settings = {"steps": 256, "device": "cpu", "clip_every": 0, "checkpoint_every": 0}
        config = TrainConfig(
            env=env, out=str(path), **{"model": tiny, "seed": 3, **settings, **changes}
        )
        return config, Run.create(path, {**asdict(config), "ppo": asdict(hyper)})

    return make


@pytest.fixture(scope="session")
def observations():
    """The first observations of a batch of environments."""

    def collect(env_id, count):
        env = make_vec_env(env_id, count)
        observation, _ = env.reset(seed=11)
        env.close()
        return observation

    return collect


@pytest.fixture(scope="session")
def curves():
    """What TensorBoard shows of a run: its scalars, but those of time."""

    def read(run):
        events = EventAccumulator(str(run.events), {"scalars": 0})
        events.Reload()
        tags = (tag for tag in events.Tags()["scalars"] if not tag.startswith(("time/", "cache/")))
        return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags}

    return read


@pytest.fixture
def stop(monkeypatch):
    """Has the batch raise at a step, once."""

    def arrange(at, error):
        step, count = MultimodalVecEnv.step_wait, [0]

        def stepping(self):
            count[0] += 1
            if count[0] == at:
                raise error
            return step(self)

        monkeypatch.setattr(MultimodalVecEnv, "step_wait", stepping)

    return arrange


@pytest.fixture
def warm(monkeypatch):
    """Trainings that commands begin in processes of their own begin with all imported."""
    monkeypatch.setattr("mmrl.cli.processes.subprocess", warm_subprocess)


REACH = "test/Reach-v0"


class Reach(gym.Env):
    """A wheel to be turned: the reward is how near the action was to what word and colour ask for.

    "left" asks for minus the brightness of the image, "right" for plus.
    """

    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (16, 16, 3), np.uint8),
        instruction=spaces.Text(10, charset=LETTERS),
    )
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, render_mode=None):
        pass

    def look(self):
        self.light = int(self.np_random.integers(256))
        return {"image": np.full((16, 16, 3), self.light, np.uint8), "instruction": self.word}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.word, self.steps = ("left", "right")[self.np_random.integers(2)], 0
        return self.look(), {}

    def step(self, action):
        self.steps += 1
        wanted = self.light / 255 * (1 if self.word == "right" else -1)
        miss = abs(float(action[0]) - wanted)
        over = self.steps == 4
        return self.look(), 1 - miss, over, False, {"is_success": miss < 0.25} if over else {}

    def get_state(self):
        return {"word": self.word, "steps": self.steps, "light": self.light}

    def set_state(self, state):
        self.word, self.steps, self.light = state["word"], state["steps"], state["light"]


@pytest.fixture(scope="session")
def reach():
    """The id of an environment with continuous actions, and a state that it can tell."""
    if REACH not in gym.registry:
        gym.register(REACH, Reach)
    return REACH
