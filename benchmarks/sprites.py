"""Are painted sprites recognised? A classifier that was trained on real ones names them.

    python benchmarks/sprites.py

For each seed, ``mmrl fit sprites`` fits a painter to the tiles of the three built-in themes with
the options of ``configs/fit/sprites.yaml``, and paints every tile in new styles, as ``mmrl paint
--theme`` does. A small convolutional network learns the names of the real tiles: shifted, shaded,
noisy, and on grounds of any grey, so that it does not overfit. It then classifies the painted ones.

As controls, it classifies real tiles, shifted and shaded in other ways than in training; painted
ones, by the name of another; and, as another network that was trained on two themes, the third one,
which is how far real tiles of an unknown style are recognised. How new the painted ones are: their
distance from the nearest real tile of all, beside that of real tiles from the nearest one of
another theme; the mean difference of bytes, on grey.

Kept in ``benchmarks/results/sprites.json``, with 95% intervals (Wilson's of a seed, Student's over
seeds), and a sheet of the first seed's: a row of real tiles for each theme, then painted ones.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
import yaml
from commands import finish
from numpy.typing import NDArray
from seeds import add_options, each_seed, is_one, work_folder
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from mmrl.evaluation.report import provenance
from mmrl.evaluation.statistics import mean_interval, wilson_interval
from mmrl.files import write_bytes, write_json
from mmrl.generative.image.sprites import SpritePainter
from mmrl.images import png
from mmrl.training.load import load
from mmrl.training.tasks.sprites import composited
from mmrl_envs.grid.rendering.themes import THEMES
from mmrl_envs.grid.rendering.themes.files import NEEDED, sprites_of, write_sprites

RESULTS: Final = Path(__file__).parent / "results"
CONFIG: Final = Path(__file__).parent.parent / "configs" / "fit" / "sprites.yaml"
NAMES: Final = NEEDED
TILE: Final = 16
"""Pixels a side."""
STEPS: Final = 600
"""Of the classifier, 128 tiles each."""
STYLES: Final = 32
TESTS: Final = ("painted", "real", "real_of_unknown_theme", "painted_by_another_name")
SHOWN: Final = 16  # names on the sheet
GREY: Final = 128


class Classifier(nn.Module):
    """A small image → which of the names it has."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.GELU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.GELU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64), nn.GELU(),
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(64 * (TILE // 4) ** 2, len(NAMES)),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """Float [B, 3, S, S], 0 to 1 → [B, names]."""
        scores: Tensor = self.layers(images * 2 - 1)
        return scores


def augmented(tiles: Tensor, generator: torch.Generator) -> Tensor:
    """Tiles float [B, 4, S, S], as they look shifted by a pixel, shaded, noisy, on some grey:
    float [B, 3, S, S].
    """
    count = len(tiles)
    padded = pad(tiles, (1, 1, 1, 1), mode="replicate")
    by = torch.randint(0, 3, (2, count), generator=generator)
    rows = (by[0, :, None] + torch.arange(TILE))[:, None, :, None]
    columns = (by[1, :, None] + torch.arange(TILE))[:, None, None, :]
    moved = padded[
        torch.arange(count)[:, None, None, None], torch.arange(4)[:, None, None], rows, columns
    ]
    shade = 0.75 + 0.5 * torch.rand(count, 1, 1, 1, generator=generator)
    ground = torch.rand(count, 1, 1, 1, generator=generator)
    opacity = moved[:, 3:]
    composed = moved[:, :3] * shade * opacity + ground * (1 - opacity)
    return (composed + 0.03 * torch.randn(composed.shape, generator=generator)).clamp(0, 1)


def train_classifier(real: NDArray[np.uint8], seed: int) -> Classifier:
    """A classifier of tiles uint8 [T · names, S, S, 4], in the order of their names."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    tiles = planes(real)
    names = torch.arange(len(NAMES)).repeat(len(tiles) // len(NAMES))
    classifier = Classifier()
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=STEPS)
    for _ in range(STEPS):
        rows = torch.randint(len(tiles), (128,), generator=generator)
        loss = cross_entropy(classifier(augmented(tiles[rows], generator)), names[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return classifier.eval()


def planes(tiles: NDArray[np.uint8]) -> Tensor:
    """Uint8 [B, S, S, 4] → float [B, 4, S, S], 0 to 1."""
    return torch.from_numpy(tiles).permute(0, 3, 1, 2).float() / 255


@torch.no_grad()
def classified(classifier: Classifier, tiles: NDArray[np.uint8], seed: int) -> NDArray[np.int64]:
    """The predicted names of tiles uint8 [B, S, S, 4], by their numbers."""
    given = augmented(planes(tiles), torch.Generator().manual_seed(seed))
    return cast("NDArray[np.int64]", classifier(given).argmax(1).numpy())


def recognised(predicted: NDArray[np.int64]) -> dict[str, Any]:
    """The share of right names, of right things and of right colours, of tiles that were meant to
    be all names in their order, again and again; and an interval.
    """
    meant = np.arange(len(predicted)) % len(NAMES)
    things, colors = (np.array([part(name) for name in NAMES]) for part in (thing, color))
    right, count = int((predicted == meant).sum()), len(predicted)
    return {
        "recognised": round(right / count, 4),
        "95": [round(one, 4) for one in wilson_interval(right, count)],
        "of": count,
        "thing": round(float((things[predicted] == things[meant]).mean()), 4),
        "color": round(float((colors[predicted] == colors[meant]).mean()), 4),
    }


def color(name: str) -> str:
    """The colour in a name, if there is one."""
    return next((word for word in name.split() if word in THEMES["minigrid"].colors), "")


def thing(name: str) -> str:
    """A name without its colour."""
    return " ".join(word for word in name.split() if word != color(name))


def distances(tiles: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How far each tile is from the nearest of the others: the mean difference of bytes."""
    one, other = (torch.from_numpy(composited(x, GREY)).flatten(1).float() for x in (tiles, others))
    return cast(
        "NDArray[np.float64]", (torch.cdist(one, other, p=1).amin(1) / one.shape[1]).numpy()
    )


def measure(seed: int, folder: Path, overrides: list[str]) -> dict[str, Any]:
    """Fit one seed's painter and classifiers, and test them."""
    torch.set_num_threads(1)
    out, themes = folder / f"sprites-{seed}", {n: sprites_of(t, TILE) for n, t in THEMES.items()}
    files = {name: folder / f"{name}-{seed}.npz" for name in themes}
    for name, file in files.items():
        write_sprites(themes[name], file)
    data = f"[{', '.join(map(str, files.values()))}]"
    options = ["--config", CONFIG, "--data", data, "--seed", seed, "--device", "cpu", *overrides]
    seconds = finish(out, "fit", "sprites", *options)
    painter = cast("SpritePainter", load(out, "sprites", "cpu"))
    styles = painter.styles(STYLES, seed).repeat_interleave(len(NAMES), 0)
    painted = painter.paint(NAMES * STYLES, styles)
    tiles = {name: np.stack([theme[one] for one in NAMES]) for name, theme in themes.items()}
    real = np.concatenate(list(tiles.values()))
    if seed == 0:
        write_bytes(folder / "sprites.png", png(sheet(real, painted)))
    classifier = train_classifier(real, seed)
    predicted = classified(classifier, painted, seed)
    unknown, between = [], []
    for apart, own in tiles.items():
        rest = np.concatenate([some for name, some in tiles.items() if name != apart])
        unknown.append(classified(train_classifier(rest, seed), own, seed))
        between.append(distances(own, rest))
    return {
        "seed": seed,
        "painted": recognised(predicted),
        "real": recognised(classified(classifier, np.tile(real, (10, 1, 1, 1)), seed)),
        "real_of_unknown_theme": recognised(np.concatenate(unknown)),
        "painted_by_another_name": recognised(np.roll(predicted, 1)),
        "distance_from_real": round(float(distances(painted, real).mean()), 2),
        "distance_of_themes": round(float(np.concatenate(between).mean()), 2),
        "fit_seconds": seconds,
    }


def sheet(real: NDArray[np.uint8], painted: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rows of real tiles, one a theme, and of painted ones, one a style."""
    columns = np.linspace(0, len(NAMES) - 1, SHOWN).astype(np.int64)
    rows = [
        composited(tiles, GREY).reshape(-1, len(NAMES), TILE, TILE, 3)[:8, columns]
        for tiles in (real, painted)
    ]
    drawn = np.concatenate(rows).transpose(0, 2, 1, 3, 4)
    image = drawn.reshape(drawn.shape[0] * TILE, SHOWN * TILE, 3)
    return image.repeat(3, 0).repeat(3, 1)


def main() -> None:
    """Fit, paint, classify, print a table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    options, overrides = parser.parse_known_args()
    if is_one(options, overrides, measure):
        return
    started = time.monotonic()
    with work_folder(options) as folder:
        runs = each_seed(__file__, options, folder, overrides)
        if (folder / "sprites.png").is_file():
            write_bytes(RESULTS / "sprites.png", (folder / "sprites.png").read_bytes())
    over_seeds = {}
    for kind in TESTS:
        shares = [run[kind]["recognised"] for run in runs]
        interval = mean_interval(shares, 0.0, 1.0)
        over_seeds[kind] = {"mean": round(float(np.mean(shares)), 4), "95": interval}
    report = {
        "config": yaml.safe_load(CONFIG.read_text()),
        "overrides": overrides,
        "names": len(NAMES),
        "styles": STYLES,
        "over_seeds": over_seeds,
        "runs": runs,
        **provenance(started),
    }
    write_json(RESULTS / "sprites.json", report)
    print(f"| seed | {' | '.join(TESTS)} | new by | themes differ by |\n|---|{'---|' * 6}")
    for run in runs:
        cells = [f"{run[kind]['recognised']:.1%} of {run[kind]['of']}" for kind in TESTS]
        cells += [str(run["distance_from_real"]), str(run["distance_of_themes"])]
        print(f"| {run['seed']} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
