"""Images of any layout, type and number of channels become uint8 [H, W, 3]."""

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.wrappers.adapt.images import find_layout, read_images

H, W = 18, 20


def box(shape, low=0, high=255, dtype=np.uint8):
    return spaces.Box(low, high, shape, dtype)


def picture():
    return np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)


def only(space, array):
    (image,) = read_images(space, array)
    return array if image.convert is None else image.convert(array)


def test_rgb_bytes_stay_as_they_are():
    (image,) = read_images(box((H, W, 3)))
    assert (image.suffix, image.shape, image.convert, image.note) == ("", (H, W, 3), None, "")


@pytest.mark.parametrize(
    ("space", "turn"),
    [
        (box((3, H, W)), lambda one: one.transpose(2, 0, 1)),
        (box((H, W, 3), dtype=np.int64), lambda one: one.astype(np.int64)),
        (box((H, W, 3), 0, 1, np.float32), lambda one: (one / 255).astype(np.float32)),
        (box((H, W, 3), -1, 1, np.float64), lambda one: one / 127.5 - 1),
        (box((H, W, 3), 0, 255, np.float32), lambda one: one.astype(np.float32)),
        (box((1, H, W, 3)), lambda one: one[None]),
        (box((1, 3, H, W)), lambda one: one.transpose(2, 0, 1)[None]),
    ],
)
def test_nothing_is_lost(space, turn):
    array = turn(picture())
    assert array.dtype == space.dtype
    assert np.array_equal(only(space, array), picture())


@pytest.mark.parametrize("shape", [(H, W), (H, W, 1), (1, H, W)])
def test_grey_is_repeated(shape):
    grey = picture()[..., 0]
    made = only(box(shape), grey.reshape(shape))
    assert np.array_equal(made, np.repeat(grey[..., None], 3, 2))


def test_an_opaque_alpha_is_left_out():
    array = np.concatenate([picture(), np.full((H, W, 1), 255, np.uint8)], 2)
    assert np.array_equal(only(box((H, W, 4)), array), picture())


def test_four_frames_are_no_alpha():
    frames = np.random.default_rng(1).integers(0, 255, (H, W, 4), dtype=np.uint8)
    newest, oldest = read_images(box((H, W, 4)), frames)
    assert (newest.suffix, oldest.suffix) == ("", "_1")
    assert np.array_equal(newest.convert(frames), frames[..., 1:])
    assert np.array_equal(oldest.convert(frames)[..., 2], frames[..., 0])
    assert not oldest.convert(frames)[..., :2].any()


def test_stacked_rgb_is_taken_apart_the_newest_first():
    stack = np.random.default_rng(2).integers(0, 256, (H, W, 9), dtype=np.uint8)
    images = read_images(box((H, W, 9)), stack)
    assert [one.suffix for one in images] == ["", "_1", "_2"]
    for image, first in zip(images, (6, 3, 0), strict=True):
        assert np.array_equal(image.convert(stack), stack[..., first : first + 3])


def test_depth_without_a_bound():
    space = box((H, W, 1), 0, np.inf, np.float32)
    depth = np.full((H, W, 1), np.inf, np.float32)
    depth[0, 0], depth[1, 1] = 0, 1
    made = only(space, depth)
    assert (made[0, 0, 0], made[1, 1, 0], made[2, 2, 0]) == (0, 128, 255)


def test_an_image_that_is_not_a_number():
    (image,) = read_images(box((H, W, 3), 0, 1, np.float32))
    with pytest.raises(ValueError, match="NaN"):
        image.convert(np.full((H, W, 3), np.nan, np.float32))


@pytest.mark.parametrize(
    "space",
    [
        box((7, 7, 3)),  # symbols
        box((10, 10, 4), 0, 1, np.bool_),
        box((64,)),
        box((64, 64, 64)),
        box((2, 4, H, W, 3)),
    ],
)
def test_what_is_no_image(space):
    assert find_layout(space) is None
    assert read_images(space) == []


KINDS = st.sampled_from(
    [(np.uint8, 0, 255), (np.uint8, 0, 1), (np.bool_, 0, 1), (np.int32, 0, 255),
     (np.int16, -5, 9), (np.float32, 0, 1), (np.float64, -2, 2), (np.float32, 0, np.inf),
     (np.float32, -np.inf, np.inf)]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    kind=KINDS,
    channels=st.integers(1, 12),
    first=st.booleans(),
    stack=st.sampled_from([None, 1, 3]),
    seed=st.integers(0, 99),
)
def test_any_image_is_bytes_and_no_channel_is_lost(kind, channels, first, stack, seed):
    dtype, low, high = kind
    shape = (channels, H, W) if first else (H, W, channels)
    shape = shape if stack is None else (stack, *shape)
    space = spaces.Box(low, high, shape, dtype)
    space.seed(seed)
    array = space.sample()
    images = read_images(space, array)
    assert len(images) == (stack or 1) * -(-channels // 3)
    assert len({one.suffix for one in images}) == len(images)
    for image in images:
        made = array if image.convert is None else image.convert(array)
        assert made.shape == image.shape == (H, W, 3)
        assert made.dtype == np.uint8
        assert made.flags.c_contiguous
