"""Images and sentences find each other, nothing held out is learnt from, and the rest is kept."""

import json

import numpy as np
import pytest
import torch
from worlds.shapes import ShapeLanguage

from mmrl.data import open_dataset
from mmrl.data.captioned import Scenes, read_scenes
from mmrl.errors import UserError
from mmrl.experiment.run import Run
from mmrl.training.load import load
from mmrl.training.tasks.retrieval import RetrievalConfig, RetrievalTask, embed
from mmrl.training.trainer import fit

COLOURS = {"teal": (255, 0, 0), "ochre": (0, 255, 0), "violet": (0, 0, 255), "white": (9, 9, 9)}
NOUNS = {"star": (2, 2), "hexagon": (6, 1), "arch": (3, 6)}
LANGUAGE = ShapeLanguage()
mentions_held_out = LANGUAGE.is_held_out


def tiny(**changes):
    options = {
        "image_args": {"width": 8, "patch": 4}, "text_args": {"width": 8}, "width": 16,
        "hidden": 16, "batch_size": 8, "learning_rate": 0.01, "device": "cpu", "test_share": 0.2,
        **changes,
    }  # fmt: skip
    return RetrievalConfig("runs/none", **options)


def scenes(count=120, seed=0):
    """A patch of a colour, as large as the thing is, on one side; two to an episode."""
    generator = np.random.default_rng(seed)
    images, sentences = np.full((count, 16, 16, 3), 255, np.uint8), []
    for image in images:
        colour, noun = generator.choice(list(COLOURS)), generator.choice(list(NOUNS))
        (height, width), left = NOUNS[noun], generator.random() < 0.5
        x = 1 if left else 9
        image[2 : 2 + height, x : x + width] = COLOURS[colour]
        sentences.append(f"a {colour} {noun} on the {'left' if left else 'right'}")
    return Scenes(images, sentences, np.arange(count) // 2, LANGUAGE)


def test_it_learns(tmp_path):
    torch.manual_seed(0)
    options = tiny(steps=200, batch_size=16, learning_rate=0.005, partial=0.2, evaluate_every=200)
    task = RetrievalTask(options, scenes(400))
    before = task.evaluate().metrics
    evaluation = fit(task, options, Run.create(tmp_path / "run", {"task": "retrieval"}))
    for way in ("find_image", "find_sentence"):
        assert evaluation.metrics[f"{way}_r_at_1"] > 0.6 > before[f"{way}_r_at_1"]
        assert evaluation.metrics[f"{way}_mean_rank"] < before[f"{way}_mean_rank"]
    assert len(evaluation.samples) == 8
    assert evaluation.images["search"].ndim == 3
    module = load(tmp_path / "run", "retrieval", "cpu")
    test = task.tests[""]
    for one, two in zip(embed(module, test), embed(task.module.eval(), test), strict=True):
        assert np.array_equal(one, two)


def test_going_on_is_exact(tmp_path):
    options = tiny(steps=12, checkpoint_every=5, keep_checkpoints=9)
    made = []
    for name, resume in (("whole", False), ("parts", True)):
        torch.manual_seed(0)
        task = RetrievalTask(options, scenes())
        run = Run.create(tmp_path / name, {"task": "retrieval"})
        if resume:
            (tmp_path / "whole" / "checkpoints" / "step_5").rename(run.checkpoints / "step_5")
        fit(task, options, run, resume=resume)
        made.append(task.module.state_dict())
    assert all(torch.equal(one, made[1][name]) for name, one in made[0].items())


def test_batches_have_no_description_twice():
    task = RetrievalTask(tiny(partial=0.0), scenes())
    batch = task.batch(np.random.default_rng(0))
    assert batch["image"].shape == (8, 16, 16, 3)
    assert len({tuple(ids) for ids in batch["instruction"].tolist()}) == 8
    assert torch.equal(batch["fits"], torch.eye(8, dtype=torch.bool))
    again = task.batch(np.random.default_rng(0))
    assert all(torch.equal(one, again[name]) for name, one in batch.items())


def test_episodes_are_learnt_from_or_tested():
    given = scenes()
    task = RetrievalTask(tiny(), given)
    test = task.tests[""]
    assert not set(task.train.episodes) & set(test.episodes)
    assert len(set(test.sentences)) == len(test)
    assert len(set(task.train.episodes)) == 48


def test_nothing_held_out_is_learnt_from():
    task = RetrievalTask(tiny(held_out_pairs=True, batch_size=4), scenes())
    words = set(task.module.model.tokenizer.words)
    assert {word for pair in LANGUAGE.held_out_pairs for word in pair} <= words
    assert not any(map(mentions_held_out, task.train.sentences))
    assert not any(map(mentions_held_out, task.tests[""].sentences))
    assert all(map(mentions_held_out, task.tests["held_out_pairs_"].sentences))
    generator = np.random.default_rng(0)
    for _ in range(10):
        task.batch(generator)
    metrics = task.evaluate().metrics
    assert metrics["shown"] == 40
    assert metrics["turned_away"] == task.cases.turned_away > 0
    assert task.cases.kept == len(task.train)
    assert metrics["held_out_shown"] == 0
    assert metrics["held_out_pairs_scenes"] == len(task.tests["held_out_pairs_"])
    everything = RetrievalTask(tiny(), scenes())
    everything.batch(generator)
    assert any(map(mentions_held_out, everything.train.sentences))
    assert everything.held_out_shown > 0


def test_scenes_of_datasets(described):
    read = read_scenes([described, described])
    rollouts = open_dataset(described)
    assert len(read) == 2 * sum(len(one) + 1 for one in rollouts)
    assert len(set(read.episodes)) == 2 * len(rollouts)
    rows = np.flatnonzero(read.episodes == len(rollouts) + 3)
    assert np.array_equal(read.images[rows], rollouts[3].images)
    assert [read.sentences[row] for row in rows] == list(rollouts[3].descriptions)
    task = RetrievalTask.prepare(tiny(data=described))
    assert len(task.train) + len(task.tests[""]) <= len(read) / 2


def test_data_that_says_nothing(tmp_path, signals):
    from mmrl.data import RandomSource, Request, collect, find_place

    collect(
        Request(signals, 4, "random", num_envs=2), RandomSource, find_place(str(tmp_path / "a"))
    )
    with pytest.raises(UserError, match="lacks infos/description"):
        read_scenes(str(tmp_path / "a"))
    with pytest.raises(UserError, match="data is empty"):
        read_scenes("")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"partial": 1.5}, "partial=1.5: must be 0 to 1"),
        ({"test_share": 0.0}, "test_share=0.0"),
        ({"width": 0}, "width=0: must be at least 1"),
        ({"batch_size": 500}, "batch_size=500: there are .* different descriptions"),
        ({"image": "smal_resnet"}, "small_resnet"),
        ({"text": "word_cnn", "text_args": {"widht": 3}}, "do not fit word_cnn"),
    ],
)
def test_what_cannot_be(changes, said):
    with pytest.raises(UserError, match=said):
        RetrievalTask(tiny(**changes), scenes())


def test_too_little_to_test():
    with pytest.raises(UserError, match="1 episodes are too few"):
        RetrievalTask(tiny(), scenes(2))


def test_the_recipe_is_plain_data():
    task = RetrievalTask(tiny(), scenes())
    again = RetrievalTask.build(json.loads(json.dumps(task.recipe)))
    shapes = {name: one.shape for name, one in task.module.state_dict().items()}
    assert {name: one.shape for name, one in again.state_dict().items()} == shapes
    assert again.model.tokenizer.words == task.module.model.tokenizer.words
