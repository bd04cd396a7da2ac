"""Export of datasets: the Minari folder with a dataset card and a contact sheet."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any, Final

from mmrl.contract import IMAGE
from mmrl.data.dataset import EpisodeDataset, open_dataset
from mmrl.data.episode import Columns
from mmrl.data.location import DATA
from mmrl.data.summary import dataset_sheet
from mmrl.errors import UserError
from mmrl.evaluation.statistics import wilson_interval
from mmrl.files import atomic_folder
from mmrl.sharing.card import CARD, LIBRARY, card, describe_briefly, table
from mmrl.sharing.target import check_target
from mmrl.text_output import printable

SHEET: Final = "sheet.png"
_SIZES: Final = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"),
                 (1e7, "1M<n<10M"), (1e8, "10M<n<100M"))  # fmt: skip
"""The hub's size categories, by their ends."""
_KINDS: Final = 12
_USE: Final = """## Use

`NAME` is this folder; `mmrl pull --dataset user/name NAME` downloads it.

```
pip install 'multimodal-rl[data]'
mmrl collect show NAME
mmrl record NAME --out runs/dataset && mmrl dashboard runs
```

```python
from mmrl.data.dataset import open_dataset

episodes = open_dataset("NAME")
episodes[0].instruction, episodes[0].images, episodes[0].actions
```"""
_LIMITS: Final = """## Limits

- Episodes are of this environment with these arguments only.
- They show what the source of actions did, not what can be done."""


def export_dataset(
    name: str, folder: Path, *, licence: str | None = None, force: bool = False
) -> Path:
    """Write a dataset with its card into a folder of its own; see :func:`mmrl.export`.

    Raises:
        UserError: there is no such dataset, or the folder exists.
        WriteError: the folder cannot be written; what was there is as it was.
    """
    dataset = open_dataset(name)
    if folder.exists() and folder.samefile(dataset.place.path):
        raise UserError(f"{folder} is the dataset itself: give another folder")
    check_target(folder, force=force)
    with atomic_folder(folder) as draft:
        (draft / DATA).mkdir()
        for file in (dataset.place.metadata, dataset.place.main):
            shutil.copyfile(file, draft / DATA / file.name)
        has_sheet = IMAGE in dataset.spaces.observation.spaces and len(dataset) > 0
        if has_sheet:
            (draft / SHEET).write_bytes(dataset_sheet(dataset))
        text = dataset_card(dataset, name=folder.name, licence=licence, has_sheet=has_sheet)
        (draft / CARD).write_text(text, encoding="utf-8")
    return folder


def dataset_card(
    dataset: EpisodeDataset, *, name: str, licence: str | None = None, has_sheet: bool = False
) -> str:
    """The card of a dataset in the hub's format: YAML front matter, then Markdown.

    Args:
        dataset: it.
        name: its title.
        licence: by its name on the hub.
        has_sheet: whether there is a contact sheet beside the card.
    """
    columns = dataset.columns(images=False)
    front = {
        **({"license": licence} if licence else {}),
        "task_categories": ["reinforcement-learning"],
        "tags": ["reinforcement-learning", "multimodal", "gymnasium", "minari", LIBRARY]
        + ([dataset.env_id] if dataset.env_id else []),
        "size_categories": [_size_category(len(columns.rewards))],
    }
    env = f"`{printable(dataset.env_id)}`" if dataset.env_id else "an unknown environment"
    sections = [
        f"Episodes of the Gymnasium environment {env}, as a Minari dataset of [mmrl](#use): "
        "observations, actions and rewards of every step.",
        f"![First and last images of some episodes]({SHEET})" if has_sheet else "",
        "## Contents\n\n" + table(("", ""), _contents(dataset, columns)),
        "## Spaces\n\n" + table(("", "space"), _spaces(dataset)),
        _instructions(dataset, columns),
        _USE,
        _LIMITS,
    ]
    return card(front, name, sections)


def _size_category(steps: int) -> str:
    return next((name for end, name in _SIZES if steps < end), "n>100M")


def _contents(dataset: EpisodeDataset, columns: Columns) -> list[tuple[str, str]]:
    lengths, known = columns.lengths, columns.known
    rows = [
        ("episodes", f"{len(dataset):,}"),
        ("steps", f"{lengths.sum():,}, {lengths.mean():.1f} an episode"),
        ("collected by", dataset.by or "unknown"),
    ]
    if known.any():
        wins, count = int(columns.success[known].sum()), int(known.sum())
        low, high = wilson_interval(wins, count)
        rows.append(("success", f"{wins / count:.1%} ({low:.1%} to {high:.1%}) of {count:,}"))
    if len(columns.seeds) and columns.seeds.min() >= 0:
        rows.append(("seeds", f"{columns.seeds.min()} to {columns.seeds.max()}"))
    if dataset.env_args:
        rows.append(("environment's arguments", str(dataset.env_args)))
    if len(dataset):
        rows.append(("return", f"{columns.rewards.sum() / len(dataset):.3g} on average"))
    return rows


def _spaces(dataset: EpisodeDataset) -> list[tuple[str, Any]]:
    rows = [(f"`{key}`", describe_briefly(one)) for key, one in dataset.spaces.observation.items()]
    return [*rows, ("action", describe_briefly(dataset.spaces.action))]


def _instructions(dataset: EpisodeDataset, columns: Columns) -> str:
    if not any(columns.instructions):
        return ""
    found = Counter(map(dataset.language.kind, columns.instructions)).most_common(_KINDS)
    rows = [(kind, f"{count:,}") for kind, count in found]
    return "## Instructions\n\n" + table(("kind of instruction", "episodes"), rows)
