"""The world model: imagined steps are its predictions, episodes end once, and it can be trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmrl.experiment.renamed import rename_weights
from mmrl.generative.world_model.model import WorldModel
from mmrl.generative.world_model.spatial_memory import STILL
from mmrl.generative.world_model.state import Batch, RelabelledSteps, State
from mmrl.models.encoders.words import BagOfWords
from tests.mmrl.generative.walks import CODES, FORWARD, GRID, MOTIONS, walk

STEPS = 6
GOAL = 3  # of the second instruction: facing this token is rewarded and ends the episode


def world_model(seed: int = 0, **changes: object) -> WorldModel:
    torch.manual_seed(seed)
    options = {"width": 32, "heads": 2, "layers": 1, "frames": 4, "margin": 6, **changes}
    text = BagOfWords(8, width=8)
    model = WorldModel(CODES, GRID, 3, MOTIONS, text, **options).eval()
    walks = [walk(one, 40) for one in range(5)]
    model.ego_motion.fit(
        torch.cat([one.ids[:-1] for one in walks]),
        torch.cat([one.ids[1:] for one in walks]),
        torch.cat([one.actions for one in walks]),
    )
    return model


def batch(model: WorldModel, seeds: range, steps: int = STEPS) -> Batch:
    walks = [walk(seed, steps) for seed in seeds]
    ids = torch.stack([one.ids for one in walks])
    actions = torch.stack([one.actions for one in walks])
    (newest, before, motions), _ = model.read_memory(ids, actions, torch.full((len(walks),), steps))
    which = torch.arange(len(walks)) % 2
    faces = (ids[:, 1:, 4] == GOAL) & which.bool()[:, None]
    words = torch.stack([torch.full_like(which, 2), 3 + which], 1)
    mask = torch.ones_like(actions, dtype=torch.bool)
    return Batch(ids, newest, before, motions, actions, 0.5 * faces, faces, mask, words)


def start(model: WorldModel, one: Batch) -> State:
    return model.observe(one.ids[:, :1], one.actions[:, :0], one.words)


def test_imagining_a_step_equals_predicting_all_steps_in_parallel():
    """With the cache of the steps before, as without it."""
    model = world_model()
    one = batch(model, range(8))
    predicted = model.predict(one)
    right_motion = model._motion_logits(one.ids[:, :-1], one.actions).argmax(-1) == one.motions
    assert right_motion.float().mean() > 0.5
    for t in range(STEPS):
        state = model.observe(one.ids[:, : t + 1], one.actions[:, :t], one.words)
        imagined, _ = model.imagine(state, one.actions[:, t : t + 1])
        same = right_motion[:, t]
        assert torch.equal(imagined.ids[same, 0], predicted.ids[same, t])
        assert torch.equal(imagined.ends[same, 0], predicted.ends[same, t])
        assert torch.allclose(imagined.rewards[same, 0], predicted.rewards[same, t], atol=1e-5)


def test_many_steps_are_the_same_as_one_after_the_other():
    model = world_model()
    one = batch(model, range(3))
    whole, last = model.imagine(start(model, one), one.actions)
    state, ids = start(model, one), []
    for t in range(STEPS):
        step, state = model.imagine(state, one.actions[:, t : t + 1])
        ids.append(step.ids)
    assert torch.equal(torch.cat(ids, 1), whole.ids)
    assert torch.equal(state.ids, last.ids)
    for one, other in zip(state.leaves(), last.leaves(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_later_images_change_nothing_before():
    model = world_model()
    one = batch(model, range(3))
    ids = one.ids.clone()
    ids[:, 4:] = torch.randint(0, CODES, ids[:, 4:].shape)
    lengths = torch.full((3,), STEPS)
    (newest, before, _), _ = model.read_memory(ids, one.actions, lengths)
    other = one._replace(ids=ids, newest=newest, before=before)
    logits, changed = model._token_logits(one), model._token_logits(other)
    assert torch.equal(newest[:, :3], one.newest[:, :3])
    assert torch.allclose(logits[:, :3], changed[:, :3])
    assert not torch.allclose(logits[:, 4:], changed[:, 4:])


def test_each_history_has_its_own_length():
    model = world_model()
    one = batch(model, range(3))
    lengths = torch.tensor([0, 2, STEPS])
    state = model.observe(one.ids, one.actions, one.words, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = model.observe(
            one.ids[row : row + 1, : length + 1],
            one.actions[row : row + 1, :length],
            one.words[row : row + 1],
        )
        assert torch.equal(state.ids[row], alone.ids[0])
        assert torch.equal(state.memory.newest[row], alone.memory.newest[0])
        actions = torch.full((1, 3), FORWARD)
        two = model.imagine(state.rows(torch.tensor([row])), actions)[0]
        assert torch.equal(two.ids, model.imagine(alone, actions)[0].ids)


def test_ends_stay_ended():
    model = world_model()
    model.outcome.outcome_head.bias.data[2] = 100  # every step is the end
    one = batch(model, range(2))
    imagined, state = model.imagine(start(model, one), one.actions)
    assert imagined.ends.all()
    assert state.ended.all()
    assert not imagined.rewards[:, 1:].any()
    assert torch.equal(imagined.ids[:, :1].expand_as(imagined.ids), imagined.ids)


def test_predicted_ends_can_be_ignored():
    model = world_model()
    one = batch(model, range(4))
    usual, _ = model.imagine(start(model, one), one.actions)
    model.outcome.outcome_head.bias.data[2] += 100
    imagined, state = model.imagine(start(model, one), one.actions, ignore_ends=True)
    assert imagined.ends.all()
    assert not state.ended.any()
    never = ~usual.ends.any(1)
    assert torch.equal(imagined.ids[never], usual.ids[never])


def test_sampling_depends_on_the_generator_alone():
    model = world_model()
    one = batch(model, range(2))

    def imagined(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return model.imagine(start(model, one), one.actions, temperature=1.0, generator=generator)[
            0
        ].ids

    assert torch.equal(imagined(1), imagined(1))
    assert not torch.equal(imagined(1), imagined(2))


def test_states_are_put_together_row_by_row():
    model = world_model()
    one = batch(model, range(4))
    first, second = start(model, one), model.imagine(start(model, one), one.actions)[1]
    mixed = State.of(first.leaves()).rows(torch.arange(4))
    mixed.put(torch.tensor([2, 0]), second.rows(torch.tensor([2, 0])))
    for parts in zip(mixed.leaves(), first.leaves(), second.leaves(), strict=True):
        assert torch.equal(parts[0][[0, 2]], parts[2][[0, 2]])
        assert torch.equal(parts[0][[1, 3]], parts[1][[1, 3]])


def test_padding_does_not_count():
    model = world_model()
    one = batch(model, range(4))
    mask = one.mask.clone()
    mask[:, 4:] = False
    ids = one.ids.clone()
    ids[:, 5:] = 0
    whole = model.loss(one._replace(mask=mask))
    other = model.loss(one._replace(mask=mask, ids=ids, rewards=one.rewards + ~mask))
    assert torch.allclose(whole["loss"], other["loss"])


def test_without_an_instruction_none_matters():
    torch.manual_seed(0)
    model = WorldModel(CODES, GRID, 3, [STILL], None, width=16, heads=2, margin=0).eval()
    one = batch(world_model(), range(2))
    one = one._replace(motions=torch.zeros_like(one.motions))
    assert torch.equal(
        model.loss(one)["loss"], model.loss(one._replace(words=one.words.flip(0)))["loss"]
    )


def test_the_outcome_loss_is_that_of_reward_and_end():
    """Steps relabelled with their own instruction have the loss of the same steps of the batch."""
    model = world_model()
    one = batch(model, range(4))
    outcome = model._predict_outcomes(one, one.ids[:, 1:])
    parts = outcome.losses(one.rewards.flatten(), one.ends.flatten(), one.mask.flatten())
    steps = RelabelledSteps(
        one.ids[:, 1:].flatten(0, 1),
        one.newest.flatten(0, 1),
        one.actions.flatten(),
        one.words.repeat_interleave(STEPS, 0),
        one.ends.flatten(),
    )
    expected = (parts["rewarded"] + parts["end"]) / 2
    assert torch.allclose(model.outcome_loss(steps), expected)
    other = steps._replace(achieved=~steps.achieved)
    assert not torch.allclose(model.outcome_loss(other), expected)


@pytest.fixture(scope="module")
def learned() -> WorldModel:
    model = world_model().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, fused=True)
    whole = batch(model, range(100, 400), 8)
    generator = np.random.default_rng(0)
    for _ in range(250):
        rows = torch.from_numpy(generator.integers(300, size=16))
        optimizer.zero_grad()
        model.loss(Batch(*(one[rows] for one in whole)))["loss"].backward()
        optimizer.step()
    return model.eval()


def test_it_learns_to_predict_observed_places_and_the_instructions_outcome(learned: WorldModel):
    one = batch(learned, range(1000, 1060), 10)
    imagined, _ = learned.imagine(start(learned, one), one.actions)
    known = one.newest[:, 0] != CODES
    right = imagined.ids[:, 0] == one.ids[:, 1]
    assert right[known].float().mean() > 0.97
    predicted = learned.predict(one)
    hits = (predicted.ends & one.ends).sum() / one.ends.sum()
    assert hits > 0.8
    assert (predicted.ends & ~one.ends).float().mean() < 0.05


def test_weights_under_their_earlier_names_are_loaded():
    """Of a simulator's checkpoint, in which the model is ``model``."""
    model = world_model(seed=1)
    now_then = {
        "ego_motion.surprisal": "odometry.surprise",
        "ego_motion.prior": "odometry.prior",
        "motion_encoder.0.weight": "foretell.0.weight",
        "motion_encoder.2.bias": "foretell.2.bias",
        "motion_head.1.weight": "choose.1.weight",
        "logits_head.weight": "name.weight",
        "copy_head.bias": "point.bias",
        "outcome.outcome_head.weight": "outcome.tell.weight",
    }
    weights = model.state_dict()
    assert now_then.keys() <= weights.keys()
    earlier = {f"model.{now_then.get(name, name)}": one for name, one in weights.items()}
    assert rename_weights(earlier).keys() == {f"model.{name}" for name in weights}
