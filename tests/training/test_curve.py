from pathlib import Path

import pytest

from training.curve import Curve, plot_curves, read_curve


def test_a_curve_is_read_back_as_written(tmp_path: Path) -> None:
    """What was added is in the file after a flush."""
    curve = Curve(tmp_path / "curve.csv")
    curve.add(0, loss=2.0)
    curve.add(1, loss=1.0)
    curve.flush()

    assert read_curve(tmp_path / "curve.csv") == [{"step": 0.0, "loss": 2.0}, {"step": 1.0, "loss": 1.0}]


def test_a_resumed_run_replaces_the_steps_it_repeats(tmp_path: Path) -> None:
    """A run that went beyond its last checkpoint leaves no step twice in the curve."""
    path = tmp_path / "curve.csv"
    first = Curve(path)
    for step in range(4):
        first.add(step, loss=float(step))
    first.flush()
    resumed = Curve(path)
    resumed.add(2, loss=20.0)
    resumed.flush()

    assert [(row["step"], row["loss"]) for row in read_curve(path)] == [(0, 0), (1, 1), (2, 20)]


def test_the_mean_is_over_the_last_steps_only(tmp_path: Path) -> None:
    """Progress shows where the run stands now."""
    curve = Curve(tmp_path / "curve.csv", smooth_steps=2)
    for step, loss in enumerate([100.0, 1.0, 3.0]):
        curve.add(step, loss=loss)

    assert curve.mean("loss") == pytest.approx(2.0)


def test_curves_are_drawn_as_a_png(tmp_path: Path) -> None:
    """One panel per curve; a curve without a file is an empty panel."""
    curve = Curve(tmp_path / "a.csv")
    curve.add(0, loss=1.0)
    curve.flush()
    plot_curves({"a": tmp_path / "a.csv", "missing": tmp_path / "b.csv"}, tmp_path / "plot.png")

    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
