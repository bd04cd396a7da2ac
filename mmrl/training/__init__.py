"""Supervised training of generators and embeddings: ``mmrl fit TASK``. One file a task.

To add one, write a module with a :class:`~mmrl.training.task.Task` and name it in ``TASKS``; or
give the command a dotted path to your own class.
"""

from __future__ import annotations

from typing import Any, Final

from mmrl.errors import UserError, unknown
from mmrl.trust import import_trusted

TASKS: Final = {
    "captioner": "mmrl.training.tasks.captioner.CaptionerTask",
    "painter": "mmrl.training.tasks.painter.PainterTask",
    "retrieval": "mmrl.training.tasks.retrieval.RetrievalTask",
    "speech": "mmrl.training.tasks.speech.SpeechTask",
    "sprites": "mmrl.training.tasks.sprites.SpritesTask",
    "tokenizer": "mmrl.training.tasks.tokenizer.TokenizerTask",
    "translation": "mmrl.training.tasks.translation.TranslationTask",
    "world-model": "mmrl.training.tasks.world_model.WorldModelTask",
}


def find_task(name: str) -> Any:
    """The :class:`~mmrl.training.task.Task` of that name, or of a dotted path.

    Raises:
        UserError: there is none.
    """
    path = TASKS.get(name, name)
    module, _, attribute = path.rpartition(".")
    if not module:
        raise unknown("task", name, TASKS)
    try:
        return getattr(import_trusted(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"task {name!r} cannot be imported: {error}") from error
