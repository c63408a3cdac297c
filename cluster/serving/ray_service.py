"""The service as one application of Ray Serve, for KubeRay's RayService (`cluster/deploy/rayservice.yaml`).

In: the options of `jobs/serve.py` by their fields. Out: an application whose root, `Api`, runs on the head of the
cluster and listens there itself. Where Serve starts it anew, uploads are gone, as after any crash.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from ray import serve

from cluster.engines.ray_cluster import ClusterSize, cluster_size
from cluster.runs.logs import configure_logging
from cluster.serving.application import HEALTH_SECONDS, Handles, bound
from cluster.serving.config import ServeOptions
from cluster.serving.http_server import listening_socket
from cluster.serving.job import read_token, serve_http
from cluster.serving.models import ServedModels, read_models
from cluster.serving.spool import Spool

ON_THE_HEAD = {"node:__internal_head__": 0.001}


class Api:
    """The HTTP server, in a thread of its replica, which Serve checks on.

    It reads the models by itself, with `load`, as replicas do.
    """

    def __init__(self, options: ServeOptions, load: Callable[[], ServedModels], handles: Handles) -> None:
        configure_logging(options.reporting.log_format, quiet=options.reporting.quiet)
        token = read_token(options.token_file)
        served = load()
        listener = listening_socket(options.host, options.port)
        self._spool = Spool(options.uploads.uploads)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(serve_http(options, served, handles, self._spool, token, listener)), daemon=True
        )
        self._thread.start()

    def check_health(self) -> None:
        """Raise where the server has ended, so that Serve starts another one."""
        if not self._thread.is_alive():
            raise RuntimeError("the HTTP server has ended")

    def __del__(self) -> None:
        """Remove all uploads."""
        if hasattr(self, "_spool"):
            self._spool.close()


def build(given: dict[str, Any]) -> Any:
    """The application, for `import_path`. Raises `InputError` with everything that is wrong with the options."""
    return application_of(options_of(given), cluster_size())


def application_of(options: ServeOptions, size: ClusterSize) -> Any:
    """The application on a cluster of that size. Raises `InputError`."""
    nodes = bound(options, read_models(options), size, is_local=False)
    api = serve.deployment(Api).options(
        name="api",
        num_replicas=1,
        ray_actor_options={"num_cpus": 0, "resources": ON_THE_HEAD},
        health_check_timeout_s=HEALTH_SECONDS,
    )
    return api.bind(options, partial(read_models, options), nodes)


def options_of(given: dict[str, Any]) -> ServeOptions:
    """The options from values as YAML has them. Raises `InputError` with everything that is wrong."""
    return ServeOptions.of(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    )
