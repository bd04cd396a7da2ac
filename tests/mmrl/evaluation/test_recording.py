"""Episodes of a batch are recorded as they were counted."""

import numpy as np
import pytest

from mmrl.evaluation.episodes import play_episodes
from mmrl.evaluation.evaluate import evaluate_actor
from mmrl.evaluation.player import EpisodePlayer
from mmrl.evaluation.recording import BatchRecorder

GRID = "mmrl/GoToObjS4-v0"


def by_the_pixels(image, instruction):
    return (int(image.astype(np.int64).sum()) // 5 + len(instruction)) % 3


def left(image, instruction):
    return 0


def recorded(actor, env_id, episodes, count, **how):
    records = []
    recorder = BatchRecorder(
        lambda build: records.append(build()),
        count,
        source="evaluation",
        env_id=env_id,
        checkpoint=64,
    )
    played = play_episodes(actor, env_id, episodes, first_seed=7, recorder=recorder, **how)
    assert recorder.is_done == (count <= episodes)
    return played, sorted(records, key=lambda one: one.seed)


@pytest.mark.parametrize(
    ("env_id", "choose", "workers"),
    [("test/Signals-v0", left, 0), ("test/Signals-v0", left, 2), (GRID, by_the_pixels, 0)],
)
def test_as_they_were_counted_and_as_single_ones(signals, scripted, env_id, choose, workers):
    played, records = recorded(scripted(choose), env_id, 20, 18, env_workers=workers)
    assert [one.seed for one in records] == list(range(7, 25))
    assert [len(one.rewards) for one in records] == played.lengths[:18].tolist()
    assert [one.success for one in records] == played.success[:18].tolist()
    assert len({one.success for one in records}) == 2
    player = EpisodePlayer(env_id)
    for one in records[:6]:
        single = player.play(scripted(choose), seed=one.seed, checkpoint=64)
        assert np.array_equal(one.frames["image"], single.frames["image"])
        assert one.instructions == single.instructions
        assert one.action_names == single.action_names
        assert one.rewards == single.rewards
        assert one.about["actions"] == single.about["actions"]
        scenes = one.frames["scene"]  # the last one is gone when a batch has begun again
        assert np.array_equal(scenes, single.frames["scene"][: len(scenes)])
        assert len(scenes) == len(one.rewards)
        steps = [info.get("steps") for info in one.infos]
        assert steps == [info.get("steps") for info in single.infos]


def test_fewer_episodes_than_are_recorded(signals, scripted):
    _, records = recorded(scripted(left), signals, 3, 10)
    assert len(records) == 3


def test_recording_changes_no_result(signals, scripted):
    plain = play_episodes(scripted(left), signals, 40, first_seed=7)
    played, records = recorded(scripted(left), signals, 40, 5)
    assert len(records) == 5
    assert played.lengths.tolist() == plain.lengths.tolist()


def test_what_was_achieved_is_recorded(shapes, scripted):
    records = []
    recorder = BatchRecorder(
        lambda build: records.append(build()), 8, source="evaluation", env_id=shapes
    )
    evaluate_actor(
        scripted(by_the_pixels), shapes, {}, 8, {}, recorder=recorder, max_episode_steps=200
    )
    assert any(info.get("achieved") for one in records for info in one.infos)


def test_episodes_that_are_cut(screen, scripted):
    with pytest.warns(UserWarning, match="did not end within 4 steps"):
        _, records = recorded(
            scripted(left), screen, 2, 2, max_episode_steps=4, env_args={"limit": 9}
        )
    assert [len(one.rewards) for one in records] == [4, 4]
    assert [one.success for one in records] == [False, False]
