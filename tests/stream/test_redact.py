import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stream.redact import redact


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://cam/1", "rtsp://cam/1"),
        ("rtsp://user:secret@cam:554/live?ch=1", "rtsp://user:***@cam:554/live?ch=1"),
        ("rtsp://user@cam/live", "rtsp://***@cam/live"),
        ("rtsp://user:p@ss@cam/live", "rtsp://user:***@cam/live"),
        ("rtsp://user:pa/ss@cam:554/live", "rtsp://user:***@cam:554/live"),
        ("rtsp://user:12#4@cam/live", "rtsp://user:***@cam/live"),
        ("rtsp://[::1]:8554/live", "rtsp://[::1]:8554/live"),
        ("rtsp://cam:554/live?mail=a@b", "rtsp://cam:554/live?mail=a@b"),
        ("https://h/a.m3u8?token=abc&quality=hd&api_key=xyz", "https://h/a.m3u8?token=***&quality=hd&api_key=***"),
        ("https://h/a?user=bob&password=x&expires=3#auth=q", "https://h/a?user=bob&password=***&expires=3#auth=***"),
        ("https://h/a?X-Amz-Signature=dead&gop=1", "https://h/a?X-Amz-Signature=***&gop=1"),
        ("demo://broadcast?seed=7", "demo://broadcast?seed=7"),
        ("/home/me/video.mp4", "/home/me/video.mp4"),
    ],
)
def test_redact_hides_credentials_and_nothing_else(url: str, shown: str) -> None:
    """User, password and token-like parameters are hidden; host, path and other parameters stay."""
    assert redact(url) == shown


def test_redact_finds_urls_inside_a_message() -> None:
    """A library's message that quotes a URL loses only the secret."""
    text = "[Errno 1] Unauthorized: 'rtsp://me:hunter2@cam/1'; last error log: [rtsp] 401"
    assert redact(text) == "[Errno 1] Unauthorized: 'rtsp://me:***@cam/1'; last error log: [rtsp] 401"


@settings(deadline=None)
@given(password=st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=6))
def test_no_password_survives(password: str) -> None:
    """Not even one with characters that should have been escaped; only digits before a `/` are taken for a port, and
    what stands between an `@` and a `/` for a host.
    """
    assume(not re.match(r"\d*/", password))
    assume(not re.search(r"@[^/]*/", password))
    shown = redact(f"rtsp://admin:{password}@camera.example:554/stream")
    assert shown.endswith("@camera.example:554/stream")
    assert password not in shown.replace("@camera.example:554/stream", "")
