"""Writes a theme into files: ``python -m mmrl_envs.grid.rendering.themes neon ./neon``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmrl_envs.grid.rendering.themes import THEMES, files, find_theme


def main() -> None:
    """Write the images of a theme."""
    parser = argparse.ArgumentParser(
        description=files.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("theme", choices=THEMES, help="to begin with")
    parser.add_argument("out", type=Path, help="a folder, or a file that ends in .npz")
    parser.add_argument(
        "--tile-size", "--tile_size", type=int, default=16, help="pixels a side of a tile"
    )
    options = parser.parse_args()
    files.write_sprites(files.sprites_of(find_theme(options.theme), options.tile_size), options.out)


if __name__ == "__main__":
    main()
