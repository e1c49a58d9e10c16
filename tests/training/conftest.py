"""Golden batches of the published implementation, as our own types."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from r2model.outputs import R2Output
from training.losses import LossSettings
from training.targets import GroundTruth

TINY = Path(__file__).parent.parent / "data" / "golden" / "tiny"
VARIANTS = ("tef", "notef", "tvsum", "k1")


class Golden:
    """One variant's recorded numbers, float64."""

    def __init__(self, variant: str) -> None:
        self.variant = variant
        self.inputs: dict[str, NDArray[np.float64]] = dict(np.load(TINY / "train_inputs.npz"))
        self.values: dict[str, NDArray[np.float64]] = dict(np.load(TINY / f"{variant}_train_f64.npz"))

    @property
    def settings(self) -> LossSettings:
        """The published loss settings of this variant."""
        if self.variant == "tvsum":
            return LossSettings(classification="saliency", contrast_over_batch=False)
        return LossSettings()

    def tensor(self, name: str) -> Tensor:
        """A recorded array."""
        return torch.from_numpy(self.values[name])

    def truth(self) -> GroundTruth:
        """Labels of the recorded batch."""
        suffix = "_hl" if self.variant == "tvsum" else ""
        fps = torch.from_numpy(self.inputs["fps"]).double()
        boundaries = torch.from_numpy(self.inputs["boundary"]).double() * fps[:, None, None]
        return GroundTruth(
            boundaries=boundaries,
            boundary_mask=boundaries.isfinite().all(dim=-1),
            saliency=torch.from_numpy(self.inputs["saliency" + suffix]).double(),
            positive_frame=torch.from_numpy(self.inputs["pos_clip" + suffix]).squeeze(1),
            video_mask=torch.from_numpy(self.inputs["video_msk"]).bool(),
            present=torch.ones(len(fps), dtype=torch.bool),
        )

    def output(self) -> R2Output:
        """The recorded forward pass; `saliency` is not recorded and no loss reads it."""
        layers = sum(name.endswith(".v_cls") for name in self.values)
        levels = sum(name.startswith("pyramid_msk.") for name in self.values)
        mask = torch.from_numpy(self.inputs["video_msk"]).bool()
        masks = [self.tensor(f"pyramid_msk.{level}").bool() for level in range(levels)]
        return R2Output(
            class_logits=self.tensor("out_class").squeeze(-1),
            offsets=self.tensor("out_coord") if "out_coord" in self.values else None,
            saliency=torch.zeros(mask.shape, dtype=torch.float64),
            points=self.tensor("point"),
            point_mask=torch.cat(masks, dim=1) if masks else mask,
            video_embedding=self.tensor("video_emb"),
            query_embedding=self.tensor("query_emb").squeeze(1),
            layer_video=torch.stack([self.tensor(f"layer{i}.v_cls") for i in range(layers)]),
            layer_query=torch.stack([self.tensor(f"layer{i}.q_pooled").squeeze(1) for i in range(layers)]),
        )


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """Where the golden files of the tiny models are."""
    return TINY


@pytest.fixture(params=VARIANTS)
def golden(request: pytest.FixtureRequest) -> Golden:
    """Each published variant in turn."""
    return Golden(request.param)


@pytest.fixture
def all_golden() -> dict[str, Golden]:
    """Published variants by name."""
    return {variant: Golden(variant) for variant in VARIANTS}


@pytest.fixture(params=["tef", "notef", "k1"])
def golden_with_boundaries(request: pytest.FixtureRequest) -> Golden:
    """Each published variant that has a boundary head."""
    return Golden(request.param)


@pytest.fixture
def golden_tef() -> Golden:
    """The variant with every loss and both directions."""
    return Golden("tef")
