"""Everything that decides the shape of a model, in two frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ClipConfig:
    """Which frozen CLIP makes the tokens, and how pictures are prepared for it."""

    architecture: str
    """open_clip model name (`ViT-B-32-quickgelu`), or `custom` when `open_clip_config` holds the architecture."""
    pretrained: str | None = None
    """open_clip pretrained tag (`openai`); None when the weights come with the checkpoint."""
    open_clip_config: dict[str, object] | None = None
    """open_clip's own model config (embed_dim, vision_cfg, text_cfg) of a `custom` architecture."""
    vocabulary: tuple[int, ...] | None = None
    """Token ids whose embedding rows are kept, ascending; None keeps all. Other tokens share one extra last row."""
    image_px: tuple[int, int] = (224, 224)
    """Height and width of the pictures the towers see."""
    resize: Literal["shortest", "squash"] = "shortest"
    """`shortest`: scaled until both sides cover `image_px`, centre crop. `squash`: scaled to it, nothing cut off."""
    mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class R2Config:
    """Shape and constants of the R² block (letters as in the legend of `model.py`)."""

    video_width: int = 768
    """Channels C of a CLIP visual token."""
    query_width: int = 512
    """Channels C of a CLIP text token."""
    hidden: int = 256
    """Channels D inside the block."""
    heads: int = 8
    layers: int = 4
    """K: how many last CLIP layers are read."""
    strides: tuple[int, ...] = (1, 2, 4, 8)
    use_tef: bool = True
    """Two temporal end-point features per token; ties every token to the window's length."""
    regress: bool = True
    """Whether there is a head for boundaries (none for highlight-only weights)."""
    merge_saliency: bool = True
    """Multiply the class saliency by the cosine between frame and query."""
    max_moments: int = 50
    max_frames: int = 1024
    map_dropout: float = 0.0
    drop_path: float = 0.0
    frame_interval_s: float = 2.0
    window_frames: int = 75
    """Frames of the live window (75 x 2 s is QVHighlights' longest video)."""
    clip: ClipConfig | None = None
