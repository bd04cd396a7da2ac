"""What the callbacks of a training write for TensorBoard."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from worlds import shapes

import mmrl
from mmrl.records import read_record

WORLD = f"{shapes.__name__}:shapes/Touch-v0"
SMALL = {
    "device": "cpu", "clip_every": 0, "eval_episodes": 0, "verbose": False,
    "model": {"image_args": {"width": 8}, "text_args": {"width": 8, "layers": 1, "heads": 2},
              "features": 8},
    "ppo": {"num_envs": 4, "n_steps": 32, "batch_size": 64, "n_epochs": 1},
}  # fmt: skip


def test_success_by_kind_of_instruction(tmp_path):
    args = {"limit": 6}
    run = mmrl.train(WORLD, env_args=args, steps=256, out=tmp_path / "run", **SMALL)
    events = EventAccumulator(str(run.path))
    events.Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag.startswith("success/")]
    kinds = {read_record(one).instruction_kind for one in (run.path / "episodes").iterdir()}
    assert kinds <= {tag.removeprefix("success/") for tag in tags}
    assert kinds
    for tag in tags:
        assert all(0 <= one.value <= 1 for one in events.Scalars(tag))


def test_worlds_without_kinds_have_no_such_curves(tmp_path):
    run = mmrl.train("CartPole-v1", steps=128, out=tmp_path / "run", **SMALL)
    events = EventAccumulator(str(run.path))
    events.Reload()
    assert not [tag for tag in events.Tags()["scalars"] if tag.startswith("success/")]
