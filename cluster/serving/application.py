"""The deployments of a service on a Ray cluster: how many there are, what they take, and the handles to them.

Decoders take a core each and grow up to the cores of the cluster, or `--decoders`. Networks and classifiers share its
GPUs. Without GPUs each takes a core; on a cluster that was started here none, so that a laptop has room for all.

Serve's own HTTP proxy is off. It takes in a body as fast as a client sends it, whether anybody reads it or not, and
waits for headers for ever; our server (`http_server`) does neither, and what it knows of videos outlives any replica.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray import serve
from ray.serve.config import ProxyLocation

from classifiers.inference.clip_classifier import TrainedClipClassifier
from classifiers.inference.feature_classifier import TrainedClassifier
from cluster.engines.base import EngineError
from cluster.engines.ray_cluster import ClusterSize, FileCopies
from cluster.scoring.feature_timelines import FeatureTimelines
from cluster.serving.config import ServeOptions
from cluster.serving.decoding import StageWorker
from cluster.serving.deployments import Classifier, Decoder, Live, Networks
from cluster.serving.models import ServedModels
from cluster.serving.picture import PictureWorker

CALLS_AT_ONCE = 64
FRAME_SECONDS = 5.0  # that decoding one may take
SCALE_UP_SECONDS = 2.0
STOP_SECONDS = 5.0
HEALTH_SECONDS = 120.0  # a crowded machine answers late
DECODE = "decode"
QUIET = {"log_level": "WARNING", "enable_access_log": False}


@dataclass(frozen=True)
class Handles:
    """What calls the deployments: classifiers of features and live networks by the names of their models."""

    decoder: Any
    classifiers: Mapping[str, Any]
    live: Mapping[str, Any]


def resources_of_networks(options: ServeOptions, size: ClusterSize, count: int, *, is_local: bool) -> dict[str, float]:
    """What each replica takes of `count` deployments that hold networks."""
    if not size.gpus:
        return {"num_cpus": 0 if is_local else 1}
    given = options.replicas.gpus_per_network
    share = min(size.gpus / max(count * options.replicas.network_replicas, 1), 1.0)
    return {"num_cpus": 0, "num_gpus": share if given is None else given}


def bound(options: ServeOptions, served: ServedModels, size: ClusterSize, *, is_local: bool) -> Handles:
    """The deployments, bound to what they are made of; `is_local`: whether the cluster is this machine alone."""
    worker = StageWorker(served.stages, options.guards.memory_limit_mib << 20, options.guards.time_limit)
    features = {name: model for name, model in served.models.items() if model.grid is not None}
    live = {name: model for name, model in served.models.items() if model.is_live}
    with_networks = {key: stage for key, stage in served.stages.items() if stage.networks}
    count = len(with_networks) + len(features) + len(live)
    of_networks = resources_of_networks(options, size, count, is_local=is_local)
    decoders = options.replicas.decoders or max(size.cpus, 1)

    def deployed(kind: type[Any], name: str, *, calls: int = CALLS_AT_ONCE) -> Any:
        return serve.deployment(kind).options(
            name=name,
            max_ongoing_requests=calls,
            autoscaling_config={
                "min_replicas": 1,
                "max_replicas": decoders if kind is Decoder else options.replicas.network_replicas,
                "target_ongoing_requests": 1 if kind is Decoder else calls / 4,
                "upscale_delay_s": SCALE_UP_SECONDS,
            },
            ray_actor_options={"num_cpus": 1} if kind is Decoder else of_networks,
            graceful_shutdown_timeout_s=STOP_SECONDS,
            logging_config=QUIET,
            health_check_timeout_s=HEALTH_SECONDS,
        )

    networks = {
        key: deployed(Networks, f"networks {key}").bind(
            stage.networks,
            FileCopies.of(
                [path for network in stage.networks.values() for path in network.files()], needed=not is_local
            ),
        )
        for key, stage in with_networks.items()
    }
    classifiers, cameras = {}, {}
    for name, model in features.items():
        assert isinstance(model.trained, TrainedClassifier)
        assert model.grid is not None
        timelines = FeatureTimelines(grid=model.grid, form=model.form)
        classifiers[name] = deployed(Classifier, f"classifier {name}").bind(model.trained, timelines)
    for name, model in live.items():
        assert isinstance(model.trained, TrainedClipClassifier)
        pictures = PictureWorker(
            model.trained.clips.format, options.uploads.max_pixels, options.guards.memory_limit_mib << 20, FRAME_SECONDS
        )
        top_k = options.timelines.timeline_top_k
        cameras[name] = deployed(Live, f"live {name}").bind(model.trained, pictures, top_k)
    return Handles(deployed(Decoder, "decoder", calls=1).bind(worker, networks), classifiers, cameras)


def deploy(nodes: Handles) -> Handles:
    """Start all deployments, each an application without a route; returns once they are ready.

    Raises `EngineError` where one of them cannot start.
    """
    serve.start(proxy_location=ProxyLocation.Disabled, logging_config=QUIET)
    targets = {
        DECODE: nodes.decoder,
        **{f"classify {name}": node for name, node in nodes.classifiers.items()},
        **{f"live {name}": node for name, node in nodes.live.items()},
    }
    try:
        serve.run_many([serve.RunTarget(target=node, name=name, route_prefix=None) for name, node in targets.items()])
    except RuntimeError as error:
        raise EngineError(f"the service cannot start: {error}") from error
    return Handles(
        serve.get_app_handle(DECODE),
        {name: serve.get_app_handle(f"classify {name}") for name in nodes.classifiers},
        {name: serve.get_app_handle(f"live {name}") for name in nodes.live},
    )


def withdraw() -> None:
    """Stop all deployments."""
    serve.shutdown()
