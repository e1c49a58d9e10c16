"""Who may ask, from where, and how much may be sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

if TYPE_CHECKING:
    from tests.conftest import Served, ServeFactory

TOKEN = "correct horse battery staple"


@pytest.fixture
def locked(serve: ServeFactory) -> Iterator[Served]:
    """A server that asks for a token."""
    with serve(token=TOKEN) as locked:
        yield locked


def get(served: Served, path: str, token: str | None = None) -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.get(served.url + path, headers=headers, trust_env=False)


def test_nothing_is_told_without_the_token(locked: Served) -> None:
    """Everything but the probes asks for the token."""
    with httpx.Client(base_url=locked.url, trust_env=False) as client:
        for path in ("/v1/streams", "/v1/queries", "/v1/events", "/metrics", "/openapi.json", "/nowhere"):
            for given in (
                None,
                "",
                "Bearer",
                f"Basic {TOKEN}",
                f"Bearer {TOKEN[:-1]}",
                f"Bearer {TOKEN}x",
                "Bearer ünï",
            ):
                headers = [] if given is None else [(b"Authorization", given.encode())]
                answer = client.get(path, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
                assert answer.headers["www-authenticate"] == "Bearer"
                assert answer.headers["content-type"] == "application/problem+json"


def test_the_token_opens(locked: Served) -> None:
    """With the token everything is as without one."""
    assert get(locked, "/v1/streams", TOKEN).json() == {"streams": []}


def test_probes_need_no_token(locked: Served) -> None:
    """Orchestrators have none."""
    assert get(locked, "/healthz").status_code == 200
    assert get(locked, "/readyz").status_code == 200


async def test_a_websocket_needs_the_token(locked: Served, talk: Any) -> None:
    """The handshake is refused with a problem; with the token it is not."""
    with pytest.raises(InvalidStatus) as caught:
        async with talk(locked.url):
            pass
    response = caught.value.response
    assert (response.status_code, response.headers["content-type"]) == (401, "application/problem+json")
    assert b'"unauthorized"' in (response.body or b"")
    async with talk(locked.url, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as socket:
        assert (await socket.subscribe())["op"] == "subscribed"


async def test_a_page_of_another_host_may_not_listen(served: Served, talk: Any) -> None:
    """A browser sends the page's origin; only pages of this very host may open the websocket."""
    with pytest.raises(InvalidStatus) as caught:
        async with talk(origin="https://elsewhere.example"):
            pass
    assert caught.value.response.status_code == 403
    async with talk(origin=served.url) as socket:
        assert (await socket.subscribe())["op"] == "subscribed"


def test_a_large_body_is_refused_before_it_is_read(serve: ServeFactory) -> None:
    """Too much is refused, whether its size was declared or not."""
    body = b'{"name": "goal", "text": "' + b"x" * 2000 + b'"}'
    headers = {"content-type": "application/json"}
    with serve(max_body_bytes=1000) as served:
        declared = httpx.post(f"{served.url}/v1/queries", content=body, headers=headers, trust_env=False)
        pieces = (body[i : i + 100] for i in range(0, len(body), 100))
        chunked = httpx.post(f"{served.url}/v1/queries", content=pieces, headers=headers, trust_env=False)
        for answer in (declared, chunked):
            assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
            assert answer.headers["content-type"] == "application/problem+json"
            assert "1000 bytes" in answer.json()["detail"]
        assert served.service.query_table == {}
