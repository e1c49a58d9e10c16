"""Errors a user sees: one sentence that says what to do, a stable `code` for programs, and never a secret."""

from __future__ import annotations

from typing import ClassVar

from stream.redact import redact


class R2StreamError(Exception):
    """Base of every error meant for a user. `str(error)` is the whole message; `code` is what programs compare.

    Secrets in URLs inside the message are hidden here, so that no caller can forget to.
    """

    default_code: ClassVar[str] = "error"
    retry_after_s: ClassVar[int | None] = None
    """When the same request may well succeed, where that is known."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        message = redact(message)
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code


class ConfigError(R2StreamError):
    """A value in a settings file, an environment variable or a request body cannot be used.

    `path` says where in the document (`streams.pitch.urll`), `file` in which document; both may be empty.
    Codes: `unknown_key`, `missing_key`, `bad_value`, `bad_file`.
    """

    default_code = "bad_value"

    def __init__(self, problem: str, *, path: str = "", file: str = "", code: str | None = None) -> None:
        super().__init__(": ".join(part for part in (file, path, problem) if part), code=code)
        self.problem = redact(problem)
        self.path = path
        self.file = file

    def in_file(self, file: str) -> ConfigError:
        """The same error, saying which file it was found in."""
        return ConfigError(self.problem, path=self.path, file=file, code=self.code)


class NotFoundError(R2StreamError):
    """A stream, query or moment of that name does not exist."""

    default_code = "not_found"


class EngineBusyError(R2StreamError):
    """The engine did not answer in time, or has stopped."""

    default_code = "engine_busy"


class BacktestBusyError(R2StreamError):
    """Another backtest runs, and they run one at a time."""

    default_code = "backtest_busy"
    retry_after_s = 2


class ConflictError(R2StreamError):
    """What was asked contradicts what is already there, such as a name that is taken."""

    default_code = "conflict"


class TargetError(R2StreamError):
    """The place where clips are kept did not do its part. `lasting`: trying again will not help, somebody must act."""

    default_code = "clip_target"
    retry_after_s = 5

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting
