"""The web application: routes, guard and the OpenAPI document."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from stream.api.backtest_routes import router as backtest_router
from stream.api.clip_routes import router as clip_router
from stream.api.context import ApiOptions
from stream.api.crowd import Crowds
from stream.api.cut_routes import router as cut_router
from stream.api.event_routes import router as event_router
from stream.api.event_source import router as event_source_router
from stream.api.guard import Guard
from stream.api.problems import SCHEMA, install
from stream.api.protocol import ServiceProtocol
from stream.api.reel_routes import router as reel_router
from stream.api.resources import router as resource_router
from stream.api.sink_routes import router as sink_router
from stream.api.websocket import router as websocket_router


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document, with the one shape of every error and the optional token."""
        if self.openapi_schema is None:
            schema = super().openapi()
            components = schema.setdefault("components", {})
            components.setdefault("schemas", {})["Problem"] = SCHEMA
            components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{}, {"token": []}]
        return super().openapi()


def create_app(service: ServiceProtocol, options: ApiOptions | None = None) -> FastAPI:
    """The API of `service`, to be run by `ApiServer`: the event stream needs its lines.

    There is no page that loads scripts from elsewhere: the document at `/openapi.json` is all the documentation it
    serves.
    """
    options = options or ApiOptions()
    app = _Api(
        title="r2stream",
        version=version("r2stream"),
        summary="Watch live video for anything you can say.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.options = options
    app.state.event_clients = set()
    app.state.crowds = Crowds.of(service.store, service.metrics)
    install(app)
    routers = (
        resource_router,
        backtest_router,
        event_router,
        event_source_router,
        clip_router,
        cut_router,
        reel_router,
        sink_router,
        websocket_router,
    )
    for router in routers:
        app.include_router(router)
    app.add_middleware(Guard, token=options.token, max_body_bytes=options.max_body_bytes)
    return app
