"""From an address to the source behind it."""

from __future__ import annotations

from stream.sources.demo import DemoSource, MissingDemo
from stream.sources.reader import Reader
from stream.sources.source import Source, Surroundings
from stream.sources.spec import Pace, SourceSpec


def open_source(
    address: str | SourceSpec, surroundings: Surroundings | None = None, *, pace: Pace = "realtime"
) -> Source:
    """The source behind `address`. Nothing is opened yet: that happens when its pictures are asked for.

    Args:
        address: what a user writes, or the same already understood.
        surroundings: who wants pictures and who is told about changes of state; by default every picture is wanted.
        pace: how fast a recording plays when its address does not say.

    Raises:
        SourceAddressError: when the address cannot be a source.
    """
    spec = SourceSpec.parse(address, pace=pace) if isinstance(address, str) else address
    surroundings = surroundings or Surroundings()
    return _open_demo(spec, surroundings) if spec.kind == "demo" else Reader(spec, surroundings)


def _open_demo(spec: SourceSpec, surroundings: Surroundings) -> Source:
    try:
        # Needs OpenCV, which only the demo needs.
        from stream.broadcast import Broadcast
    except ModuleNotFoundError:
        return MissingDemo(spec, surroundings)
    return DemoSource(spec, surroundings, Broadcast(spec.seed))
