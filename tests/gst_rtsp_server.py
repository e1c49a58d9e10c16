"""A real RTSP server with TCP, UDP and passwords. Run by Debian's Python, not by pytest's.

Usage: gst_rtsp_server.py '{"mounts": {"/path": "( pipeline )"}, "user": "", "password": ""}' PORT
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any


def serve(settings: dict[str, Any], port: str, gst: Any, rtsp: Any, glib: Any) -> None:
    """Serves until it is killed."""
    gst.init(None)
    server = rtsp.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    if settings["user"]:
        auth = rtsp.RTSPAuth()
        token = rtsp.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        basic = rtsp.RTSPAuth.make_basic(settings["user"], settings["password"])
        auth.add_basic(basic, token)
        server.set_auth(auth)
    for path, pipeline in settings["mounts"].items():
        factory = rtsp.RTSPMediaFactory()
        factory.set_launch(pipeline)
        factory.set_shared(True)
        if settings["user"]:
            permissions = rtsp.RTSPPermissions()
            permissions.add_permission_for_role("viewer", "media.factory.access", True)
            permissions.add_permission_for_role("viewer", "media.factory.construct", True)
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory(path, factory)
    server.attach(None)
    glib.MainLoop().run()


def main() -> None:
    gi = import_module("gi")
    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    gst, rtsp, glib = (import_module(f"gi.repository.{name}") for name in ("Gst", "GstRtspServer", "GLib"))
    if sys.argv[1] != "--check":
        serve(json.loads(sys.argv[1]), sys.argv[2], gst, rtsp, glib)


if __name__ == "__main__":
    main()
