"""Files of clips have their name once they are whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.clips.folder import ClipFolder


def test_a_file_is_published_whole(tmp_path: Path) -> None:
    """Until then it has another name."""
    folder = ClipFolder(tmp_path / "a" / "clips")
    part = folder.part("m1")
    part.write_bytes(b"clip")
    assert not folder.video("m1", "mp4").exists()
    folder.publish(part, folder.video("m1", "mp4"))
    folder.write(b"jpeg", folder.thumbnail("m1"))
    assert folder.video("m1", "mp4").read_bytes() == b"clip"
    assert sorted(path.name for path in folder.path.iterdir()) == ["m1.jpg", "m1.mp4"]


def test_removing_takes_all_of_a_clip(tmp_path: Path) -> None:
    """And nothing of another; what is not there is no mistake."""
    folder = ClipFolder(tmp_path)
    for name in ("m1.mp4", "m1.jpg", "m10.mp4"):
        (tmp_path / name).write_bytes(b"")
    folder.remove("m1")
    folder.remove("m2")
    assert [path.name for path in tmp_path.iterdir()] == ["m10.mp4"]


@pytest.mark.parametrize("clip_id", ["", "..", "../m1", "a/b", "a.b", "x" * 65])
def test_a_name_does_not_leave_the_folder(tmp_path: Path, clip_id: str) -> None:
    """Whatever somebody asks for."""
    with pytest.raises(ValueError, match="no name of a clip"):
        ClipFolder(tmp_path).video(clip_id, "mp4")
