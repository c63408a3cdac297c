from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.engines.ray_cluster import ClusterSize
from cluster.serving.application import (
    GPU_PARTS,
    WITHOUT_GPUS,
    bound,
    camera_of,
    gpu_share,
    networks_of,
    resources_of_networks,
)
from cluster.serving.config import ServeOptions
from cluster.serving.models import read_models
from schemas.errors import InputError
from tests.support.checkpoints import write_trained
from tests.support.clips import trained_clips, trained_stream

OPTIONS = ServeOptions.of(checkpoint=("c",), network_replicas=2)
HIDDEN = {"runtime_env": {"env_vars": WITHOUT_GPUS}}


@pytest.mark.parametrize(
    ("size", "is_local", "expected"),
    [
        (ClusterSize(1, 2, 0), True, {"num_cpus": 0}),
        (ClusterSize(3, 48, 0), False, {"num_cpus": 1, **HIDDEN}),
        (ClusterSize(1, 8, 1), True, {"num_cpus": 0, "num_gpus": 0.1666}),
        (ClusterSize(1, 8, 4), True, {"num_cpus": 0, "num_gpus": 0.5}),  # 4 / 6 would let 4 of 6 start
        (ClusterSize(2, 8, 8), False, {"num_cpus": 0, "num_gpus": 1.0}),
    ],
)
def test_networks_share_what_there_is(size, is_local, expected):
    assert resources_of_networks(OPTIONS, size, 3, is_local=is_local) == expected


@given(st.integers(1, 200), st.integers(1, 50), st.integers(1, 64))
def test_all_replicas_fit_and_with_no_larger_share(networks, replicas, gpus):
    count = networks * replicas
    share = gpu_share(count, gpus)
    parts = round(share * GPU_PARTS)  # as Ray counts them
    assert parts == pytest.approx(share * GPU_PARTS)
    assert gpus * (GPU_PARTS // parts) >= count
    assert share == 1 or gpus * (GPU_PARTS // (parts + 1)) < count


def test_a_share_that_is_given_holds_whether_there_are_gpus_yet_or_not():
    options = ServeOptions.of(checkpoint=("c",), gpus_per_network=0.25)
    for size, is_local in ((ClusterSize(1, 8, 4), True), (ClusterSize(1, 8, 0), False)):
        found = resources_of_networks(options, size, 1, is_local=is_local)
        assert found == {"num_cpus": 0, "num_gpus": 0.25}
    with pytest.raises(InputError, match=r"gpus-per-network is 0\.25, but this machine has no GPU"):
        resources_of_networks(options, ClusterSize(1, 8, 0), 1, is_local=True)
    none = ServeOptions.of(checkpoint=("c",), gpus_per_network=0)
    assert resources_of_networks(none, ClusterSize(1, 8, 4), 1, is_local=True) == {"num_cpus": 0, **HIDDEN}
    with pytest.raises(InputError, match="a whole number of them"):
        ServeOptions.of(checkpoint=("c",), gpus_per_network=1.5)


def test_a_precision_that_needs_gpus_is_refused_where_networks_have_none():
    options = ServeOptions.of(checkpoint=("c",), precision="fp16")
    with pytest.raises(InputError, match="fp16"):
        resources_of_networks(options, ClusterSize(1, 2, 0), 1, is_local=True)
    assert resources_of_networks(options, ClusterSize(1, 2, 1), 1, is_local=True)["num_gpus"] == 1


def test_each_kind_of_work_is_a_deployment_of_its_own(tmp_path):
    places = write_trained(tmp_path / "s", trained_stream()), write_trained(tmp_path / "c", trained_clips(fps="5"))
    options = ServeOptions.of(checkpoint=places, decoders=3)
    nodes = bound(options, read_models(options), ClusterSize(1, 2, 0), is_local=True)
    decoder = nodes.decoder._bound_deployment
    assert decoder.name == "decoder"
    assert decoder.max_ongoing_requests == 1
    assert decoder.ray_actor_options["num_cpus"] == 1
    assert list(decoder.init_args[1]) == ["c"]
    assert list(nodes.live) == ["s"]
    assert nodes.classifiers == {}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_precision_is_that_of_every_network(tmp_path, precision):
    places = write_trained(tmp_path / "s", trained_stream()), write_trained(tmp_path / "c", trained_clips(fps="5"))
    options = ServeOptions.of(checkpoint=places, precision=precision)
    network, _ = camera_of(options, "s")
    assert network.precision == precision
    (clips,) = networks_of(options, "c").values()
    assert clips._precision == precision  # type: ignore[attr-defined]
    assert read_models(options).stages["s"].network._precision == precision  # type: ignore[attr-defined]


def test_what_loads_a_replica_asks_the_machine_that_it_runs_on(tmp_path):
    """What is sent to replicas says nothing of the device, so that each network takes the precision of its own."""
    options = ServeOptions.of(checkpoint=(write_trained(tmp_path / "c", trained_clips(fps="5")),))
    nodes = bound(options, read_models(options), ClusterSize(1, 2, 0), is_local=False)
    (networks,) = nodes.decoder._bound_deployment.init_args[1].values()
    (load,) = networks._bound_deployment.init_args
    assert [*load.args, *load.keywords.values()] == [options, "c"]
    (network,) = pickle.loads(pickle.dumps(load))().values()
    assert network._precision == "auto"
