"""From an exception to one sentence that a user can act on."""

from __future__ import annotations

import errno
import sys
from typing import Final

from stream.errors import R2StreamError
from stream.redact import redact

_EXTRAS: Final = {"cv2": "demo", "matplotlib": "train", "training": "train"}
"""The extra that brings a module."""


class CommandError(R2StreamError):
    """A command cannot do what it was asked to; the message says what to do."""

    default_code = "command"


def explain(error: BaseException) -> str:
    """What went wrong and what to do, in one sentence without secrets."""
    if isinstance(error, _user_errors()):
        return redact(getattr(error, "detail", None) or str(error))
    if isinstance(error, ModuleNotFoundError):
        return _explain_missing(error)
    if isinstance(error, OSError) and error.errno is not None:
        return _explain_os(error)
    kind = type(error).__name__
    return redact(f"this should not have happened ({kind}: {error}); --debug shows where, please report it")


def _user_errors() -> tuple[type[BaseException], ...]:
    """Exceptions whose text is made for users. A package that is not loaded has raised none, and stays unloaded."""
    found: list[type[BaseException]] = [R2StreamError]
    for module, names in (("r2model.errors", ("CheckpointError", "QueryError")), ("clients.errors", ("ClientError",))):
        loaded = sys.modules.get(module)
        found += [getattr(loaded, name) for name in names] if loaded else []
    return tuple(found)


def _explain_missing(error: ModuleNotFoundError) -> str:
    module = (error.name or "").partition(".")[0]
    extra = _EXTRAS.get(module)
    target = f"'.[{extra}]'" if extra else "."
    return f"the Python module {module!r} is missing; in r2stream's folder: pip install -c constraints.txt {target}"


def _explain_os(error: OSError) -> str:
    reason = (error.strerror or str(error)).rstrip(".")
    if error.errno == errno.EADDRINUSE:
        return "the port is in use by another program: choose another one with --port, or 0 for any free one"
    if error.errno == errno.ENOSPC:
        return f"{reason}: make room, or give another folder with --data-dir"
    return redact(f"{reason}: {error.filename}" if error.filename else reason)
