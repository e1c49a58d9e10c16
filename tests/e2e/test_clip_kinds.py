"""Clips of every kind of video that is cut: over HTTP, to a browser and to the ffmpeg command, picture by picture."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from playwright.async_api import Error as PageError

from clients import Clip
from tests.browser import browsing, chromium_is_missing
from tests.e2e.conftest import Listener, ServeProcess, listening
from tests.media import FPS, HEIGHT_PX, WIDTH_PX, coded_pictures, encode_video, picture_code
from tests.stream.clips.conftest import frame_s, show

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
COUNT, FIRST, END = 5 * FPS, 37, 88
"""Of the video, with a keyframe each second; the clips are of the pictures [37, 88)."""


@dataclass(frozen=True)
class Material:
    """One kind of video, and what a browser is asked about it."""

    suffix: str
    codec: str
    media_type: str
    begins: int = FIRST
    """The first picture that a clip shows."""
    extra: int = 0
    """So many pictures after the last one may be in, as they were sent before it."""
    encoder: dict[str, Any] = field(default_factory=dict)
    unplayable: str = ""
    """Why Chromium does not play it."""
    complaint: bytes = b""
    """What ffmpeg may say of it, while it shows every picture as it should be."""


_QUICK: Final = {"options": {"deadline": "realtime", "cpu-used": "8"}}
_H264: Final = 'video/mp4; codecs="avc1.64001f"'


def _open_gops(pyramid: str) -> dict[str, Any]:
    return {"b_frames": 3, "options": {"x264-params": f"open-gop=1:b-pyramid={pyramid}"}}


MATERIALS: Final = {
    "h264": Material(".mp4", "libx264", _H264),
    "h264-b-frames": Material(".mp4", "libx264", _H264, extra=3, encoder={"b_frames": 2}),
    "h264-aac": Material(".mp4", "libx264", _H264, extra=3, encoder={"b_frames": 2, "audio": True}),
    "h264-open-gops": Material(".mp4", "libx264", _H264, extra=4, encoder=_open_gops("none")),
    "h264-open-pyramids": Material(
        ".mp4",
        "libx264",
        _H264,
        extra=4,
        encoder=_open_gops("normal"),
        unplayable="it gives up where B-frames that others refer to let go of pictures before an open GOP",
        complaint=b"unref short failure",
    ),
    "h265": Material(
        ".mp4",
        "libx265",
        'video/mp4; codecs="hvc1.1.6.L93.B0"',
        extra=4,
        encoder={"b_frames": 3},
    ),
    "vp8": Material(".webm", "libvpx", 'video/webm; codecs="vp8"', encoder=_QUICK),
    "vp8-opus": Material(".webm", "libvpx", 'video/webm; codecs="vp8, opus"', encoder={**_QUICK, "audio": True}),
    "vp9": Material(".webm", "libvpx-vp9", 'video/webm; codecs="vp9"', begins=FPS, encoder=_QUICK),
}

_PLAY: Final = """async (url) => {
  const video = document.createElement('video')
  Object.assign(video, {muted: true, preload: 'auto', src: url})
  document.body.append(video)
  const event = (name) => new Promise((resolve, reject) => {
    video.addEventListener(name, resolve, {once: true})
    video.addEventListener('error', () => reject(new Error(video.error.message)), {once: true})
    setTimeout(() => reject(new Error(`no event '${name}'`)), 20000)
  })
  const code = () => {  // as picture_code of tests/media.py
    const canvas = document.createElement('canvas')
    Object.assign(canvas, {width: video.videoWidth, height: video.videoHeight})
    const context = canvas.getContext('2d')
    context.drawImage(video, 0, 0)
    const block = Math.floor(canvas.height / 6)
    let number = 0
    for (let bit = 0; bit < 16; bit++) {
      const part = context.getImageData(bit % 8 * block, Math.floor(bit / 8) * block, block, block).data
      const sum = part.reduce((sum, value, i) => i % 4 == 3 ? sum : sum + value, 0)
      if (sum / (3 * block * block) > 125) number |= 1 << bit
    }
    return number
  }
  const shown = new Promise((resolve) => video.requestVideoFrameCallback(resolve))
  await event('loadeddata')
  await shown
  const first = code(), seen = []
  const look = () => { seen.push(code()); video.requestVideoFrameCallback(look) }
  video.requestVideoFrameCallback(look)
  const ended = event('ended')
  await video.play()
  await ended
  const last = code(), seeked = event('seeked')
  video.currentTime = 0
  await seeked
  return {first, seen, last, again: code(), duration_s: video.duration}
}"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, eager_model: Path) -> Iterator[ServeProcess]:
    """Watches all of them as if they were live."""
    folder = tmp_path_factory.mktemp("kinds")
    streams: dict[str, str] = {}
    for name, kind in MATERIALS.items():
        path = folder / f"{name}{kind.suffix}"
        encoder = {"options": {"preset": "veryfast", **kind.encoder.get("options", {})}}
        encode_video(path, coded_pictures(COUNT), codec=kind.codec, **{**kind.encoder, **encoder})
        streams[name] = str(path)
    process = ServeProcess(folder, {"model": str(eager_model), "streams": streams})
    process.start()
    yield process
    process.kill()


