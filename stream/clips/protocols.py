"""Which addresses clips may be kept at: those of fsspec's file systems that can hold files, and what each needs."""

from __future__ import annotations

import re
from typing import Final

from stream.errors import ConfigError
from stream.section import nearest

_ADDRESS: Final = re.compile(r"(?P<protocol>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_LOCAL: Final = ("file", "local")

OBJECT_STORES: Final = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oci", "oss", "tos"})
"""Where a file is not there before all of it is, and giving it another name means copying it."""
_NO_PLACE: Final = frozenset(
    {
        *("http", "https", "data", "memory", "hf", "git", "github", "gist", "wandb", "dvc", "zip", "tar", "libarchive"),
        *("reference", "cached", "filecache", "simplecache", "blockcache", "dir", "generic", "dask", "pyscript"),
        *("async_wrapper", "asyncwrapper", "asynclocal", "jupyter", "jlab"),
    }
)
"""What fsspec knows and clips cannot stay at: read only, or gone with the process, or standing for another place."""
_PACKAGES: Final = {"sftp": "paramiko", "ssh": "paramiko", "smb": "smbprotocol", "hdfs": "pyarrow"}
"""What fsspec's own file systems need."""
_EXTRAS: Final = {"s3": "s3", "s3a": "s3"}
"""Those for which r2stream itself has an extra."""


def protocol_of(folder: str) -> str | None:
    """The protocol of an address such as `s3://bucket/prefix`; None for a folder of this machine."""
    match = _ADDRESS.fullmatch(folder)
    protocol = match["protocol"].lower() if match else None
    return None if protocol in _LOCAL else protocol


def local_path(folder: str) -> str:
    """The path of a folder of this machine, which may be written as an address too."""
    match = _ADDRESS.fullmatch(folder)
    return match["rest"] if match else folder


def check_address(folder: str, path: str) -> None:
    """Raises ConfigError, about the key at `path`, for an address that clips can never be kept at."""
    protocol = protocol_of(folder)
    if "::" in folder:
        raise ConfigError("must be one address, without '::'", path=path)
    if protocol is None:
        return
    known = sorted(set(_known()) - _NO_PLACE - set(_LOCAL))
    if protocol in _NO_PLACE:
        raise ConfigError(
            f"clips cannot be kept at {protocol}://…; take a folder, or s3, gcs, abfs, sftp, …", path=path
        )
    if protocol not in known:
        raise ConfigError(f"nothing is known of {protocol}://…; {nearest(protocol, known)}", path=path)
    if not folder.partition("://")[2].strip("/"):
        raise ConfigError(f"must say where, such as {protocol}://bucket/prefix", path=path)


def check_installed(folder: str, path: str) -> None:
    """Raises ConfigError, about the key at `path`, when the package that speaks the address's protocol is missing."""
    protocol = protocol_of(folder)
    if protocol is None:
        return
    from fsspec import get_filesystem_class

    try:
        get_filesystem_class(protocol)
    except ImportError:
        raise ConfigError(f"{protocol}://… needs another package: {_remedy(protocol)}", path=path) from None


def _remedy(protocol: str) -> str:
    if protocol in _EXTRAS:
        return f"pip install 'r2stream[{_EXTRAS[protocol]}]'"
    return f"pip install {_PACKAGES.get(protocol) or _known()[protocol].partition('.')[0]}"


def _known() -> dict[str, str]:
    """Every protocol that fsspec, or a package for it, has registered, and the class that speaks it."""
    from fsspec import available_protocols
    from fsspec.registry import known_implementations

    return {name: known_implementations.get(name, {}).get("class", name) for name in available_protocols()}
