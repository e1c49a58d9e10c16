"""Model files: the published `.pth`, and our `.safetensors`, which carries its configuration and may carry its CLIP.

A file is taken whole or refused: every missing, unexpected or misshapen tensor is named.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from r2model.clip_encoder import ClipEncoder
from r2model.config import ClipConfig, R2Config
from r2model.door import R2Model
from r2model.errors import CheckpointError
from r2model.hub import find_model
from r2model.model import R2Tuning

Config = TypeVar("Config", R2Config, ClipConfig)
FORMAT = "r2stream.r2model.v1"
PUBLISHED_CLIP = ClipConfig("ViT-B-32-quickgelu", "openai")
PUBLISHED_WIDTHS = (768, 512)
UNUSED = "loss._loss_sal.scale"
"""A constant of the published loss that its checkpoints carry along."""


def load_model(path_or_name: str | os.PathLike[str], *, device: torch.device | str = "cpu") -> R2Model:
    """Load a model: `demo`, the path of a `.pth` or `.safetensors`, or `hf://owner/repo/file`.

    Raises:
        CheckpointError: the file is missing, cannot be fetched, or is not a model; says what to do.
    """
    return load_checkpoint(find_model(path_or_name)).to(device)


def load_checkpoint(path: str | os.PathLike[str], *, heads: int = 8) -> R2Model:
    """Load a model file. `heads` is only for published files, whose shapes do not tell it.

    Raises:
        CheckpointError: unreadable, another kind of file, or tensors that do not fit, each named.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"there is no model file {path}")
    if path.suffix == ".safetensors":
        return _load_ours(path)
    if path.suffix in (".pth", ".pt"):
        return _load_published(path, heads)
    raise CheckpointError(f"{path} is not a model file: it should end in .pth or .safetensors")


def save_checkpoint(
    path: str | os.PathLike[str],
    model: R2Model,
    *,
    with_clip: bool = True,
    clip_dtype: torch.dtype = torch.float16,
    r2_dtype: torch.dtype = torch.float32,
) -> None:
    """Write our `.safetensors`: configuration, R² and (unless `with_clip` is False or it was never loaded) CLIP."""
    tensors = {f"r2.{name}": x.to(r2_dtype) for name, x in model.r2.state_dict().items()}
    config = model.config
    if with_clip and model.clip is not None:
        config = replace(config, clip=model.clip.config)
        tensors |= {f"clip.{name}": x.to(clip_dtype) for name, x in model.clip.model.state_dict().items()}
    # One entry only: safetensors writes several in random order, and equal models should be equal files.
    metadata = {FORMAT: json.dumps(asdict(config))}
    temporary = Path(path).with_suffix(".partial")
    save_file({name: x.cpu().contiguous() for name, x in tensors.items()}, temporary, metadata)
    temporary.replace(path)


def _load_ours(path: Path) -> R2Model:
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.offset_keys()}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or not a safetensors file: fetch it again ({error})") from error
    if FORMAT not in metadata:
        raise CheckpointError(f"{path} is not an r2stream model: its metadata has no entry {FORMAT}")
    config = _parse_config(metadata[FORMAT], path)
    parts = {part: _with_prefix(tensors, f"{part}.") for part in ("r2", "clip")}
    stray = sorted(name for name in tensors if not name.startswith(("r2.", "clip.")))
    r2 = R2Tuning(config)
    _fill(r2, parts["r2"], path, stray)
    if not parts["clip"]:
        return R2Model(config, r2)
    if config.clip is None:
        raise CheckpointError(f"{path} carries a CLIP that its configuration does not describe")
    clip = ClipEncoder.from_config(replace(config.clip, pretrained=None), config.layers)
    _fill(clip.model, parts["clip"], path)
    return R2Model(config, r2, clip)


def _load_published(path: Path, heads: int) -> R2Model:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Unpickling what is no pickle raises whatever its first bytes happen to mean.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} is damaged or not a PyTorch checkpoint: fetch it again ({reason})") from error
    state = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(x, Tensor) for x in state.values()):
        raise CheckpointError(f"{path} is not an R²-Tuning checkpoint: it holds no state_dict of tensors")
    tensors = {name.removeprefix("module."): x for name, x in state.items() if name.removeprefix("module.") != UNUSED}
    if not any(name.startswith("adapter.") for name in tensors):
        raise CheckpointError(f"{path} is not an R²-Tuning checkpoint: it holds no adapter")
    config = infer_config({name: tuple(x.shape) for name, x in tensors.items()}, heads)
    r2 = R2Tuning(config)
    _fill(r2, tensors, path)
    return R2Model(config, r2)


def infer_config(shapes: Mapping[str, tuple[int, ...]], heads: int = 8) -> R2Config:
    """What published tensor shapes say about the model; where one is missing, the published default stands."""

    def size(name: str, default: int) -> int:
        return (shapes.get(name) or (default,))[0]

    tokens = size("adapter.video_map.0.weight", PUBLISHED_WIDTHS[0] + 2)
    tef = 2 if tokens % 8 == 2 else 0  # the widths of transformers are multiples of 8; TEF adds two channels
    widths = tokens - tef, size("adapter.query_map.0.weight", PUBLISHED_WIDTHS[1])
    regress = any(name.startswith("coord_head.") for name in shapes)
    return R2Config(
        video_width=widths[0],
        query_width=widths[1],
        hidden=size("adapter.video_map.6.weight", 256),
        heads=heads,
        layers=size("adapter.scale", 4),
        strides=tuple(2**level for level in range(size("coef", 4))),
        use_tef=bool(tef),
        regress=regress,
        merge_saliency=regress,
        clip=PUBLISHED_CLIP if widths == PUBLISHED_WIDTHS else None,
    )


def _fill(module: torch.nn.Module, tensors: Mapping[str, Tensor], path: Path, stray: Iterable[str] = ()) -> None:
    """Copy all tensors into the module, or name every one that does not fit."""
    expected = module.state_dict()
    wrong = [f"unexpected {name}" for name in (*stray, *sorted(tensors.keys() - expected.keys()))]
    wrong += [f"missing {name}" for name in expected if name not in tensors]
    for name in expected.keys() & tensors.keys():
        shapes = [list(x[name].shape) for x in (tensors, expected)]
        if shapes[0] != shapes[1]:
            wrong.append(f"{name} is {shapes[0]}, not {shapes[1]}")
    if wrong:
        raise CheckpointError(f"{path} does not fit the model: {'; '.join(sorted(wrong))}")
    module.load_state_dict(dict(tensors))


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}


def _parse_config(text: str, path: Path) -> R2Config:
    try:
        found = json.loads(text)
        clip = found.pop("clip", None)
        return _from_mapping(R2Config, {**found, "clip": clip and _from_mapping(ClipConfig, clip)})
    except (TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} has a configuration that this version cannot read: {error}") from error


def _from_mapping(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """A configuration dataclass from JSON, where tuples have become lists."""
    unknown = values.keys() - {field.name for field in fields(kind)}
    if unknown:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}")
    arguments: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in values.items()}
    return kind(**arguments)
