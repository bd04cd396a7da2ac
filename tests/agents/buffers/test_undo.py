"""The undo log of a rollout: what changed is as it was, in reverse order."""

from types import SimpleNamespace

import numpy as np

from mmrl_agents.buffers.undo import UndoLog


def test_changes_are_undone_in_reverse_order():
    undo, array, owner = UndoLog(), np.arange(4), SimpleNamespace(count=1)
    undo.begin()
    for value in (10, 20):
        undo.record_rows(array, np.array([1, 2]))
        array[[1, 2]] = value
        undo.record_attributes(owner, "count")
        owner.count = value
        undo.record_once("total", lambda: lambda: setattr(owner, "total", 0))
        owner.total = value
    assert undo.count == 5
    undo.undo()
    assert array.tolist() == [0, 1, 2, 3]
    assert vars(owner) == {"count": 1, "total": 0}
    assert undo.is_recording
    assert undo.count == 0


def test_nothing_is_recorded_outside_a_rollout():
    undo, array = UndoLog(), np.arange(2)
    for _ in range(2):
        undo.record_rows(array, np.array([0]))
        undo.record(lambda: 1 / 0)
        undo.record_once("one", lambda: 1 / 0)
        assert undo.count == 0
        undo.begin()
        undo.record_rows(array, np.array([0]))
        undo.end()
