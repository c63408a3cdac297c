from __future__ import annotations

import pytest

from cluster.engines.ray_cluster import ClusterSize
from cluster.serving.application import bound, resources_of_networks
from cluster.serving.config import ServeOptions
from cluster.serving.models import read_models
from tests.support.checkpoints import write_trained
from tests.support.clips import trained_clips, trained_stream

OPTIONS = ServeOptions.of(checkpoint=("c",), network_replicas=2)


@pytest.mark.parametrize(
    ("size", "is_local", "expected"),
    [
        (ClusterSize(1, 2, 0), True, {"num_cpus": 0}),
        (ClusterSize(3, 48, 0), False, {"num_cpus": 1}),
        (ClusterSize(1, 8, 1), True, {"num_cpus": 0, "num_gpus": 1 / 6}),
        (ClusterSize(2, 8, 8), False, {"num_cpus": 0, "num_gpus": 1.0}),
    ],
)
def test_networks_share_what_there_is(size, is_local, expected):
    assert resources_of_networks(OPTIONS, size, 3, is_local=is_local) == expected


def test_a_share_can_be_given():
    options = ServeOptions.of(checkpoint=("c",), gpus_per_network=0.25)
    assert resources_of_networks(options, ClusterSize(1, 8, 4), 1, is_local=True)["num_gpus"] == 0.25


def test_each_kind_of_work_is_a_deployment_of_its_own(tmp_path):
    places = write_trained(tmp_path / "s", trained_stream()), write_trained(tmp_path / "c", trained_clips(fps="5"))
    options = ServeOptions.of(checkpoint=places, decoders=3)
    nodes = bound(options, read_models(options, on_gpu=False), ClusterSize(1, 2, 0), is_local=True)
    decoder = nodes.decoder._bound_deployment
    assert decoder.name == "decoder"
    assert decoder.max_ongoing_requests == 1
    assert decoder.ray_actor_options["num_cpus"] == 1
    assert list(decoder.init_args[1]) == ["c"]
    assert list(nodes.live) == ["s"]
    assert nodes.classifiers == {}
