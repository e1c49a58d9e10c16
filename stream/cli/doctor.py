"""`r2stream doctor`: does everything work here that the service needs, and if not, what to do."""

from __future__ import annotations

import importlib
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from stream.cli.problems import CommandError, explain
from stream.redact import redact
from stream.settings import Settings

MIN_PYTHON: Final = (3, 11)
MIN_EVENTS_PER_S: Final = 20.0
"""A log slower than this holds up the events of a few dozen streams."""
MIN_FREE_BYTES: Final = 500_000_000

Status = Literal["ok", "warning", "failing"]


@dataclass(frozen=True)
class Finding:
    """What one check found; `todo` says what to do about it, and is empty when nothing needs to be done."""

    check: str
    status: Status
    found: str
    todo: str = ""


Check = Callable[[Settings], Finding]


def examine(settings: Settings) -> list[Finding]:
    """Run every check, each whatever the others find."""
    findings = []
    for name, check in CHECKS.items():
        try:
            finding = check(settings)
        except Exception as error:
            finding = Finding(name, "failing", "does not work", explain(error))
        findings.append(finding)
    return findings


def as_plain(findings: Sequence[Finding]) -> dict[str, object]:
    """The findings, ready for JSON."""
    return {"ok": not any(f.status == "failing" for f in findings), "checks": [asdict(f) for f in findings]}


def _python(settings: Settings) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < MIN_PYTHON:
        return Finding("python", "failing", version, "install Python 3.11 or newer and set r2stream up with it")
    return Finding("python", "ok", version)


def _torch(settings: Settings) -> Finding:
    import torch

    found = f"{torch.__version__}, {settings.device}, {torch.get_num_threads()} threads"
    try:
        device = torch.device(settings.device)
        ones = torch.ones(64, 64, device=device)
        exact = bool((ones @ ones == 64).all())
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        return Finding("torch", "failing", f"{found}: {reason}", "set device: cpu, or install PyTorch for this device")
    if not exact:
        return Finding("torch", "failing", f"{found}: computes wrong sums", "set device: cpu; this device is broken")
    return Finding("torch", "ok", f"{found}, {str(torch.get_default_dtype()).removeprefix('torch.')}")


def _torchvision(settings: Settings) -> Finding:
    try:
        torchvision = importlib.import_module("torchvision")
    except (RuntimeError, ImportError) as error:
        todo = "install the torchvision that belongs to this torch: pip install -c constraints.txt torch torchvision"
        return Finding("torchvision", "failing", str(error).partition("\n")[0], todo)
    return Finding("torchvision", "ok", str(torchvision.__version__))


def _codecs(settings: Settings) -> Finding:
    from stream.sources.codecs import VIDEO_CODECS, ffmpeg_version, missing_codecs

    missing = missing_codecs()
    if missing:
        todo = "install PyAV from its wheel, which brings its own FFmpeg: pip install --force-reinstall av"
        return Finding("codecs", "warning", f"{ffmpeg_version()}: no {', '.join(missing)}", todo)
    return Finding("codecs", "ok", f"{ffmpeg_version()}: {', '.join(VIDEO_CODECS)}")


def _demo(settings: Settings) -> Finding:
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError:
        return Finding(
            "demo", "warning", "no OpenCV, so no demo", "in r2stream's folder: pip install -c constraints.txt '.[demo]'"
        )
    return Finding("demo", "ok", f"OpenCV {cv2.__version__}")


def _model(settings: Settings) -> Finding:
    """Loads the model and watches a few seconds of noise with it, exactly as the service does."""
    import numpy as np

    from stream.engine import load_engine
    from stream.types import Frame, Observation

    began_s = time.perf_counter()
    engine = load_engine(settings.model, device=settings.device)
    loaded_s = time.perf_counter() - began_s
    engine.add_stream("doctor")
    engine.set_queries("doctor", {"probe": "a ball"})
    noise = np.random.default_rng(0).integers(0, 256, (8, 180, 320, 3), np.uint8)
    ticks_s = []
    for index, image in enumerate(noise):
        began_s = time.perf_counter()
        media_time_s = index * engine.frame_interval_s
        seen = engine.process([Frame("doctor", 0, index, media_time_s, media_time_s, "arrival", image)])
        ticks_s.append(time.perf_counter() - began_s)
        if not any(isinstance(item, Observation) and np.isfinite(item.saliency).all() for item in seen):
            raise CommandError(f"the model {settings.model} gives no answer: use another file, or the model 'demo'")
    tick_s = sorted(ticks_s)[len(ticks_s) // 2]
    found = (
        f"{engine.name}: loaded in {loaded_s:.1f} s, {1000 * tick_s:.0f} ms for each frame of a stream"
        f" and one query; a frame comes every {1000 * engine.frame_interval_s:.0f} ms"
    )
    if tick_s > engine.frame_interval_s:
        return Finding("model", "warning", found, "too slow for one live stream here: use a GPU or a smaller model")
    return Finding("model", "ok", found)


def _data_dir(settings: Settings) -> Finding:
    import shutil

    folder = settings.data_dir
    todo = f"make {folder} writable for this user, or choose another folder with --data-dir"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding("data folder", "failing", f"{folder}: {error.strerror}", todo)
    found = f"{folder}, {free_bytes / 1e9:.1f} GB free"
    if free_bytes < MIN_FREE_BYTES:
        return Finding("data folder", "warning", found, "make room on this disk")
    return Finding("data folder", "ok", found)


def _log_speed(settings: Settings) -> Finding:
    """Appends events to a log of its own beside the real one, each to the disk before the next."""
    from stream.events import stream_event
    from stream.store import Store

    if settings.database is not None:
        return _database(settings.database)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.data_dir, prefix="doctor-") as folder:
        store = Store(Path(folder) / "events.sqlite3")
        try:
            began_s, written = time.perf_counter(), 0
            while written < 50 and time.perf_counter() - began_s < 2.0:
                store.append([stream_event("doctor", "online", time_s=float(written))])
                written += 1
            per_s = written / (time.perf_counter() - began_s)
        finally:
            store.close()
    found = f"{per_s:.0f} events per second, each safe on the disk"
    if per_s < MIN_EVENTS_PER_S:
        return Finding("event log", "warning", found, "put the data folder on a faster disk, not on a network share")
    return Finding("event log", "ok", found)


def _database(url: str) -> Finding:
    from stream.store import StoreError
    from stream.store.postgres import server_version

    try:
        return Finding("event log", "ok", f"{server_version(url)} at {redact(url)}")
    except StoreError as error:
        found, _, todo = error.message.partition("; ")
        return Finding("event log", "failing", found, todo)


def _port(settings: Settings) -> Finding:
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            todo = "stop what uses it (perhaps r2stream itself), or choose another with --port or server.port"
            return Finding("address", "failing", f"{host} port {port}: {error.strerror}", todo)
    return Finding("address", "ok", f"{host} port {port or '(any)'} is free")


CHECKS: Final[dict[str, Check]] = {
    "python": _python,
    "torch": _torch,
    "torchvision": _torchvision,
    "codecs": _codecs,
    "demo": _demo,
    "model": _model,
    "data folder": _data_dir,
    "event log": _log_speed,
    "address": _port,
}
