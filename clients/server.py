"""One r2stream server over HTTP: its JSON, its files, and every failure as a `ClientError`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from .errors import ClientError, problem_error
from .messages import Json


class Server:
    """Requests to the server at `base_url`, each with a time limit."""

    def __init__(self, base_url: str, token: str | None, timeout_s: float) -> None:
        self.base_url = base_url
        self.timeout_s = timeout_s
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.AsyncClient(base_url=base_url, headers=self.headers, timeout=timeout_s)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        params: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """What the server answers, an object; empty where there is nothing to say."""
        timeout_s = timeout_s or self.timeout_s
        try:
            response = await self._http.request(method, path, json=body, params=params, timeout=timeout_s)
        except httpx.HTTPError as error:
            raise self._network_error(error, timeout_s) from error
        if response.status_code >= 300:
            raise problem_error(response.content, response.status_code)
        if not response.content:
            return {}
        try:
            answer = response.json()
        except ValueError as error:
            raise ClientError("protocol", f"{self.base_url} did not answer with JSON; is this r2stream?") from error
        if not isinstance(answer, dict):
            raise ClientError("protocol", f"{self.base_url} answered something else than an object.")
        return answer

    async def read(self, url: str, params: Mapping[str, Any] | None = None) -> bytes:
        """A whole file."""
        async with self._file(url, params) as response:
            return await response.aread()

    async def save(self, url: str, path: Path) -> int:
        """Write a file to `path`, whole or not at all; how many bytes it has."""
        part = path.with_name(path.name + ".part")
        size_bytes = 0
        async with self._file(url) as response:
            try:
                with part.open("wb") as out:
                    async for piece in response.aiter_bytes():
                        size_bytes += out.write(piece)
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        return size_bytes

    @asynccontextmanager
    async def _file(self, url: str, params: Mapping[str, Any] | None = None) -> AsyncIterator[httpx.Response]:
        try:
            async with self._http.stream("GET", url, params=params) as response:
                if response.status_code >= 300:
                    raise problem_error(await response.aread(), response.status_code)
                yield response
        except httpx.HTTPError as error:
            raise self._network_error(error, self.timeout_s) from error

    def _network_error(self, error: httpx.HTTPError, timeout_s: float) -> ClientError:
        if isinstance(error, httpx.TimeoutException):
            return ClientError("timeout", f"{self.base_url} did not answer within {timeout_s:g} s.")
        return ClientError("unreachable", f"Cannot reach {self.base_url} ({error}); is r2stream serving?")
