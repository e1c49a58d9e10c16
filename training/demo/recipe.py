"""Every number of the demo model's recipe, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field

from r2model.config import ClipConfig
from training.losses import LossSettings


@dataclass(frozen=True)
class Recipe:
    """How the shipped demo model is made; the same recipe and seed give the same file on the same kind of machine."""

    seed: int = 7
    threads: int = 2
    """PyTorch threads; sums depend on their number, so it is part of the recipe."""

    # Pictures and captions for the contrastive pre-training.
    image_px: tuple[int, int] = (64, 112)
    pictures: int = 131_072
    pictures_per_programme: int = 32
    programme_s: float = 240.0
    context_length: int = 28
    embed_dim: int = 128
    vision: dict[str, object] = field(
        default_factory=lambda: {"layers": 6, "width": 160, "patch_size": 16, "head_width": 32}
    )
    text: dict[str, object] = field(default_factory=lambda: {"width": 128, "heads": 4, "layers": 4})
    clip_batch: int = 128
    clip_steps: int = 2400
    clip_learning_rate: float = 1.5e-3
    clip_weight_decay: float = 0.05
    clip_warmup_steps: int = 100

    # Programmes for R², seen at the model's frame rate.
    frame_interval_s: float = 0.5
    window_frames: int = 64
    programmes: int = 720
    programme_frames: int = 256
    hidden: int = 192
    heads: int = 4
    layers: int = 2
    map_dropout: float = 0.0
    drop_path: float = 0.0
    """Nothing is ever overfitted here: the loss on unseen programmes is no higher."""
    windows_per_step: int = 4
    queries_per_window: int = 12
    short_windows: float = 0.35
    """Share of windows of a stream that has only just begun."""
    rare_windows: float = 0.75
    """Share of windows cut around a happening whose kind is drawn, and rare kinds more often than they come."""
    evidence_s: float = 2.0
    """A moment that goes on at the window's edge counts from this much of it on, or from half of it: what is alike in
    its first second (a shot that may go in or wide) is no alert yet."""
    losses: LossSettings = field(
        default_factory=lambda: LossSettings(
            classification_weight=30.0,
            regression_weight=1.0,
            saliency_weight=0.05,
            layer_calibration_weight=0.05,
        )
    )
    """Classification counts far more than published: alerts hang on it, and as a mean over points of which nearly all
    are background it is tiny beside the contrastive losses."""
    first_score: float = 0.02
    """What the class head says before training: about as often as points are positive."""
    first_scale: float = 0.5
    """How much the spatial pooling counts before training; from the published 0 it takes long to be of any effect."""
    r2_steps: int = 6500
    r2_learning_rate: float = 1e-3
    r2_muon_factor: float = 3.0
    r2_weight_decay: float = 1e-2
    r2_warmup_steps: int = 100
    checkpoint_every_steps: int = 100

    # Programmes for the calibration of scores.
    tuning_programmes: int = 40
    tuning_frames: int = 128
    tuning_absent: int = 20
    """Absent queries watched for on each: 14 hours of them in all."""


def squash_to(recipe: Recipe) -> ClipConfig:
    """What preprocessing needs to know of the CLIP that does not exist yet."""
    return ClipConfig("custom", image_px=recipe.image_px, resize="squash")


def smoke(recipe: Recipe | None = None) -> Recipe:
    """The same recipe at a size that runs in seconds: for tests, not for use."""
    base = recipe or Recipe()
    return Recipe(seed=base.seed, threads=1, pictures=256, pictures_per_programme=16, programme_s=60.0, clip_batch=32,
                  clip_steps=6, clip_warmup_steps=2, programmes=4, programme_frames=96, windows_per_step=2,
                  queries_per_window=4, r2_steps=6, r2_warmup_steps=2, checkpoint_every_steps=3,
                  tuning_programmes=1, tuning_frames=96, tuning_absent=4)  # fmt: skip
