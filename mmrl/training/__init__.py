"""Supervised training of generators and embeddings: ``mmrl fit TASK``. One file a task.

To add one, write a module with a :class:`~mmrl.training.task.Task` and name it in ``TASKS``; or
give the command a dotted path to your own class.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from mmrl.errors import UserError, unknown
from mmrl.trust import import_trusted


class NamedTask(NamedTuple):
    """A task that the command knows by name, without importing it.

    Attributes:
        path: of its class.
        config: path of its options' dataclass.
        summary: one line for ``mmrl fit --help``.
    """

    path: str
    config: str
    summary: str


TASKS: Final = {
    "captioner": NamedTask(
        "mmrl.training.tasks.captioner.CaptionerTask",
        "mmrl.training.tasks.configs.CaptionerConfig",
        "a captioner: the last images of an episode → what was achieved, or a description",
    ),
    "painter": NamedTask(
        "mmrl.training.tasks.painter.PainterTask",
        "mmrl.training.tasks.configs.PainterConfig",
        "a painter: sentences → images, for 'mmrl paint'",
    ),
    "retrieval": NamedTask(
        "mmrl.training.tasks.retrieval.RetrievalTask",
        "mmrl.training.tasks.configs.RetrievalConfig",
        "a shared embedding of images and sentences, for 'mmrl index' and 'mmrl search'",
    ),
    "speech": NamedTask(
        "mmrl.training.tasks.speech.SpeechTask",
        "mmrl.training.tasks.configs.SpeechConfig",
        "a recogniser: spoken instructions → text",
    ),
    "sprites": NamedTask(
        "mmrl.training.tasks.sprites.SpritesTask",
        "mmrl.training.tasks.configs.SpritesConfig",
        "a painter of sprites: names → small images, a set in a new style each time",
    ),
    "tokenizer": NamedTask(
        "mmrl.training.tasks.tokenizer.TokenizerTask",
        "mmrl.training.tasks.configs.TokenizerConfig",
        "images → codes of their patches, and back, for painters and world models",
    ),
    "translation": NamedTask(
        "mmrl.training.tasks.translation.TranslationTask",
        "mmrl.training.tasks.configs.TranslationConfig",
        "a translator: instructions in one language → in another",
    ),
    "world-model": NamedTask(
        "mmrl.training.tasks.world_model.WorldModelTask",
        "mmrl.training.tasks.configs.WorldModelConfig",
        "a world model: images, instruction, action → next image, reward, end",
    ),
}


def find_task(name: str) -> Any:
    """The :class:`~mmrl.training.task.Task` of that name, or of a dotted path.

    Raises:
        UserError: there is none.
    """
    return _imported(name, TASKS[name].path if name in TASKS else name)


def find_config(name: str) -> tuple[type[Any], str]:
    """The dataclass of a task's options, and its summary; ours are found without the task.

    Raises:
        UserError: there is no such task.
    """
    if name in TASKS:
        return _imported(name, TASKS[name].config), TASKS[name].summary
    task = find_task(name)
    return task.Config, task.summary


def _imported(name: str, path: str) -> Any:
    module, _, attribute = path.rpartition(".")
    if not module:
        raise unknown("task", name, TASKS)
    try:
        return getattr(import_trusted(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"task {name!r} cannot be imported: {error}") from error
