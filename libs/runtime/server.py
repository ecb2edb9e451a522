"""Serves HTTP and websockets: uvicorn on uvloop, quiet, gone within 20 s of SIGTERM."""

import gc
import resource

import structlog
import uvicorn
from starlette.types import ASGIApp

GRACEFUL_S = 20
# Longer than any client of ours keeps an idle line (50 s): one that closes first may do so while a
# request is on its way, and an order sent just then is in doubt.
_KEEP_ALIVE_S = 75
_FILES_WANTED = 65_536
# New objects, and so many collections of the next younger ones.
_COLLECT_AFTER = (50_000, 20, 100)
_WEBSOCKET_MESSAGE_BYTES_MAX = 64 * 1024

log = structlog.get_logger()


def serve(app: ASGIApp, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, then finish what runs, at most `GRACEFUL_S`."""
    raise_file_limit()
    _keep_the_collector_away()
    uvicorn.Server(config_of(app, host, port)).run()


def raise_file_limit() -> int:
    """Raise the limit of open files as far as this user may, at most to what we want."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(_FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if wanted < _FILES_WANTED:
        log.warning("file_limit_low", files=wanted, wanted=_FILES_WANTED)
    return soft


def _keep_the_collector_away() -> None:
    """Look for cycles rarely, and never among what the imports left: that lives for ever.

    A full collection took 90 ms of an executor with a thousand accounts, in the middle of whatever
    it was doing (measured); hardly anything here is ever part of a cycle.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


def config_of(app: ASGIApp, host: str, port: int) -> uvicorn.Config:
    """Say how each of our servers serves."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        ws="websockets-sansio",
        ws_max_size=_WEBSOCKET_MESSAGE_BYTES_MAX,
        # One text goes to many sockets: compressing it for each would cost more than sending it.
        ws_per_message_deflate=False,
        # Our own logging is configured already; requests are logged by libs.runtime.problems.
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACEFUL_S,
    )
