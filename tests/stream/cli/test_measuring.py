"""The commands about models, where they fail; what they do is tested with the packages that do it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.cli.app import run


def test_training_does_not_mix_two_recipes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that holds another run is left alone."""
    (tmp_path / "recipe.json").write_text("{}")
    assert run(["train", "demo", "--out", str(tmp_path), "--r2-steps", "1"]) == 1
    assert "another folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.json"]


def test_evaluating_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Is refused before anything is rendered."""
    assert run(["evaluate", "demo", "--model", "/nowhere/m.safetensors"]) == 1
    assert "/nowhere/m.safetensors" in capsys.readouterr().err


def test_measuring_on_a_device_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Names the device and one that works."""
    assert run(["bench", "--device", "nonsense"]) == 1
    error = capsys.readouterr().err
    assert "nonsense" in error and "--device cpu" in error
