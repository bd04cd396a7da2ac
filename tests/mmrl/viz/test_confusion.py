"""A confusion matrix shows the share of each label's predictions."""

import numpy as np

from mmrl.viz.confusion import confusion_image


def test_shares_are_shown_by_darkness():
    labels, predictions = np.array([0, 0, 0, 0, 1]), np.array([0, 0, 0, 1, 1])
    image = confusion_image(labels, predictions, 3)
    cell = len(image) // 4
    assert image.shape == (4 * cell, 4 * cell, 3)
    corners = image[cell + 1 :: cell, cell + 1 :: cell].astype(int).sum(2)  # beside the numbers
    assert corners[0, 0] < corners[0, 1] < corners[0, 2] == 3 * 255
    assert corners[1, 1] < corners[0, 0]
    assert (corners[2] == 3 * 255).all()
