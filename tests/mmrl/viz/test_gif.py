"""GIFs: drawings of few colours stay exact, of many nearly so; what stays still costs nothing."""

import io

import numpy as np
import pytest
from PIL import Image

from mmrl.viz.gif import encode_gif, with_palette


def painted(colors, seed=0):
    """An image of 60 × 80 pixels in so many colours, the first ones of which are the rarest."""
    random = np.random.default_rng(seed)
    palette = random.permutation(np.unique(random.integers(256**3, size=2 * colors)))[:colors]
    places = np.concatenate([np.arange(colors), random.integers(colors // 2, colors, 4800)])[:4800]
    codes = palette[places].reshape(60, 80)
    return np.stack([codes >> shift & 255 for shift in (16, 8, 0)], 2).astype(np.uint8)


def shown(gif):
    """The frames of a GIF, uint8 [T, H, W, 3]."""
    with Image.open(io.BytesIO(gif)) as file:
        frames = []
        for k in range(file.n_frames):
            file.seek(k)
            frames.append(np.asarray(file.convert("RGB")))
    return np.stack(frames)


@pytest.mark.parametrize("colors", [1, 2, 200, 255])
def test_few_colours_are_exact(colors):
    frames = [painted(colors, seed) for seed in range(3)]
    gif = encode_gif([Image.fromarray(one) for one in frames], [100] * 3)
    assert np.array_equal(shown(gif), np.stack(frames))


def test_the_rarest_of_many_colours_are_replaced_by_the_nearest():
    image = painted(400)
    made = np.asarray(with_palette(Image.fromarray(image)).convert("RGB"))
    replaced = (made != image).any(2)
    assert 0 < replaced.sum() <= 400
    kept = np.unique(made.reshape(-1, 3), axis=0).astype(int)
    for wanted, got in zip(image[replaced].astype(int), made[replaced].astype(int), strict=True):
        assert ((wanted - got) ** 2).sum() == ((wanted - kept) ** 2).sum(1).min()


def test_a_photograph_is_close():
    gradient = np.mgrid[:120, :120]
    image = np.stack([2 * gradient[0], 2 * gradient[1], gradient.sum(0)], 2).astype(np.uint8)
    made = np.asarray(with_palette(Image.fromarray(image)).convert("RGB"))
    assert 0 < np.abs(made.astype(int) - image).mean() < 12


def test_a_frame_with_a_palette_stays_as_it_is():
    frame = with_palette(Image.fromarray(painted(20)))
    assert with_palette(frame) is frame


def test_what_stays_still_takes_no_room():
    frame = Image.fromarray(painted(255))
    once, often = (len(encode_gif([frame, frame.rotate(180)] * n, [9] * 2 * n)) for n in (1, 5))
    moved = np.array(frame)
    moved[:4, :4] = moved[8:12, 8:12]
    part = len(encode_gif([frame, Image.fromarray(moved)], [9, 9]))
    assert part < once * 0.6 < often
