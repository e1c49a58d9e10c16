"""The life of a moment as a picture, drawn from its table: Mermaid text, which GitHub and GitLab show as a diagram."""

from __future__ import annotations

from stream.lifecycle import FINAL, TRANSITIONS, Do, State


def mermaid() -> str:
    """A state diagram of `TRANSITIONS`: each arrow says what is seen and, after a slash, what is told."""
    arrows: dict[tuple[State, State, Do], list[str]] = {}
    for (before, sight), (after, do) in TRANSITIONS.items():
        arrows.setdefault((before, after, do), []).append(sight.value)
    lines = ["stateDiagram-v2", f"    [*] --> {State.IDLE.value}"]
    for (before, after, do), sights in arrows.items():
        lines.append(f"    {before.value} --> {after.value}: {_label(sights, do)}")
    lines += [f"    {state.value} --> [*]" for state in State if state in FINAL]
    return "\n".join([*lines, ""])


def _label(sights: list[str], do: Do) -> str:
    seen = ", ".join(sights).replace("_", " ")
    return seen if do is Do.NOTHING else f"{seen} / {do.value.replace('_', ' ')}"
