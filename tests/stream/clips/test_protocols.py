"""Where clips may be kept."""

from __future__ import annotations

import pytest

from stream.clips.protocols import check_address, check_installed, local_path, protocol_of
from stream.errors import ConfigError


@pytest.mark.parametrize(
    ("folder", "protocol", "path"),
    [
        ("./clips", None, "./clips"),
        ("/srv/clips", None, "/srv/clips"),
        ("file:///srv/clips", None, "/srv/clips"),
        ("S3://bucket/live", "s3", "bucket/live"),
        ("sftp://me:secret@host/clips", "sftp", "me:secret@host/clips"),
    ],
)
def test_an_address_has_a_protocol(folder: str, protocol: str | None, path: str) -> None:
    """And a folder has none."""
    assert (protocol_of(folder), local_path(folder)) == (protocol, path)


@pytest.mark.parametrize(
    "folder", ["clips", "s3://b/p", "gcs://b", "abfs://c/p", "sftp://h/p", "webdav://h/p", "ftp://h/p"]
)
def test_what_can_hold_files_is_taken(folder: str) -> None:
    """Whether its package is here or not."""
    check_address(folder, "clips.folder")


@pytest.mark.parametrize(
    ("folder", "problem"),
    [
        ("s5://bucket", "nothing is known of s5://…; did you mean 's3'?"),
        ("https://example.com/clips", "clips cannot be kept at https://…"),
        ("memory://clips", "clips cannot be kept at memory://…"),
        ("filecache::s3://bucket", "must be one address"),
        ("s3:///", "must say where, such as s3://bucket/prefix"),
    ],
)
def test_what_cannot_hold_files_is_refused(folder: str, problem: str) -> None:
    """With what may have been meant."""
    with pytest.raises(ConfigError) as caught:
        check_address(folder, "clips.folder")
    assert caught.value.path == "clips.folder" and problem in caught.value.problem


def test_a_missing_package_is_named() -> None:
    """As it is called where packages come from; nothing is missing for what is installed."""
    check_installed("/srv/clips", "clips.folder")
    check_installed("s3://bucket", "clips.folder")
    for folder, package in {"sftp://h/p": "paramiko", "smb://h/p": "smbprotocol", "abfs://c/p": "adlfs"}.items():
        with pytest.raises(ConfigError, match=f"needs another package: pip install {package}"):
            check_installed(folder, "clips.folder")
