"""What is played next, how episodes are scored across rollouts, and what is learnt from."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.contract import EVAL_SEED_START
from mmrl.errors import UserError
from mmrl_agents.curriculum.config import CURRICULA, CurriculumConfig
from mmrl_agents.curriculum.curriculum import Curriculum
from mmrl_agents.curriculum.part import CurriculumPart
from mmrl_agents.curriculum.scores import SCORES

ENVS, STEPS = 3, 7


class Past:
    """Plays random rollouts with a curriculum, and remembers them."""

    def __init__(self, curriculum, seed):
        self.curriculum, self.generator = curriculum, np.random.default_rng(seed)
        self.begun = [[(0, level)] for level in curriculum.begin_all()]  # at which step, what
        self.parts = []

    def rollout(self):
        draw = self.generator
        rewards = draw.random((STEPS, ENVS))
        over = draw.random((STEPS, ENVS)) < 0.25
        values, advantages = draw.standard_normal((2, STEPS, ENVS)).astype(np.float32)
        self.curriculum.begin_rollout()
        done = STEPS * len(self.parts)
        for t in range(STEPS):
            for e in self.curriculum.step(rewards[t], over[t]):
                self.begun[e].append((done + t + 1, self.curriculum.begin(e)))
        self.parts.append((rewards, over, values, advantages))
        return self.curriculum.update(values, advantages)

    def episodes(self):
        """Of the episodes that have ended, by their ends: level, rewards, values, advantages."""
        rewards, _, values, advantages = map(np.concatenate, zip(*self.parts, strict=True))
        found = []
        for e, begun in enumerate(self.begun):
            for (start, level), (stop, _) in itertools.pairwise(begun):
                part = slice(start, stop), e
                found.append((stop, e, level, rewards[part], values[part], advantages[part]))
        return [one[2:] for one in sorted(found, key=lambda one: one[:2])]


FORMULAS = {
    "value_l1": lambda values, advantages, best: np.abs(advantages).mean(),
    "positive_value_loss": lambda values, advantages, best: np.clip(advantages, 0, None).mean(),
    "max_mc": lambda values, advantages, best: (best - values).mean(),
}


def make(kind="plr", seed=0, **changes):
    return Curriculum(ENVS, CurriculumConfig(kind, **{"first": 2, **changes}), seed)


@settings(deadline=None)
@given(st.sampled_from(sorted(SCORES)), st.sampled_from(sorted(CURRICULA)), st.integers(0, 99))
def test_episodes_are_scored_over_the_rollouts_that_they_lie_in(score, kind, seed):
    curriculum = make(kind, seed, score=score, size=1000)
    past = Past(curriculum, seed)
    for _ in range(6):
        past.rollout()
    expected, best = {}, {}
    for level, rewards, values, advantages in past.episodes():
        best[level] = max(best.get(level, -np.inf), rewards.sum())
        expected[level] = FORMULAS[score](values, advantages, best[level])
    scores = dict(zip(curriculum.levels.names, curriculum.levels.scores, strict=True))
    assert scores.keys() == expected.keys()
    for level, known in expected.items():
        assert scores[level] == pytest.approx(known, abs=1e-5)
        assert curriculum.levels.best(level) == pytest.approx(best[level])


def test_every_score_has_a_formula():
    assert SCORES.keys() == FORMULAS.keys()


@pytest.mark.parametrize("kind", sorted(CURRICULA))
def test_what_is_learnt_from(kind):
    """All of it; or replays alone: levels that were there when they began."""
    curriculum = make(kind, size=1000)
    past, learnt = Past(curriculum, 1), []
    known = {}
    for _ in range(30):
        learnt.append(past.rollout())
        for level in curriculum.levels.names:
            known.setdefault(level, len(learnt) * STEPS)
    learnt = np.concatenate(learnt)
    if kind == "plr":
        assert learnt.all()
        return
    assert 0.1 < learnt.mean() < 0.9
    for e, begun in enumerate(past.begun):
        for (start, level), (stop, _) in itertools.pairwise(begun):
            is_replay = known.get(level, np.inf) <= start
            assert (learnt[start:stop, e] == is_replay).all()


def test_no_held_out_seed_is_ever_offered(monkeypatch):
    asked = []
    curriculum = make(first=8)
    generator = curriculum._rng

    class Asked:
        def __getattr__(self, name):
            return getattr(generator, name)

        def integers(self, high, **kwargs):
            asked.append(high)
            return generator.integers(high, **kwargs)

    monkeypatch.setattr(curriculum, "_rng", Asked())
    new = [curriculum.begin(0) for _ in range(50)]
    assert asked == [EVAL_SEED_START] * 50
    assert all(0 <= seed < EVAL_SEED_START for (seed,) in new)


def test_replays_are_as_often_as_wanted():
    curriculum = make(replay=0.8, first=10, size=10)
    for k in range(10):
        assert curriculum.begin(0) not in curriculum.levels
        curriculum.levels.update((k,), k / 10, best=1.0, begun=k + 1)
    replayed = [curriculum.begin(0) in curriculum.levels for _ in range(2000)]
    assert np.mean(replayed) == pytest.approx(0.8, abs=0.03)
    assert curriculum.metrics()["replayed"] == pytest.approx(0.8, abs=0.1)


def test_a_level_that_was_replayed_has_a_child():
    curriculum = make("accel", replay=0.9, edits=3)
    past = Past(curriculum, 2)
    for _ in range(20):
        past.rollout()
    played = [level for begun in past.begun for _, level in begun]
    children = {level for level in played if len(level) > 1}
    assert children
    for level in children:
        assert len(level) % 3 == 1
        assert level[:-3] in played
    assert curriculum.metrics()["mean_edits"] > 0
    assert all(len(level) == 1 for level in (make("plr").begin(0) for _ in range(5)))


@pytest.mark.parametrize("kind", sorted(CURRICULA))
def test_it_goes_on_as_it_would_have(kind):
    one, other = make(kind, 1), make(kind, 2)
    past = Past(one, 3)
    for _ in range(10):
        past.rollout()
    other.set_state(one.get_state())
    rest = Past.__new__(Past)
    rest.curriculum, rest.generator = other, np.random.default_rng(8)
    rest.begun, rest.parts = [[] for _ in range(ENVS)], list(past.parts)
    past.generator, past.begun = np.random.default_rng(8), [[] for _ in range(ENVS)]
    for _ in range(10):
        assert np.array_equal(past.rollout(), rest.rollout())
    assert past.begun == rest.begun
    assert one.metrics() == other.metrics()
    with pytest.raises(ValueError, match="3 levels were being played, now there are 2"):
        Curriculum(2, CurriculumConfig(kind)).set_state(one.get_state())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"score": "max_mcc"}, "unknown score of a curriculum 'max_mcc': did you mean 'max_mc'"),
        ({"sise": 3}, "unknown option of ppo.curriculum 'sise': did you mean 'size'"),
        ({"size": 0}, "size=0: must be at least 1"),
        ({"size": 2.5}, "size=2.5: must be a whole number"),
        ({"replay": "often"}, "replay='often': must be a number"),
        ({"size": 10}, "first=64: must be at most size=10"),
        ({"replay": 1}, "replay=1: must be between 0 and 1"),
        ({"temperature": 0.0}, "temperature=0.0: must be above 0"),
        ({"staleness": 1.5}, "staleness=1.5: must be 0 to 1"),
    ],
)
def test_settings_that_cannot_be(given, message):
    with pytest.raises(UserError, match=message):
        CurriculumPart.read("ppo.curriculum", {"kind": "plr", **given})


def test_accel_replays_more_often_by_default():
    assert CurriculumConfig("plr").replay_probability == 0.5
    assert CurriculumConfig("accel", size=99).replay_probability == 0.8
    assert CurriculumConfig("accel", replay=0.25).replay_probability == 0.25
