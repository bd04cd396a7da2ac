"""Writes image files into ``images`` that many programs read wrongly."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

folder = Path("images")
folder.mkdir(exist_ok=True)
ramp = np.tile(np.arange(0, 65536, 1024, dtype=np.uint16), (64, 1))
Image.fromarray(ramp).save(folder / "gray16.png")
Image.fromarray(np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))).save(
    folder / "float.tif"
)
half = np.zeros((64, 32, 3), np.uint8)
half[:32] = (255, 0, 0)
exif = Image.Exif()
exif[0x0112] = 6  # to be turned
Image.fromarray(half).save(folder / "phone.jpg", exif=exif)
Image.new("1", (20000, 20000)).save(folder / "bomb.png")
name = os.fsdecode(b"images/caf\xe9.png")
Path(name).write_bytes((folder / "gray16.png").read_bytes())
