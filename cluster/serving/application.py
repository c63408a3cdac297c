"""The deployments of a service on a Ray cluster: how many there are, what they take, and the handles to them.

Decoders take a core each and grow up to the cores of the cluster, or `--decoders`. Networks and classifiers take GPUs
as `--gpus-per-network` says, whether these are there yet or not; by default they share the ones that are there. Without
GPUs each takes a core; on a cluster that was started here none, so that a laptop has room for all.

What a replica runs, it reads itself, and on the device that it finds: places are those of its own machine.

Serve's own HTTP proxy is off. It takes in a body as fast as a client sends it, whether anybody reads it or not, and
waits for headers for ever; our server (`http_server`) does neither, and what it knows of videos outlives any replica.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from ray import serve
from ray.serve.config import ProxyLocation

from classifiers.inference.clip_classifier import TrainedClipClassifier
from classifiers.inference.feature_classifier import TrainedClassifier
from cluster.engines.base import EngineError
from cluster.engines.ray_cluster import ClusterSize
from cluster.engines.stage import Network
from cluster.live.network import LiveNetwork
from cluster.scoring.backends import BACKENDS
from cluster.scoring.feature_timelines import FeatureTimelines
from cluster.serving.config import ServeOptions
from cluster.serving.decoding import StageWorker
from cluster.serving.deployments import Classifier, Decoder, Live, Networks
from cluster.serving.models import ServedModels, read_models
from cluster.serving.picture import PictureWorker
from extractors.networks.precision import resolve_precision
from schemas.errors import InputError

CALLS_AT_ONCE = 64
FRAME_SECONDS = 5.0  # that decoding one may take
SCALE_UP_SECONDS = 2.0
STOP_SECONDS = 5.0
HEALTH_SECONDS = 120.0  # a crowded machine answers late
GPU_PARTS = 10_000  # of a GPU, the smallest share of which Ray knows
WITHOUT_GPUS = {"CUDA_VISIBLE_DEVICES": ""}
DECODE = "decode"
QUIET = {"log_level": "WARNING", "enable_access_log": False}


@dataclass(frozen=True)
class Handles:
    """What calls the deployments: classifiers of features and live networks by the names of their models."""

    decoder: Any
    classifiers: Mapping[str, Any]
    live: Mapping[str, Any]


def resources_of_networks(options: ServeOptions, size: ClusterSize, count: int, *, is_local: bool) -> dict[str, Any]:
    """What each replica takes of `count` deployments that hold networks.

    Raises `InputError` where they cannot have it, or run in the precision that is asked for.
    """
    given = options.replicas.gpus_per_network
    gpus = gpu_share(count * options.replicas.network_replicas, size.gpus) if given is None else given
    if gpus and is_local and not size.gpus:
        raise InputError(f"--gpus-per-network is {gpus:g}, but this machine has no GPU: leave it out")
    if gpus:
        return {"num_cpus": 0, "num_gpus": gpus}
    try:
        resolve_precision(options.replicas.precision, torch.device("cpu"))
    except ValueError as error:
        raise InputError(str(error)) from error
    found: dict[str, Any] = {"num_cpus": 0 if is_local else 1}
    # Ray hides no GPU from a replica that has asked for none.
    return found if is_local and not size.gpus else {**found, "runtime_env": {"env_vars": WITHOUT_GPUS}}


def gpu_share(replicas: int, gpus: int) -> float:
    """The largest part of a GPU, or all of it, with which so many replicas fit on so many GPUs; 0 without GPUs.

    A replica never lies on two GPUs, so that each GPU has a whole number of them.
    """
    if not gpus:
        return 0.0
    per_gpu = math.ceil(max(replicas, 1) / gpus)
    return math.floor(GPU_PARTS / per_gpu) / GPU_PARTS


def bound(options: ServeOptions, served: ServedModels, size: ClusterSize, *, is_local: bool) -> Handles:
    """The deployments, bound to what loads them; `is_local`: whether the cluster is this machine alone."""
    features = [name for name, model in served.classifiers.items() if model.grid is not None]
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
        key: deployed(Networks, f"networks {key}").bind(partial(networks_of, options, key)) for key in with_networks
    }
    return Handles(
        deployed(Decoder, "decoder", calls=1).bind(partial(worker_of, options), networks),
        {
            name: deployed(Classifier, f"classifier {name}").bind(partial(classifier_of, options, name))
            for name in features
        },
        {
            name: deployed(Live, f"live {name}").bind(
                partial(camera_of, options, name), options.timelines.timeline_top_k
            )
            for name in live
        },
    )


def worker_of(options: ServeOptions) -> StageWorker:
    """What decoders run."""
    guards = options.guards
    return StageWorker(read_models(options).stages, guards.memory_limit_mib << 20, guards.time_limit, guards.work_time)


def networks_of(options: ServeOptions, stage: str) -> Mapping[str, Network]:
    """The networks of a stage."""
    return read_models(options).stages[stage].networks


def classifier_of(options: ServeOptions, name: str) -> tuple[TrainedClassifier, FeatureTimelines]:
    """A classifier of features, and what it makes of them."""
    model = read_models(options).classifiers[name]
    assert isinstance(model.trained, TrainedClassifier)
    assert model.grid is not None
    return model.trained, FeatureTimelines(grid=model.grid, form=model.form)


def camera_of(options: ServeOptions, name: str) -> tuple[LiveNetwork, PictureWorker]:
    """A stream network, ready, and what makes its frames."""
    trained = read_models(options).classifiers[name].trained
    assert isinstance(trained, TrainedClipClassifier)
    memory_bytes = options.guards.memory_limit_mib << 20
    memory_frames = BACKENDS[trained.backend].memory_frames(trained, options.timelines.memory_seconds)
    network = LiveNetwork(trained, options.replicas.precision, 1, memory_frames)
    return network, PictureWorker(trained.clips.format, options.uploads.max_pixels, memory_bytes, FRAME_SECONDS)


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
