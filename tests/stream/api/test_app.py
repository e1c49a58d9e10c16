"""The OpenAPI document, and that nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.openapi.models import OpenAPI

from stream.events import event_schema


@pytest.fixture
def document(shared_http: httpx.Client) -> dict[str, Any]:
    """The document as it is served."""
    document: dict[str, Any] = shared_http.get("/openapi.json").json()
    return document


def references(node: object) -> Iterator[str]:
    """Every `$ref` below a node."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    """It has the structure that the standard asks for, and each reference leads somewhere."""
    OpenAPI.model_validate(document)
    assert document["openapi"].startswith("3.1.")
    for reference in references(document):
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_the_document_lists_every_route(document: dict[str, Any]) -> None:
    """The routes that clients rely on."""
    routes = {(path, method) for path, item in document["paths"].items() for method in item}
    collections = {
        (f"/v1/{name}s{item}", method)
        for name in ("stream", "querie")
        for item, methods in (("", ("get", "post")), ("/{x}", ("get", "patch", "delete")))
        for method in methods
    }
    renamed = {(path.replace("{stream}", "{x}").replace("{query}", "{x}"), method) for path, method in routes}
    others = {"/v1/events", "/v1/events/sse", "/v1/moments/{moment_id}", "/healthz", "/readyz", "/metrics"}
    files = ("clip.mp4", "clip.webm", "thumbnail.jpg", "preview.webp")
    others |= {f"/v1/{place}/{{clip_id}}/{file}" for place in ("moments", "clips") for file in files}
    others |= {"/v1/clips/{clip_id}", "/v1/cuts", "/v1/sinks", "/v1/sinks/{sink}", "/v1/sinks/{sink}/dead-letters"}
    others |= {"/v1/reels", "/v1/reels/{reel_id}", "/v1/reels/{reel_id}/reel.mp4", "/v1/reels/{reel_id}/reel.webm"}
    posts = {"/v1/clips", "/v1/reels", "/v1/queries:test", "/v1/sinks/{sink}/dead-letters:redeliver"}
    assert renamed == collections | {(path, "get") for path in others} | {(path, "post") for path in posts} | {
        ("/v1/reels/{reel_id}", "delete")
    }


def test_every_error_is_declared_as_a_problem(document: dict[str, Any]) -> None:
    """No operation declares an error of another shape; FastAPI's own validation error is nowhere."""
    for item in document["paths"].values():
        for operation in item.values():
            errors = {status: answer for status, answer in operation["responses"].items() if status[0] in "45"}
            assert errors
            for answer in errors.values():
                assert list(answer["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_events_are_described_in_full(document: dict[str, Any]) -> None:
    """The document holds the schema of every event, as the sinks send it."""
    schemas = document["components"]["schemas"]
    for name, schema in event_schema()["$defs"].items():
        assert schemas[name]["properties"].keys() == schema["properties"].keys()


def test_no_page_loads_anything_from_elsewhere(shared_http: httpx.Client) -> None:
    """There are no documentation pages with scripts of other hosts."""
    for path in ("/docs", "/redoc"):
        assert shared_http.get(path).status_code == 404
