"""One process at a time, told by its number."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stream.store import FileLock, StoreError

HOLD = """
import sys
from pathlib import Path
from stream.store import FileLock
lock = FileLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_it_is_held_until_it_is_given_back(tmp_path: Path) -> None:
    """Whoever else wants it is told who has it, and what to do."""
    path = tmp_path / "deep" / "r2stream.lock"
    lock = FileLock(path)
    with pytest.raises(StoreError, match=rf"using .*deep \(process {os.getpid()}\); stop it or choose") as caught:
        FileLock(path)
    assert caught.value.code == "store_in_use"
    lock.release()
    lock.release()
    FileLock(path).release()


def test_a_file_without_a_number_is_a_lock_too(tmp_path: Path) -> None:
    """As an earlier version left it; what is in it is never shown."""
    path = tmp_path / "r2stream.lock"
    lock = FileLock(path)
    path.write_text("anything")
    with pytest.raises(StoreError, match=f"using {tmp_path}; stop it"):
        FileLock(path)
    lock.release()


def test_kill_9_gives_it_back(tmp_path: Path) -> None:
    """No dead process keeps a service from starting, though its number stays in the file."""
    path = tmp_path / "r2stream.lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match=rf"\(process {holder.pid}\)"):
            FileLock(path)
        holder.kill()
    FileLock(path).release()


def test_a_place_where_no_file_can_be_is_an_error_of_the_system(tmp_path: Path) -> None:
    """Whoever wants the lock knows what to say about it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        FileLock(tmp_path / "file" / "r2stream.lock")
