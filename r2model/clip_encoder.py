"""CLIP's own tokens: what the last K blocks of its image and text towers leave in the residual stream.

Letters: N pictures, K layers (index 0 shallowest), P tokens of a picture (0 is the class token), L words, C channels.
No final normalisation and no projection is applied. Every open_clip ViT with a causal text tower will do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from r2model.config import ClipConfig
from r2model.errors import CheckpointError, QueryError
from r2model.hub import fetch_clip_weights
from r2model.preprocess import Pictures, preprocess


class ClipEncoder:
    """A frozen open_clip model and how pictures and sentences are prepared for it."""

    def __init__(self, model: Any, config: ClipConfig, layers: int) -> None:
        """Wrap the open_clip `model`, of which the last `layers` blocks are read.

        Raises:
            CheckpointError: `model` is not a ViT with a causal text tower.
        """
        self.model: Any = model.eval().requires_grad_(False)
        self.config = config
        self.layers = layers
        self._text: Any = getattr(model, "text", model)
        plain = hasattr(self.model.visual, "ln_pre") and getattr(self._text, "attn_mask", None) is not None
        if not plain or getattr(self._text, "cls_emb", None) is not None:
            raise CheckpointError(f"{config.architecture} is not a ViT with a causal text tower: use one that is")
        takes = tuple(self.model.visual.image_size)
        if takes != config.image_px:
            raise CheckpointError(f"{config.architecture} takes pictures of {takes} pixels, not {config.image_px}")

    @classmethod
    def from_config(cls, config: ClipConfig, layers: int = 4) -> ClipEncoder:
        """Build the architecture, with its pretrained weights if `config` names any, else with random ones.

        Raises:
            CheckpointError: unknown architecture, or weights that cannot be fetched; says what to do.
        """
        import open_clip  # slow to import, and only needed by those who encode

        described = config.open_clip_config or open_clip.get_model_config(config.architecture)
        if described is None:
            near = difflib.get_close_matches(config.architecture, open_clip.list_models(), 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise CheckpointError(f"open_clip knows no architecture {config.architecture!r}{hint}")
        if "hf_tokenizer_name" in _text_config(described):
            raise CheckpointError(f"{config.architecture} has a tokeniser of its own: use a CLIP with the usual one")
        if config.pretrained is not None:
            weights = fetch_clip_weights(config.architecture, config.pretrained)
            model = open_clip.create_model(config.architecture, pretrained=str(weights), weights_only=True)
        else:
            model = _build(described, config.vocabulary)
        return cls(model, config, layers)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        weight: Tensor = self.model.logit_scale
        return weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the tokens that come out."""
        weight: Tensor = self.model.logit_scale
        return weight.dtype

    @cached_property
    def _tokenizer(self) -> Any:
        from open_clip.tokenizer import SimpleTokenizer

        return SimpleTokenizer()

    @cached_property
    def _row_of_token(self) -> dict[int, int] | None:
        """Row of the cut embedding for each kept token id; None when nothing was cut."""
        kept = self.config.vocabulary
        return None if kept is None else {token: row for row, token in enumerate(kept)}

    @torch.no_grad()
    def encode_images(self, pictures: Pictures) -> Tensor:
        """RGB uint8 `[N,H,W,3]` (or a sequence of `[H,W,3]`) -> tokens `[N,K,P,C]`."""
        return self.encode_pixels(preprocess(pictures, self.config, self.device))

    @torch.no_grad()
    def encode_pixels(self, pixels: Tensor) -> Tensor:
        """Preprocessed pictures `[N,3,H,W]` -> tokens `[N,K,P,C]`."""
        read = self.model.visual.forward_intermediates(
            pixels.to(self.dtype),
            indices=self.layers,
            intermediates_only=True,
            output_fmt="NLC",
            output_extra_tokens=True,
        )
        layers = zip(read["image_intermediates_prefix"], read["image_intermediates"], strict=True)
        return torch.stack([torch.cat(pair, 1) for pair in layers], 1)

    @torch.no_grad()
    def encode_text(self, text: str) -> Tensor:
        """A sentence -> tokens `[L,K,C]`, from start to end of text, without padding.

        Raises:
            QueryError: the sentence is empty or longer than the model's context.
        """
        tokens = self.tokenise(text)
        rows = self._row_of_token
        if rows is not None:
            tokens = [rows.get(token, len(rows)) for token in tokens]
        length = len(tokens)
        x = self._text.token_embedding(torch.tensor([tokens], device=self.device))
        x = (x + self._text.positional_embedding[:length]).to(self.dtype)
        mask = self._text.attn_mask[:length, :length].to(self.dtype)
        # The text tower is causal, so that cutting the padding off beforehand changes nothing.
        _, layers = self._text.transformer.forward_intermediates(x, attn_mask=mask, indices=self.layers)
        return torch.stack([layer[0] for layer in layers], 1)

    def tokenise(self, text: str) -> list[int]:
        """Token ids from start to end of text.

        Raises:
            QueryError: as `encode_text`.
        """
        pieces: list[int] = self._tokenizer.encode(text)
        if not pieces:
            raise QueryError("the sentence is empty: say what to watch for")
        limit = int(self._text.context_length) - 2
        if len(pieces) > limit:
            raise QueryError(f"the sentence is too long for this model: {len(pieces)} tokens, at most {limit}")
        return [self._tokenizer.sot_token_id, *pieces, self._tokenizer.eot_token_id]

    @torch.no_grad()
    def project_images(self, tokens: Tensor) -> Tensor:
        """CLIP's usual picture embedding from the tokens of `encode_images`: `[N,K,P,C]` -> unit vectors `[N,E]`."""
        visual = self.model.visual
        return F.normalize(visual.ln_post(tokens[:, -1, 0]) @ visual.proj, dim=-1)

    @torch.no_grad()
    def project_text(self, tokens: Tensor) -> Tensor:
        """CLIP's usual sentence embedding from the tokens of `encode_text`: `[L,K,C]` -> a unit vector `[E]`."""
        last, projection = self._text.ln_final(tokens[-1, -1]), self._text.text_projection
        return F.normalize(projection(last) if isinstance(projection, nn.Linear) else last @ projection, dim=-1)

    @torch.no_grad()
    def cut_vocabulary(self, tokens: Iterable[int]) -> ClipEncoder:
        """A new encoder that keeps the embeddings of these token ids (and of start and end of text).

        All others share one row, the mean of what is dropped.
        """
        if self.config.vocabulary is not None:
            raise ValueError("this vocabulary has been cut already")
        ends = {self._tokenizer.sot_token_id, self._tokenizer.eot_token_id}
        kept = tuple(sorted(ends.union(tokens)))
        table: Tensor = self._text.token_embedding.weight
        dropped = torch.ones(len(table), dtype=torch.bool, device=table.device)
        dropped[list(kept)] = False
        other = table[dropped].mean(0, keepdim=True) if dropped.any() else table.new_zeros(1, table.shape[1])
        described = self.config.open_clip_config or _known_config(self.config.architecture)
        config = replace(self.config, vocabulary=kept, open_clip_config=described, pretrained=None)
        model = _build(described, kept).to(table.device, table.dtype)
        state = dict(self.model.state_dict())
        name = "token_embedding.weight" if self._text is self.model else "text.token_embedding.weight"
        model.load_state_dict({**state, name: torch.cat([table[list(kept)], other])})
        return ClipEncoder(model, config, self.layers)


def _text_config(described: Mapping[str, object]) -> Mapping[str, object]:
    found = described.get("text_cfg")
    return found if isinstance(found, Mapping) else {}


def _known_config(architecture: str) -> dict[str, object]:
    import open_clip

    return dict(open_clip.get_model_config(architecture))


def _build(described: dict[str, Any], vocabulary: tuple[int, ...] | None) -> nn.Module:
    """A randomly initialised open_clip model from open_clip's own description of it."""
    from open_clip.model import CLIP, CustomTextCLIP

    described = {**described}
    if "timm_model_name" in described["vision_cfg"] or "hf_model_name" in described["text_cfg"]:
        raise CheckpointError("this CLIP's towers are not open_clip's own: use a plain ViT")
    if vocabulary is not None:
        described["text_cfg"] = {**described["text_cfg"], "vocab_size": len(vocabulary) + 1}
    custom = described.pop("custom_text", False)
    try:
        model: nn.Module = (CustomTextCLIP if custom else CLIP)(**described)
    except TypeError as error:
        raise CheckpointError(f"open_clip cannot build this CLIP: {error}") from error
    return model
