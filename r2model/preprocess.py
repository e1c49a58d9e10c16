"""The one way from a picture to CLIP's input, for files, live sources and training alike.

Resizing happens on 8-bit pixels on the CPU (antialiased, bicubic, as CLIP was trained with), so that the same picture
gives the same tensor on every device; the result is at most one grey level from Pillow's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from r2model.config import ClipConfig

Pictures = NDArray[np.uint8] | Tensor | Sequence[NDArray[np.uint8]]
"""RGB uint8 `[N,H,W,3]`, or a sequence of `[H,W,3]` that may differ in size."""


def preprocess(pictures: Pictures, config: ClipConfig, device: torch.device | str = "cpu") -> Tensor:
    """Resized and normalised: `[N,3,*image_px]` float32 on `device`.

    Raises:
        ValueError: the pictures are not RGB uint8.
    """
    return normalise(resize(pictures, config).to(device), config)


def resize(pictures: Pictures, config: ClipConfig) -> Tensor:
    """Pictures at CLIP's size, still uint8: `[N,3,*image_px]` on the CPU."""
    if isinstance(pictures, np.ndarray | Tensor):
        return _resize(torch.as_tensor(pictures), config)
    return torch.cat([_resize(torch.from_numpy(picture)[None], config) for picture in pictures])


def normalise(pixels: Tensor, config: ClipConfig) -> Tensor:
    """`[N,3,H,W]` uint8 -> float32 with CLIP's mean 0 and deviation 1 per colour."""
    mean, std = (pixels.new_tensor(x, dtype=torch.float32)[:, None, None] * 255 for x in (config.mean, config.std))
    return (pixels - mean) / std


def _resize(pictures: Tensor, config: ClipConfig) -> Tensor:
    if pictures.dtype != torch.uint8 or pictures.ndim != 4 or pictures.shape[-1] != 3:
        raise ValueError(f"pictures must be uint8 [N, H, W, 3], not {pictures.dtype} {list(pictures.shape)}")
    height, width = pictures.shape[1:3]
    tall, wide = config.image_px
    size = (tall, wide)
    if config.resize == "shortest":
        # Integer arithmetic, so that the covering side is exact and the other one rounded down.
        size = (tall, width * tall // height) if width * tall >= height * wide else (height * wide // width, wide)
    pixels = pictures.cpu().permute(0, 3, 1, 2)
    if size != (height, width):
        pixels = F.interpolate(pixels, size, mode="bicubic", antialias=True)
    top, left = round((size[0] - tall) / 2), round((size[1] - wide) / 2)
    return pixels[:, :, top : top + tall, left : left + wide]
