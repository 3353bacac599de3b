"""A page on a port of its own, for a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from pipeline.config.model import WebConfig
from pipeline.web.app import make_app
from pipeline.web.server import bound
from pipeline.web.site import Site


@contextmanager
def served(site: Site, port: int = 0) -> Iterator[str]:
    """Serve the site while the block runs; gives its address."""
    listening = bound(WebConfig(listen=f"127.0.0.1:{port}"))
    server = uvicorn.Server(uvicorn.Config(make_app(site), log_config=None, access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        site.streams.close()
        server.should_exit = True
        thread.join(10)
        listening.close()
