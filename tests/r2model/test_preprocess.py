"""Pictures become the same tensor whatever way they come in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from r2model.config import ClipConfig
from r2model.preprocess import normalise, preprocess, resize


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    """Smooth waves and hard edges, 160 x 90."""
    y, x = np.mgrid[:90, :160]
    planes = np.sin(x / 9) * 100 + 120, np.cos(y / 5 + x / 7) * 100 + 120, (x // 8 + y // 8) % 2 * 255
    return np.stack(planes, -1).clip(0, 255).astype(np.uint8)


def test_shortest_equals_pillow(picture: NDArray[np.uint8]) -> None:
    """Scaling the short side and cropping the centre is within one grey level of Pillow's bicubic."""
    ours = resize(picture[None], ClipConfig("custom", image_px=(48, 48)))[0].permute(1, 2, 0)
    scaled = Image.fromarray(picture).resize((85, 48), Image.Resampling.BICUBIC)
    theirs = np.asarray(scaled.crop((18, 0, 66, 48)))
    assert np.abs(ours.numpy().astype(int) - theirs).max() <= 1


def test_squash_cuts_nothing_off(picture: NDArray[np.uint8]) -> None:
    """Squashing is within one grey level of Pillow's bicubic of the whole picture."""
    ours = resize(picture[None], ClipConfig("custom", image_px=(40, 64), resize="squash"))[0].permute(1, 2, 0)
    theirs = np.asarray(Image.fromarray(picture).resize((64, 40), Image.Resampling.BICUBIC))
    assert np.abs(ours.numpy().astype(int) - theirs).max() <= 1


def test_all_ways_in_agree(picture: NDArray[np.uint8]) -> None:
    """An array, a tensor and a list of pictures of one size give the same tensor."""
    config = ClipConfig("custom", image_px=(48, 48))
    batch = np.stack([picture, picture[::-1]])
    expected = preprocess(batch, config)
    assert expected.shape == (2, 3, 48, 48)
    assert preprocess(torch.from_numpy(batch), config).equal(expected)
    assert preprocess([picture, np.ascontiguousarray(picture[::-1])], config).equal(expected)


def test_pictures_of_different_size_share_a_batch(picture: NDArray[np.uint8]) -> None:
    """A list may mix sizes; each picture is prepared as if alone."""
    config = ClipConfig("custom", image_px=(48, 48))
    other = np.ascontiguousarray(picture[:50, :70])
    batch = preprocess([picture, other], config)
    assert batch[1:].equal(preprocess(other[None], config))


def test_normalisation_is_clips() -> None:
    """Black becomes -mean / std and white (1 - mean) / std, per colour."""
    config = ClipConfig("custom")
    pixels = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 3, 1, 1)
    mean, std = torch.tensor(config.mean), torch.tensor(config.std)
    expected = torch.stack([-mean / std, (1 - mean) / std])
    torch.testing.assert_close(normalise(pixels, config).squeeze(), expected)


def test_other_than_rgb_bytes_is_refused() -> None:
    """Floats, grey or planar pictures are an error that says what is expected."""
    with pytest.raises(ValueError, match="uint8"):
        preprocess(torch.zeros(1, 8, 8, 3), ClipConfig("custom"))
    with pytest.raises(ValueError, match=r"\[N, H, W, 3\]"):
        preprocess(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), ClipConfig("custom"))
