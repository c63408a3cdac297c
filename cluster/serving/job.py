"""The service, from options to an exit code.

checkpoints ─► models ─► deployments on Ray ─► HTTP server, until it is told to stop
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import ray

from cluster.engines.base import EngineError
from cluster.engines.ray_cluster import cluster_size, join_cluster
from cluster.runs.lifecycle import ExitCode, bad_input, keeping_sigterm, terminable
from cluster.serving.api import gated
from cluster.serving.application import Handles, bound, deploy, withdraw
from cluster.serving.config import ServeOptions
from cluster.serving.gate import is_loopback
from cluster.serving.http_server import http_server, listening_socket
from cluster.serving.models import ServedModels, read_models
from cluster.serving.service import Service, corrections_of
from cluster.serving.spool import Spool
from schemas.errors import InputError
from schemas.text import counted

LEAST_AT_ONCE = 2  # videos in work: while one is classified, another is decoded
MIN_TOKEN_CHARACTERS = 16
MAX_TOKEN_CHARACTERS = 4096
QUIET_LOGGERS = ("ray.serve", "uvicorn.error")

logger = logging.getLogger("framemill")


def run_serving(options: ServeOptions) -> ExitCode:
    """Serve until Ctrl-C or SIGTERM."""
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        with terminable():
            return _serve(options)
    except KeyboardInterrupt:
        return ExitCode.DONE
    except EngineError as error:
        logger.error(error)
        return ExitCode.FAILED
    except (InputError, ImportError) as error:
        return bad_input(error)


def _serve(options: ServeOptions) -> ExitCode:
    token = read_token(options.token_file)
    if token is None and not is_loopback(options.host):
        logger.warning(f"anybody who reaches {options.host}:{options.port} can use this service: give a --token-file")
    listener = listening_socket(options.host, options.port)
    with closing(listener), closing(Spool(options.uploads.uploads)) as spool:
        if spool.removed:
            logger.info(f"removed what {spool.removed} killed processes had left in {spool.folder.parent}")
        with _cluster(options) as is_local:
            size = cluster_size()
            served = read_models(options)
            logger.info(
                f"starting {', '.join(served.models)} on {counted(size.cpus, 'core')} and {counted(size.gpus, 'GPU')}"
            )
            handles = deploy(bound(options, served, size, is_local=is_local))

            host, port = listener.getsockname()[:2]
            logger.info(f"serving at http://{host}:{port}/ ; Ctrl-C ends it")
            try:
                with suppress(KeyboardInterrupt):
                    asyncio.run(serve_http(options, served, handles, spool, token, listener))
            finally:
                with suppress(Exception):  # the cluster may be gone
                    withdraw()
    logger.info("stopped; all uploads and results are removed")
    return ExitCode.DONE


async def serve_http(
    options: ServeOptions,
    served: ServedModels,
    handles: Handles,
    spool: Spool,
    token: str | None,
    listener: socket.socket,
) -> None:
    """Answer requests until the process is told to stop."""
    at_once = max(options.replicas.decoders or cluster_size().cpus, LEAST_AT_ONCE)
    service = Service(options, served, handles, spool, corrections_of(options), at_once=at_once)
    await http_server(gated(service, token), options.proxies).serve(sockets=[listener])


@contextmanager
def _cluster(options: ServeOptions) -> Iterator[bool]:
    """Join a cluster, or start one; whether it was started."""
    # People wait for the workers, which Ray otherwise lets yield to all other work on the machine.
    os.environ.setdefault("RAY_worker_niceness", "0")
    with keeping_sigterm():
        is_local = join_cluster(options.replicas.address)
    try:
        yield is_local
    finally:
        if is_local:
            ray.shutdown()


def read_token(file: str | None) -> str | None:
    """The bearer token in a file. Raises `InputError` for one that is too short to be secret."""
    if file is None:
        return None
    try:
        token = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the token cannot be read from {file}: {error}") from error
    if not MIN_TOKEN_CHARACTERS <= len(token) <= MAX_TOKEN_CHARACTERS or not token.isascii() or " " in token:
        raise InputError(
            f"the token in {file} must be {MIN_TOKEN_CHARACTERS} ASCII characters or more, without spaces: "
            "openssl rand -hex 32"
        )
    return token
