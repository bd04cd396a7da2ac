"""The whole life of an agent in environments with any observation and any action space.

    pytest tests/agents/test_any_spaces.py --hypothesis-profile thorough

tries many more of them than a run of all tests does.
"""

import json
from tempfile import TemporaryDirectory

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from worlds.bits import OBSERVATIONS

import mmrl
from mmrl.cli import main
from mmrl.data import open_dataset
from mmrl.env_apis.registration import env_id_of
from mmrl.experiment.run import Run
from mmrl.wrappers.nested_spaces import leaves
from tests.mmrl.wrappers.action_spaces import SPACES
from tests.mmrl.wrappers.adapt.test_plan import NESTED

SMALL = {
    "device": "cpu", "clip_every": 256, "eval_episodes": 4, "controls": False, "verbose": False,
    "model": {"features": 8, "image_args": {"width": 8}, "text": "bag_of_words"},
    "ppo": {"num_envs": 16, "n_steps": 8, "batch_size": 64, "n_epochs": 1},
}  # fmt: skip


class Anything(gym.Env):
    """What is observed is drawn from a space, episodes last for three steps, and it insists on
    actions of its space. The reward, success and how the last step ends are drawn, too.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}

    def __init__(self, observations, actions, render_mode=None):
        self.observation_space, self.action_space = observations, actions
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        if action not in self.action_space:
            raise ValueError(f"{action!r} is not in {self.action_space}")
        self.steps += 1
        is_over, draw = self.steps == 3, float(self.np_random.random())
        info = {"is_success": draw > 0.3} if is_over else {}
        terminated = is_over and draw > 0.1
        return self.observation_space.sample(), draw, terminated, is_over and not terminated, info

    def render(self):
        return np.full((16, 16, 3), 50 * self.steps, np.uint8)


def is_seen(space):
    """Whether there is anything to see besides sentences, and speech, which is for the ears."""
    seen = [leaf for leaf in leaves(space) if not isinstance(leaf.space, spaces.Text)]
    return any(leaf.path != ("speech",) for leaf in seen)


OBSERVED = st.sampled_from([space for space, _ in OBSERVATIONS.values()]) | NESTED.filter(is_seen)


EXAMPLES = 72 if settings.get_current_profile_name() == "thorough" else 5
PHASES = set(Phase) - {Phase.shrink, Phase.explain}  # each example takes a second


@pytest.mark.filterwarnings("ignore:.*no state that can be saved")
@pytest.mark.filterwarnings("ignore:an instruction is empty")
@pytest.mark.filterwarnings("ignore:.*outside the agent.s vocabulary")
@pytest.mark.filterwarnings("ignore:.*WARN")  # Gymnasium's, of spaces that it finds odd
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES
)
@given(OBSERVED, SPACES)
def test_train_clip_evaluate_resume_collect_and_read(observations, actions):
    env = env_id_of(lambda **args: Anything(observations, actions, **args))
    with TemporaryDirectory() as folder:
        run = mmrl.train(env=env, steps=256, out=f"{folder}/run", **SMALL)
        assert "<img" in run.agent.clip()._repr_html_()
        found = json.loads((run.path / "result.json").read_text())
        assert found["episodes"] == 4
        assert found["mean_length"] == 3
        again = mmrl.evaluate(run, episodes=8, controls=False)
        assert again["success_rate"] is not None
        mmrl.resume(run, steps=384, allow_changes=True, verbose=False)
        assert Run.open(run.path).newest_checkpoint().name == "step_384"
        data = f"{folder}/data"
        assert main(["collect", env, "--by", str(run.path), "--episodes", "3", "--out", data]) == 0
        episodes = open_dataset(data)
        assert len(episodes) == 3
        assert len(episodes[0].actions) == 3