@pytest.fixture(params=list(MATERIALS))
def material(request: pytest.FixtureRequest) -> tuple[str, Material]:
    """Each kind of video, with its name."""
    return request.param, MATERIALS[request.param]


async def a_clip(heard: Listener, stream: str) -> Clip:
    """One of the stream, once it is ready."""
    await heard.frames_of(stream, 1)
    clip_id = (await heard.client.add_clip(stream, frame_s(FIRST), frame_s(END))).clip_id
    await heard.until(lambda events: any(event.clip and event.clip.clip_id == clip_id for event in events))
    clip = await heard.client.clip_info(clip_id)
    assert clip.state == "ready" and clip.url is not None, clip.reason
    return clip


def decoded_by_ffmpeg(path: Path, complaint: bytes) -> list[int]:
    """The numbers of the pictures that the ffmpeg command shows; it may not find fault with anything else."""
    command = ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-vsync", "passthrough"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-map", "0:v", "-", "-f", "null", "-map", "0:a?", "/dev/null"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert all(complaint and complaint in line for line in done.stderr.splitlines()), done.stderr.decode()
    pictures = np.frombuffer(done.stdout, np.uint8).reshape(-1, HEIGHT_PX, WIDTH_PX, 3)
    return [picture_code(image) for image in pictures]


async def test_a_clip_decodes_and_begins_where_it_says(
    material: tuple[str, Material], service: ServeProcess, tmp_path: Path
) -> None:
    """Every picture from the first to the last is in it, in order; `start` and `end` say which they are."""
    name, kind = material
    path = tmp_path / "clip"
    async with listening(service.url) as heard:
        clip = await a_clip(heard, name)
        await heard.client.save_clip(clip.clip_id, path)
    shown = show(path)
    assert shown.codes == list(range(kind.begins, shown.codes[-1] + 1))
    assert END - 1 <= shown.codes[-1] <= END - 1 + kind.extra
    assert shown.times_s[0] == 0
    assert clip.start.media_time_s == pytest.approx(frame_s(shown.codes[0]), abs=0.002)
    assert clip.end.media_time_s == pytest.approx(frame_s(shown.codes[-1] + 1), abs=0.01)
    has_sound = kind.encoder.get("audio", False)
    assert shown.sound_s == pytest.approx(len(shown.codes) / FPS if has_sound else 0, abs=0.2)
    if shutil.which("ffmpeg"):
        assert decoded_by_ffmpeg(path, kind.complaint) == shown.codes


@pytest.mark.skipif(bool(chromium_is_missing()), reason=chromium_is_missing())
async def test_a_clip_plays_in_a_browser(
    material: tuple[str, Material], service: ServeProcess, request: pytest.FixtureRequest
) -> None:
    """Straight from the API: from the picture that was asked for to the last one, and back to the first."""
    name, kind = material
    if kind.unplayable:
        request.applymarker(pytest.mark.xfail(reason=f"Chromium: {kind.unplayable}", raises=PageError, strict=False))
    async with listening(service.url) as heard:
        clip = await a_clip(heard, name)
    async with browsing(f"{service.url}/healthz") as page:
        says = await page.evaluate("type => document.createElement('video').canPlayType(type)", kind.media_type)
        if kind.codec == "libx265" and not says:
            pytest.skip("H.265: this Chromium is built without it, and says so (Debian's is)")
        assert says == "probably"
        answers: list[int] = []
        page.on("response", lambda answer: answers.append(answer.status) if "/clip." in answer.url else None)
        played = await page.evaluate(_PLAY, clip.url)
    assert set(answers) == {206}  # it asks for ranges, and gets them
    assert played["first"] == played["again"] == kind.begins
    assert END - 1 <= played["last"] <= END - 1 + kind.extra
    assert played["seen"][0] in (kind.begins, kind.begins + 1, kind.begins + 2)
    # A busy machine may leave pictures out while it plays, but shows none before its time or twice.
    forward = played["seen"][: played["seen"].index(played["last"]) + 1]
    assert forward == sorted(set(forward)) and len(forward) > FPS
    assert clip.end.media_time_s is not None and clip.start.media_time_s is not None
    length_s = clip.end.media_time_s - clip.start.media_time_s
    assert played["duration_s"] == pytest.approx(length_s, abs=0.1 if kind.encoder.get("audio") else 0.02)
