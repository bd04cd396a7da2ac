"""Images of more than eight bits, of floats, and turned by a camera are read as they look."""

import numpy as np
import pytest
from PIL import Image

from mmrl.images import decoded


@pytest.mark.parametrize(
    ("dtype", "largest"), [(np.uint16, 65535), (np.int32, 65535), (np.float32, 1.0)]
)
def test_a_ramp_stays_a_ramp(tmp_path, dtype, largest):
    ramp = np.tile(np.linspace(0, largest, 64), (16, 1)).astype(dtype)
    Image.fromarray(ramp).save(tmp_path / "ramp.tif")
    read = decoded(tmp_path / "ramp.tif")[0, :, 0].astype(int)
    assert np.abs(read - np.linspace(0, 255, 64)).max() <= 1.5


def test_values_up_to_255_stay(tmp_path):
    values = np.arange(256, dtype=np.float32).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "values.tif")
    assert (decoded(tmp_path / "values.tif")[..., 0].ravel() == np.arange(256)).all()


def test_the_orientation_of_a_camera(tmp_path):
    image = np.zeros((32, 16, 3), np.uint8)
    image[:16] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(image).save(tmp_path / "phone.png", exif=exif)
    read = decoded(tmp_path / "phone.png")
    assert read.shape == (16, 32, 3)
    assert (read[:, :16] == 0).all()
    assert (read[:, 16:] == 255).all()
