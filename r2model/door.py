"""One object for researchers: a sentence and tokens in, moments out. Needs nothing of the live service."""

from __future__ import annotations

import torch
from torch import Tensor

from r2model.clip_encoder import ClipEncoder
from r2model.config import R2Config
from r2model.decode import groundings
from r2model.errors import CheckpointError
from r2model.model import R2Tuning
from r2model.outputs import Grounding
from r2model.preprocess import Pictures


class R2Model:
    """The R² network and the CLIP that feeds it, ready for inference."""

    config: R2Config
    r2: R2Tuning
    clip: ClipEncoder | None
    """None until the first `encode_*` when the checkpoint does not carry its CLIP."""

    def __init__(self, config: R2Config, r2: R2Tuning, clip: ClipEncoder | None = None) -> None:
        self.config = config
        self.r2 = r2.eval().requires_grad_(False)
        self.clip = clip

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.r2.coef.device

    def ground(self, video: Tensor, query: Tensor, frame_interval_s: float | None = None) -> Grounding:
        """Moments of one query in one window, exactly as the published model outputs them.

        Args:
            video: CLIP tokens `[T,N,P,C]` of the frames; of N layers the last K are read.
            query: CLIP tokens `[L,N,C]` of the sentence, start to end of text.
            frame_interval_s: seconds from frame to frame; None: as the model was trained (2.0 for QVHighlights).

        Returns:
            Saliency `[T]`; spans `[N,2]` in seconds, not clamped, rounded or suppressed; scores `[N]`, best first.
        """
        video, query = (x.to(self.device, self.r2.coef.dtype) for x in (video, query))
        masks = (torch.ones(1, len(x), dtype=torch.bool, device=self.device) for x in (video, query))
        with torch.no_grad():
            output = self.r2(video[None], query[None], *masks)
        interval_s = self.config.frame_interval_s if frame_interval_s is None else frame_interval_s
        return groundings(output, [len(video)], interval_s, self.config.max_moments)[0]

    def encode_images(self, pictures: Pictures) -> Tensor:
        """RGB uint8 `[N,H,W,3]` (or a sequence of `[H,W,3]`) -> tokens `[N,K,P,C]`.

        Raises:
            CheckpointError: this model's CLIP cannot be fetched; says what to do.
        """
        return self.encoder().encode_images(pictures)

    def encode_text(self, text: str) -> Tensor:
        """A sentence -> tokens `[L,K,C]`.

        Raises:
            QueryError: the sentence is empty or longer than the model can read.
            CheckpointError: this model's CLIP cannot be fetched; says what to do.
        """
        return self.encoder().encode_text(text)

    def encoder(self) -> ClipEncoder:
        """This model's CLIP, fetched now if the checkpoint did not carry it.

        Raises:
            CheckpointError: it cannot be fetched, or the checkpoint does not say which one it needs.
        """
        if self.clip is None:
            if self.config.clip is None:
                raise CheckpointError("this checkpoint does not say which CLIP it needs: give tokens instead")
            if self.config.clip.pretrained is None:
                raise CheckpointError("this checkpoint was saved without its CLIP: give tokens instead")
            clip = ClipEncoder.from_config(self.config.clip, self.config.layers)
            clip.model.to(self.device)
            self.clip = clip
        return self.clip

    def to(self, device: torch.device | str) -> R2Model:
        """Move all weights to `device`; returns itself."""
        self.r2.to(device)
        if self.clip is not None:
            self.clip.model.to(device)
        return self
