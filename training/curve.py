"""A training curve: numbers per step, written to CSV and drawn as a PNG."""

from __future__ import annotations

import csv
from collections import deque
from pathlib import Path


class Curve:
    """Collects values; `flush` appends them to the file, so that a resumed run goes on where it was."""

    def __init__(self, path: Path, smooth_steps: int = 50) -> None:
        self.path = path
        self._rows: list[dict[str, float]] = []
        self._recent: dict[str, deque[float]] = {}
        self._smooth_steps = smooth_steps

    def add(self, step: int, **values: float) -> None:
        """One step's values."""
        self._rows.append({"step": step, **values})
        for name, value in values.items():
            self._recent.setdefault(name, deque(maxlen=self._smooth_steps)).append(value)

    def mean(self, name: str) -> float:
        """Mean of `name` over the last steps."""
        recent = self._recent[name]
        return sum(recent) / len(recent)

    def flush(self) -> None:
        """Write what was added, and drop rows of a run that went further but was resumed from before."""
        if not self._rows:
            return
        kept = [row for row in read_curve(self.path) if row["step"] < self._rows[0]["step"]]
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self._rows[0]))
            writer.writeheader()
            writer.writerows(kept + self._rows)
        self._rows = []


def read_curve(path: Path) -> list[dict[str, float]]:
    """The rows of a curve's file; empty when there is none yet."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def plot_curves(paths: dict[str, Path], target: Path, smooth_steps: int = 50) -> None:
    """One panel per curve, each value smoothed over `smooth_steps`, as a PNG."""
    from matplotlib.figure import Figure  # here, for it is slow to import and only needed at the end

    figure = Figure(figsize=(5 * len(paths), 3.6), layout="constrained")
    for i, (title, path) in enumerate(paths.items()):
        axes = figure.add_subplot(1, len(paths), i + 1)
        rows = read_curve(path)
        for name in [n for n in (rows[0] if rows else {}) if n != "step"]:
            values = [row[name] for row in rows]
            axes.plot([row["step"] for row in rows], _running_mean(values, smooth_steps), label=name)
        axes.set(title=title, xlabel="step")
        if rows:  # a legend of nothing is a warning
            axes.legend(frameon=False)
        axes.grid(alpha=0.3)
    figure.savefig(target, dpi=130)


def _running_mean(values: list[float], steps: int) -> list[float]:
    recent: deque[float] = deque(maxlen=steps)
    means = []
    for value in values:
        recent.append(value)
        means.append(sum(recent) / len(recent))
    return means
