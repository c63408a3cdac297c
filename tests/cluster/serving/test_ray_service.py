from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
import ray
from ray import cloudpickle, serve
from ray.serve.config import ProxyLocation

from cluster.engines.ray_cluster import ROOT, ClusterSize
from cluster.serving.application import withdraw
from cluster.serving.ray_service import application_of, build, options_of
from schemas.errors import InputError
from tests.support.checkpoints import write_trained
from tests.support.clips import trained_clips, trained_stream, write_clip_videos
from tests.support.lips import fixed_lips, write_lips
from tests.support.serving import Client


def test_options_come_as_yaml_has_them():
    options = options_of({"checkpoint": ["a", "b"], "port": 8000, "decoders": 4})
    assert (options.checkpoint, options.port, options.replicas.decoders) == (("a", "b"), 8000, 4)
    with pytest.raises(InputError, match="takes a list"):
        options_of({"checkpoint": "a"})


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("models")
    return [write_trained(folder / "s", trained_stream()), write_trained(folder / "c", trained_clips(fps="5"))]


def test_no_weights_pass_through_the_controller(places):
    application = application_of(options_of({"checkpoint": places}), ClusterSize(1, 2, 0))
    sent = len(cloudpickle.dumps(application._bound_deployment.init_args))
    weights = sum(file.stat().st_size for place in places for file in Path(place).glob("*.safetensors"))
    assert 0 < sent < weights / 4


def test_lip_readers_are_deployed_as_the_job_deploys_them(tmp_path):
    options = options_of({"checkpoint": [write_lips(tmp_path / "reader", fixed_lips())], "beam": 4})
    handles = application_of(options, ClusterSize(1, 2, 0))._bound_deployment.init_args[2]
    assert list(handles.decoder._bound_deployment.init_args[1]) == ["reader"]
    assert (handles.classifiers, handles.live) == ({}, {})


@pytest.mark.heavy
def test_the_application_serves(places, tmp_path, monkeypatch):
    (video,) = write_clip_videos(tmp_path, 1)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = {"checkpoint": places, "port": port, "decoders": 1, "uploads": str(tmp_path / "uploads")}
    # Without GPUs, the decoder and each network take a core of a cluster, of which this stands for four.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    ray.init("local", num_cpus=4, include_dashboard=False, logging_level="warning")
    try:
        serve.start(proxy_location=ProxyLocation.Disabled)
        serve.run(build(options), name="framemill", route_prefix=None)
        client = Client(f"http://127.0.0.1:{port}")
        assert [model["name"] for model in client.get("/v1/models").json] == ["s", "c"]
        assert client.settled(client.upload(video.read_bytes()).json["id"])["status"] == "done"
        withdraw()
        deadline = time.monotonic() + 30
        while list((tmp_path / "uploads").iterdir()) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert list((tmp_path / "uploads").iterdir()) == []
    finally:
        ray.shutdown()
