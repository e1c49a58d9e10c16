"""CLIP tokens against a walk through the towers by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import save_file
from torch import Tensor

from r2model import clip_encoder
from r2model.clip_encoder import ClipEncoder
from r2model.config import ClipConfig
from r2model.errors import CheckpointError, QueryError
from r2model.preprocess import preprocess

SENTENCE = "a red square grows!!"


@pytest.fixture(scope="module")
def pictures() -> Any:
    return np.random.default_rng(0).integers(0, 256, (3, 40, 60, 3), dtype=np.uint8)


def residual_stream(blocks: Any, x: Tensor, mask: Tensor | None, layers: int) -> Tensor:
    """Output of each of the last blocks, in the formula of a pre-norm transformer block."""
    seen = []
    for block in blocks:
        normed = block.ln_1(x)
        x = x + block.attn(normed, normed, normed, need_weights=False, attn_mask=mask)[0]
        x = x + block.mlp(block.ln_2(x))
        seen.append(x)
    return torch.stack(seen[-layers:], -3)


def test_image_tokens_are_the_raw_residual_stream(clip: ClipEncoder, pictures: Any) -> None:
    """The tokens are what the last K blocks put out, class token first, with no final norm and no projection."""
    visual = clip.model.visual
    with torch.no_grad():
        patches = visual.conv1(preprocess(pictures, clip.config)).flatten(2).transpose(1, 2)
        tokens = torch.cat([visual.class_embedding.expand(3, 1, -1), patches], 1) + visual.positional_embedding
        expected = residual_stream(visual.transformer.resblocks, visual.ln_pre(tokens), None, clip.layers)
    tokens = clip.encode_images(pictures)
    assert tokens.shape == (3, 2, 1 + 6, 48)
    torch.testing.assert_close(tokens, expected, rtol=0, atol=1e-5)


def test_text_tokens_are_the_raw_residual_stream(clip: ClipEncoder) -> None:
    """The words run from start to end of text and equal those of a run over the whole padded context."""
    model, ids = clip.model, SimpleTokenizer(context_length=clip.model.context_length)(SENTENCE)
    with torch.no_grad():
        x = model.token_embedding(ids) + model.positional_embedding
        padded = residual_stream(model.transformer.resblocks, x, model.attn_mask, clip.layers)[0]
    length = len(clip.tokenise(SENTENCE))
    tokens = clip.encode_text(SENTENCE)
    assert tokens.shape == (length, 2, 32) and length < ids.shape[1]
    torch.testing.assert_close(tokens, padded[:, :length].transpose(0, 1), rtol=0, atol=1e-5)


def test_projections_are_clips_own(clip: ClipEncoder, pictures: Any) -> None:
    """From the tokens one gets the embeddings that open_clip computes from pictures and sentences."""
    ids = SimpleTokenizer(context_length=clip.model.context_length)(SENTENCE)
    with torch.no_grad():
        image = clip.model.encode_image(preprocess(pictures, clip.config), normalize=True)
        text = clip.model.encode_text(ids, normalize=True)[0]
    torch.testing.assert_close(clip.project_images(clip.encode_images(pictures)), image)
    torch.testing.assert_close(clip.project_text(clip.encode_text(SENTENCE)), text)


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_empty_sentence_is_refused(clip: ClipEncoder, text: str) -> None:
    """A sentence without words is an error that says so."""
    with pytest.raises(QueryError, match="empty"):
        clip.encode_text(text)


def test_long_sentence_is_refused_not_cut(clip: ClipEncoder) -> None:
    """A sentence longer than the context is an error that says how long it may be."""
    assert clip.encode_text("ball " * 14).shape[0] == 16
    with pytest.raises(QueryError, match="15 tokens, at most 14"):
        clip.encode_text("ball " * 15)


def test_cut_vocabulary_changes_nothing_for_kept_words(clip: ClipEncoder, pictures: Any) -> None:
    """Sentences of kept words and all pictures keep their tokens; other words share one row; the table shrinks."""
    cut = clip.cut_vocabulary(clip.tokenise(SENTENCE) + clip.tokenise("a green ball"))
    assert cut.model.token_embedding.weight.shape[0] == len(cut.config.vocabulary or ()) + 1 < 20
    assert cut.encode_text(SENTENCE).equal(clip.encode_text(SENTENCE))
    assert cut.encode_images(pictures).equal(clip.encode_images(pictures))
    assert cut.encode_text("a zebra").equal(cut.encode_text("a giraffe")[: len(cut.encode_text("a zebra"))])


def test_pretrained_weights_come_from_the_file_that_was_fetched(
    clip: ClipEncoder, pictures: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An architecture that open_clip knows, with a tag, is built from the tag's file: the way of published models."""
    described = clip.config.open_clip_config
    (tmp_path / "tiny-vit.json").write_text(json.dumps(described))
    open_clip.add_model_config(tmp_path)
    weights = tmp_path / "open_clip_model.safetensors"
    save_file(clip.model.state_dict(), weights)
    monkeypatch.setattr(clip_encoder, "fetch_clip_weights", lambda architecture, pretrained: weights)
    read = ClipEncoder.from_config(ClipConfig("tiny-vit", "someones", image_px=(32, 48)), clip.layers)
    assert read.encode_images(pictures).equal(clip.encode_images(pictures))
    assert read.encode_text(SENTENCE).equal(clip.encode_text(SENTENCE))


def test_unknown_architecture_names_the_nearest() -> None:
    """A misspelt architecture is an error with a suggestion."""
    with pytest.raises(CheckpointError, match="did you mean ViT-B-32"):
        ClipEncoder.from_config(ClipConfig("ViT-B-33"))


@pytest.mark.parametrize("architecture", ["ViT-B-16-SigLIP", "coca_ViT-B-32", "RN50", "ViT-H-14-worldwide"])
def test_other_kinds_of_towers_are_refused(architecture: str) -> None:
    """Architectures whose hidden states, or token ids, mean something else are refused, not read wrongly."""
    with pytest.raises(CheckpointError, match=r"ViT|cannot build|tokeniser"):
        ClipEncoder.from_config(ClipConfig(architecture))


def test_picture_size_must_agree(clip: ClipEncoder) -> None:
    """A configuration that prepares pictures of another size than the network takes is refused."""
    with pytest.raises(CheckpointError, match="takes pictures of"):
        ClipEncoder(clip.model, ClipConfig("custom"), 2)
