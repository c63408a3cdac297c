"""The deployments of a service on a Ray cluster: how many there are, what they take, and the handles to them.

Decoders take a core each and grow up to the cores of the cluster, or `--decoders`. Networks and classifiers share its
GPUs. Without GPUs each takes a core; on a cluster that was started here none, so that a laptop has room for all.

Serve's own HTTP proxy is off. It takes in a body as fast as a client sends it, whether anybody reads it or not, and
waits for headers for ever; our server (`http_server`) does neither, and what it knows of videos outlives any replica.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ray import serve
from ray.serve.config import ProxyLocation

from classifiers.inference.clip_classifier import TrainedClipClassifier
from classifiers.inference.feature_classifier import TrainedClassifier
from cluster.engines.base import EngineError
from cluster.engines.ray_cluster import ClusterSize
from cluster.engines.stage import Network
from cluster.scoring.feature_timelines import FeatureTimelines
from cluster.serving.config import ServeOptions
from cluster.serving.decoding import StageWorker
from cluster.serving.deployments import Classifier, Decoder, Live, Networks
from cluster.serving.models import ServedModels, read_models
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
    """The deployments, bound to what loads them; `is_local`: whether the cluster is this machine alone."""
    on_gpu = size.gpus > 0
    features = [name for name, model in served.models.items() if model.grid is not None]
    live = [name for name, model in served.models.items() if model.is_live]
    with_networks = [key for key, stage in served.stages.items() if stage.networks]
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
        key: deployed(Networks, f"networks {key}").bind(partial(networks_of, options, on_gpu, key))
        for key in with_networks
    }
    return Handles(
        deployed(Decoder, "decoder", calls=1).bind(partial(worker_of, options, on_gpu), networks),
        {
            name: deployed(Classifier, f"classifier {name}").bind(partial(classifier_of, options, on_gpu, name))
            for name in features
        },
        {
            name: deployed(Live, f"live {name}").bind(
                partial(camera_of, options, on_gpu, name), options.timelines.timeline_top_k
            )
            for name in live
        },
    )


def worker_of(options: ServeOptions, on_gpu: bool) -> StageWorker:
    """What decoders run."""
    stages = read_models(options, on_gpu=on_gpu).stages
    return StageWorker(stages, options.guards.memory_limit_mib << 20, options.guards.time_limit)


def networks_of(options: ServeOptions, on_gpu: bool, stage: str) -> Mapping[str, Network]:
    """The networks of a stage."""
    return read_models(options, on_gpu=on_gpu).stages[stage].networks


def classifier_of(options: ServeOptions, on_gpu: bool, name: str) -> tuple[TrainedClassifier, FeatureTimelines]:
    """A classifier of features, and what it makes of them."""
    model = read_models(options, on_gpu=on_gpu).models[name]
    assert isinstance(model.trained, TrainedClassifier)
    assert model.grid is not None
    return model.trained, FeatureTimelines(grid=model.grid, form=model.form)


def camera_of(options: ServeOptions, on_gpu: bool, name: str) -> tuple[TrainedClipClassifier, PictureWorker]:
    """A stream network, and what makes its frames."""
    trained = read_models(options, on_gpu=on_gpu).models[name].trained
    assert isinstance(trained, TrainedClipClassifier)
    memory_bytes = options.guards.memory_limit_mib << 20
    return trained, PictureWorker(trained.clips.format, options.uploads.max_pixels, memory_bytes, FRAME_SECONDS)


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
