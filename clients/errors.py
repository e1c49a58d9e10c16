"""The one exception users of the client meet."""

from __future__ import annotations

import json


class ClientError(Exception):
    """A request that failed for good; what may heal by itself is retried and not raised.

    `code` is stable and meant for programs (the server's problem `code`, or `unreachable`, `timeout`, `protocol`);
    `detail` is a sentence meant for people; `status` is the HTTP status when the server gave one.
    """

    def __init__(self, code: str, detail: str, status: int | None = None) -> None:
        super().__init__(f"{detail} [{code}]")
        self.code = code
        self.detail = detail
        self.status = status


def problem_error(body: bytes | bytearray | None, status: int) -> ClientError:
    """The error that an `application/problem+json` body describes; a generic one when the body is something else."""
    try:
        problem = json.loads(body or b"")
        return ClientError(str(problem["code"]), str(problem["detail"]), status)
    except (ValueError, KeyError, TypeError):
        return ClientError(f"http_{status}", f"The server answered {status}; is this an r2stream server?", status)
