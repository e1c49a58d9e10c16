"""Every error the API answers with: RFC 9457 `application/problem+json`, with a stable `code` for programs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream.errors import (
    BacktestBusyError,
    ConfigError,
    ConflictError,
    EngineBusyError,
    NotFoundError,
    R2StreamError,
    TargetError,
)
from stream.store import StoreError

MEDIA_TYPE: Final = "application/problem+json"

_log = logging.getLogger(__name__)

_STATUS: Final[tuple[tuple[type[R2StreamError], int], ...]] = (
    (ConfigError, 422),
    (NotFoundError, 404),
    (ConflictError, 409),
    (StoreError, 503),
    (EngineBusyError, 503),
    (BacktestBusyError, 503),
    (TargetError, 503),
)

_HTTP_CODES: Final = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}

_VALIDATION_CODES: Final = {"missing": "missing_key", "unknown_key": "unknown_key", "json_invalid": "bad_json"}

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; `errors` names the places in the request that are wrong.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "code", "detail"],
                "properties": {name: {"type": "string"} for name in ("path", "code", "detail")},
            },
        },
    },
}


def problem(status: int, code: str, detail: str, errors: Sequence[Mapping[str, str]] | None = None) -> dict[str, Any]:
    """The body of a problem."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    return body if errors is None else {**body, "errors": list(errors)}


def problem_response(body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A response that carries a problem."""
    return JSONResponse(body, body["status"], headers=headers, media_type=MEDIA_TYPE)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The same for the OpenAPI document."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def user_problem(error: R2StreamError) -> dict[str, Any]:
    """The problem that one of our own errors is."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    if isinstance(error, ConfigError):
        errors = [{"path": error.path, "code": error.code, "detail": error.problem}]
        return problem(status, error.code, error.message, errors)
    return problem(status, error.code, error.message)


def validation_problem(failures: Sequence[Any]) -> dict[str, Any]:
    """The problem that pydantic's findings are. What was sent is never repeated: it may hold a secret."""
    errors = [_validation_error(failure) for failure in failures]
    first = errors[0]
    detail = ": ".join(part for part in (first["path"], first["detail"]) if part)
    return problem(422, first["code"], detail, errors)


def install(app: FastAPI) -> None:
    """Make every error of the application a problem."""
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(R2StreamError, _on_user_error)
    app.add_middleware(CrashGuard)


def _validation_error(failure: Mapping[str, Any]) -> dict[str, str]:
    kind, where = failure["type"], [str(part) for part in failure["loc"]]
    # FastAPI begins with where it looked; a parameter of the same name comes after it.
    where = where[1:] if where[:1] in (["body"], ["query"], ["path"], ["header"]) else where
    if kind == "unknown_key":
        where.append(failure["ctx"]["key"])
    path = "" if kind == "json_invalid" else ".".join(where)
    detail = failure["msg"].removeprefix("Value error, ")
    if not path and kind in ("json_invalid", "missing"):
        detail = "the body must be JSON, and this is none"
    return {"path": path, "code": _VALIDATION_CODES.get(kind, "bad_value"), "detail": detail}


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = error.status_code
    detail = {
        404: f"There is nothing at {request.url.path}.",
        405: f"{request.method} is not possible at {request.url.path}.",
    }.get(status, str(error.detail))
    return problem_response(problem(status, _HTTP_CODES.get(status, f"http_{status}"), detail), error.headers)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    failures = error.errors()
    if failures[0]["loc"] == ("body",) and failures[0]["type"] != "missing" and content_type != "application/json":
        return problem_response(problem(415, "not_json", "Send the body as Content-Type: application/json."))
    return problem_response(validation_problem(failures))


async def _on_user_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, R2StreamError)
    headers = None if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    return problem_response(user_problem(error), headers)


class CrashGuard:
    """Answers an unexpected error with a problem that tells nothing; the log has the rest."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answering = False

        async def watched_send(message: Message) -> None:
            nonlocal answering
            answering = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except Exception:
            if scope["type"] != "http" or answering:
                raise
            _log.exception("%s %s failed", scope["method"], scope["path"])
            body = problem(500, "internal", "Something went wrong inside; the server's log says what.")
            await problem_response(body)(scope, receive, send)
