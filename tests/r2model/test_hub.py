"""Where model files are looked for, and what a user without a network is told."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub.constants
import pytest

from r2model import CheckpointError, R2Config, R2Model, load_model
from r2model import hub as hub_module
from r2model.checkpoint import PUBLISHED_CLIP
from r2model.model import R2Tuning


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No network, an empty cache, and an empty folder for files placed by hand."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub_module, "local_folder", lambda: tmp_path / "models")
    return tmp_path / "models"


def test_offline_error_says_what_to_fetch_and_where_to_put_it(offline: Path) -> None:
    """Without a network the error names the file's address, the place for it, and HF_HOME."""
    with pytest.raises(CheckpointError) as refusal:
        load_model("hf://someone/models/folder/model.pth")
    said = str(refusal.value)
    assert "/someone/models/resolve/main/folder/model.pth" in said
    assert str(offline / "someone" / "models" / "folder" / "model.pth") in said and "HF_HOME" in said


def test_file_placed_by_hand_is_used(offline: Path, golden_dir: Path) -> None:
    """A file put where the error said is taken without a network."""
    place = offline / "someone" / "models" / "model.pth"
    place.parent.mkdir(parents=True)
    place.write_bytes((golden_dir / "checkpoint" / "tiny_epoch_3.pth").read_bytes())
    assert load_model("hf://someone/models/model.pth").config.hidden == 32


@pytest.mark.parametrize("name", ["hf://", "hf://owner", "hf://owner/repo", "hf://owner/repo/"])
def test_incomplete_address_is_refused(name: str) -> None:
    """A hub address without owner, repository or file is an error that shows the form."""
    with pytest.raises(CheckpointError, match="hf://owner/repo/file"):
        load_model(name)


def test_missing_path_is_refused(tmp_path: Path) -> None:
    """A path that is not there is an error that names it and the alternatives."""
    with pytest.raises(CheckpointError, match=r"no model file nowhere\.pth: give a path"):
        load_model("nowhere.pth")


def test_published_clip_is_fetched_when_needed_and_not_before(offline: Path) -> None:
    """A published checkpoint grounds without CLIP; encoding offline says which file to fetch."""
    config = R2Config(hidden=32, clip=PUBLISHED_CLIP)
    model = R2Model(config, R2Tuning(config))
    assert model.clip is None
    with pytest.raises(CheckpointError) as refusal:
        model.encode_text("a player scores a goal")
    assert "open_clip_model.safetensors" in str(refusal.value) and str(offline) in str(refusal.value)


def test_unknown_pretrained_tag_lists_the_known() -> None:
    """A tag that open_clip does not have is an error that lists those it has."""
    with pytest.raises(CheckpointError, match="it has: openai"):
        hub_module.fetch_clip_weights("ViT-B-32-quickgelu", "openapi")
