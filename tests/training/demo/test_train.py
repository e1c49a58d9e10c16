from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from r2model import load_model
from training.demo import clip, grounder
from training.demo.evaluate import evaluate_demo
from training.demo.recipe import smoke
from training.demo.train import train_demo


class Interrupted(Exception):
    """What stands for a power cut."""


@dataclass
class StopsAfter:
    """Takes some steps of training and then fails."""

    real: Callable[..., Any]
    steps: int

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.steps -= 1
        if self.steps < 0:
            raise Interrupted
        return self.real(*args, **kwargs)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_interrupted_training_resumes_to_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the middle of either stage and started again, the recipe makes the same bytes, fit for use."""
    recipe = replace(smoke(), drop_path=0.1)
    straight = train_demo(tmp_path / "straight", recipe=recipe)

    stages: list[tuple[ModuleType, int]] = [(clip, 4), (grounder, 5)]
    for stage, steps in stages:
        with monkeypatch.context() as patched, pytest.raises(Interrupted):
            patched.setattr(stage, "optimise_step", StopsAfter(stage.optimise_step, steps))
            train_demo(tmp_path / "resumed", recipe=recipe)
    resumed = train_demo(tmp_path / "resumed", recipe=recipe)

    assert straight.read_bytes() == resumed.read_bytes()
    assert (tmp_path / "resumed" / "curves.png").stat().st_size > 1000
    tokens = load_model(resumed).encode_images(torch.zeros(1, 180, 320, 3, dtype=torch.uint8))
    assert tokens.shape == (1, 2, 29, 160)

    report = evaluate_demo(resumed, programmes_count=2, threads=1)
    assert {"seen paraphrases", "held-out paraphrases"} <= set(report.offline)
    assert report.live["all"]["moments"] > 0
