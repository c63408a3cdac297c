import pytest

from cluster.engines.local import LocalEngine
from cluster.engines.options import EngineOptions
from cluster.engines.registry import make_engine
from cluster.engines.tasks import Done, TaskQueue
from cluster.extraction.config import ExtractionOptions
from cluster.extraction.plan import make_plan, read_inputs
from cluster.storage import video_source
from cluster.storage.retry import RetryPolicy
from schemas.errors import InputError
from schemas.outcomes import FailureCode
from schemas.videos import Video
from tests.support.servers import http_files
from tests.support.videos import Clip, write_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "a.mp4", Clip(frames=30, width=96, height=48))
    write_video(folder / "long.mp4", Clip(frames=80, width=96, height=48, gop=10))
    (folder / "text.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def worker(folder):
    config = ExtractionOptions.of(
        input=str(folder),
        output=f"{folder}/out",
        **dict.fromkeys(("weights", "pca", "audio_weights", "audio_pca"), "random:0"),
        segment_seconds=1,
        quiet=True,
    )
    return make_plan(config, read_inputs(config), on_gpu=False).worker


def test_it_is_known_by_its_name():
    engine = make_engine(EngineOptions(engine="local"))
    assert isinstance(engine, LocalEngine)
    assert (engine.machine().engine, engine.machine().nodes, engine.machine().gpus) == ("local", 1, 0)
    engine.close()


def test_an_unknown_engine_is_refused_with_those_that_are_known():
    with pytest.raises(InputError, match="engine is one of ray, local, beam, not 'rya'; did you mean ray"):
        EngineOptions(engine="rya")


def test_every_video_is_brought_to_its_end(folder, worker):
    videos = [Video(name, f"{folder}/{name}.mp4") for name in ("a", "long", "text", "none")]
    queue = TaskQueue(videos, thumbnails=["long"])
    outcomes = list(LocalEngine().run(queue, worker))
    assert queue.is_over
    done = [outcome for outcome in outcomes if isinstance(outcome, Done)]
    assert [
        (outcome.task.video.id, outcome.features.segment.index, outcome.features.num_frames) for outcome in done
    ] == [
        ("a", 0, 1),
        ("a", 1, 1),
        ("long", 0, 1),
        ("long", 1, 1),
        ("long", 2, 1),
        ("long", 3, 1),
    ]
    assert [outcome.features.thumbnail is not None for outcome in done] == [False, False, True, False, False, False]
    codes = {outcome.task.video.id: outcome.code for outcome in outcomes if not isinstance(outcome, Done)}
    assert codes == {"text": FailureCode.NOT_MEDIA, "none": FailureCode.MISSING}


def test_it_waits_for_what_may_pass(folder, worker, monkeypatch):
    monkeypatch.setattr(video_source, "RETRY_POLICY", RetryPolicy(total_seconds=0.0))
    with http_files(folder) as url:
        videos = [
            Video("busy", f"{url}/status/503/a.mp4"),
            Video("text", f"{url}/text.mp4"),
            Video("a", f"{url}/a.mp4"),
        ]
        queue = TaskQueue(videos, backoff_seconds=(0.05, 0.05))
        outcomes = list(LocalEngine().run(queue, worker))
    assert [(outcome.task.video.id, outcome.task.attempt) for outcome in outcomes] == [
        ("text", 1),
        ("a", 1),
        ("a", 1),
        ("busy", 3),
    ]
    assert outcomes[-1].code is FailureCode.STORAGE
    assert queue.retried == {"busy"}
