"""What the store knows of clips survives a restart, and does not grow for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream.events import ClipData, Instant
from stream.store import ClipRecord, Store
from stream.store import clips as clips_module


def record(
    clip_id: str, state: Any = "pending", *, created_s: float = 1.0, told: bool = False, size: int = 0
) -> ClipRecord:
    nowhere = Instant(time=None, media_time_s=None, final=False)
    about: dict[str, Any] = dict.fromkeys(("moment_id", "query", "reason", "url", "thumbnail_url", "container"))
    data = ClipData(clip_id=clip_id, stream="pitch", state=state, start=nowhere, end=nowhere, bytes=size, **about)
    return ClipRecord(data, created_s, told)


def test_clips_survive_a_restart(tmp_path: Path) -> None:
    """With the cursor up to which the log was read."""
    store = Store(tmp_path / "events.sqlite3")
    assert store.clips.cursor() is None
    store.clips.add([record("a"), record("b", created_s=0.5)], 7)
    store.clips.add([record("a", "failed")], 9)
    store.close()
    store = Store(tmp_path / "events.sqlite3")
    assert store.clips.cursor() == 9
    assert store.clips.find("a") == record("a"), "what is there stays as it is"
    assert [known.data.clip_id for known in store.clips.unfinished()] == ["b", "a"]
    assert store.clips.find("c") is None
    store.close()


def test_what_is_told_is_finished(store: Store) -> None:
    """A clip whose event is not in the log yet is not."""
    store.clips.add([record("a"), record("b")])
    store.clips.save(record("a", "ready", told=True, size=5))
    store.clips.save(record("b", "failed"))
    assert store.clips.unfinished() == [record("b", "failed")]


def test_files_are_counted_and_the_oldest_is_known(store: Store) -> None:
    """For retention; clips without a file do not count."""
    assert store.clips.ready_bytes() == 0 and store.clips.oldest_ready() is None
    store.clips.add([record("new", "ready", created_s=3, size=10), record("old", "ready", created_s=2, size=20)])
    store.clips.add([record("gone", "removed", created_s=1, size=40)])
    assert store.clips.ready_bytes() == 30
    assert store.clips.oldest_ready() == record("old", "ready", created_s=2, size=20)


def test_clips_without_a_file_are_forgotten_in_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest first, and only once they have been told."""
    monkeypatch.setattr(clips_module, "MAX_WITHOUT_FILE", 2)
    for number in range(4):
        store.clips.add([record(f"m{number}", created_s=number)])
        store.clips.save(record(f"m{number}", "failed", created_s=number, told=number != 1))
    assert [name for name in ("m0", "m1", "m2", "m3") if store.clips.find(name)] == ["m1", "m2", "m3"]
