import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import av
import pytest

from cluster.datasets.video_folder import list_videos
from cluster.engines.tasks import Done, Task, TaskQueue
from cluster.engines.video_worker import VideoWorker
from cluster.extraction.length_probe import LengthProbe
from cluster.storage import files
from cluster.storage.files import is_local
from cluster.storage.range_reader import MAX_BLOCK_BYTES, MIN_BLOCK_BYTES, WHOLE_BYTES
from cluster.storage.read_policy import ReadPolicy
from cluster.storage.retry import RetryPolicy
from cluster.storage.video_source import open_video
from extractors.video.decode import sample_frames
from extractors.video.media import Source
from extractors.video.waveform import Waveform
from schemas.outcomes import FailureCode, Stage, VideoError
from tests.support.faulty_proxy import faulty_proxy
from tests.support.servers import gs_bucket, http_files, s3_bucket
from tests.support.tars import tar_bytes
from tests.support.videos import Clip, write_video

NO_RETRIES = RetryPolicy(total_seconds=0.0)


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    (folder / "v.mp4").write_bytes(bytes(range(256)) * 40_000)  # larger than what is read ahead
    (folder / "v.tar").write_bytes(bytes(10_000))
    (folder / "empty.mp4").touch()
    with http_files(folder) as url:
        yield url


def refusal(uri: str) -> VideoError:
    with pytest.raises(VideoError) as caught, open_video(uri, NO_RETRIES):
        pytest.fail("it was opened")
    return caught.value


def test_a_local_video_is_its_path(tmp_path):
    with open_video(f"file://{tmp_path}/../{tmp_path.name}/a::b.mp4") as source:
        assert source == str(tmp_path / "a::b.mp4")
    with open_video(f"file://localhost{tmp_path}/100%25%20caf%C3%A9.mp4") as source:
        assert source == str(tmp_path / "100% café.mp4")
    assert refusal("file://videos/a.mp4").code == FailureCode.MISSING


def test_exceptions_of_the_decoder_are_passed_on(web, tmp_path):
    for uri in (str(tmp_path / "a.mp4"), f"{web}/v.mp4"):
        for error in (VideoError(FailureCode.TRUNCATED, "cut"), MemoryError(), ZeroDivisionError()):
            with pytest.raises(type(error)) as caught, open_video(uri):
                raise error
            assert caught.value is error


@pytest.mark.parametrize("folder", ["", "whole/"])
def test_a_video_over_http_is_read_anywhere(web, folder):
    with open_video(f"{web}/{folder}v.mp4?signature=abc") as file:
        assert file.seekable()
        assert file.read(3) == b"\x00\x01\x02"
        assert file.seek(-2, os.SEEK_END) == 256 * 40_000 - 2
        assert file.read() == b"\xfe\xff"
        assert file.seek(256 * 30_000 + 5) == file.tell() == 256 * 30_000 + 5
        assert file.read(1) == b"\x05"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("nothing.mp4", FailureCode.MISSING),
        ("status/410/v.mp4", FailureCode.MISSING),
        ("status/401/v.mp4", FailureCode.NO_PERMISSION),
        ("status/403/v.mp4", FailureCode.NO_PERMISSION),
        ("status/429/v.mp4", FailureCode.STORAGE),
        ("status/503/v.mp4", FailureCode.STORAGE),
        ("empty.mp4", FailureCode.EMPTY),
        ("whole/empty.mp4", FailureCode.EMPTY),
    ],
)
def test_http_failures_have_their_codes(web, path, code):
    error = refusal(f"{web}/{path}?signature=SECRET")
    assert (error.code, error.stage) == (code, Stage.READ)
    assert "SECRET" not in error.message


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("http://127.0.0.1:1/v.mp4", FailureCode.STORAGE),
        ("http://127.0.0.1:port/v.mp4", FailureCode.MISSING),
        ("http://127.0.0.1:1/line\nbreak\x00.mp4", FailureCode.STORAGE),
    ],
)
def test_unusable_and_unreachable_addresses(uri, code):
    assert refusal(uri).code is code


def test_a_failed_read_is_not_taken_for_the_end_of_the_file(web):
    def decode(file) -> None:
        try:
            file.read(10)
        except Exception as error:  # as libav takes an error
            raise VideoError(FailureCode.TRUNCATED, "it ends too early") from error

    uri = f"{web}/broken/v.mp4?signature=SECRET"
    with pytest.raises(VideoError) as caught, open_video(uri, NO_RETRIES) as file:
        decode(file)
    assert caught.value.code is FailureCode.STORAGE
    assert "SECRET" not in caught.value.message


def test_a_failure_that_the_decoder_swallows_is_raised(web):
    def decode(file) -> None:
        with pytest.raises(Exception, match="500"):
            file.read(10)

    with pytest.raises(VideoError) as caught, open_video(f"{web}/broken/v.mp4", NO_RETRIES) as file:
        decode(file)
    assert caught.value.code is FailureCode.STORAGE


@pytest.fixture(scope="module", params=[gs_bucket, s3_bucket])
def store(request, tmp_path_factory):
    """A bucket, and the proxy that counts what is asked of it; listings are kept elsewhere than a user's."""
    proxies = []

    @contextmanager
    def through(address):
        with faulty_proxy(address) as proxy:
            proxies.append(proxy)
            yield proxy.url

    with pytest.MonkeyPatch.context() as patch, request.param(through) as uri:
        patch.setenv("FRAMEMILL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield uri, proxies[0]


def test_a_small_object_is_one_request(store, tmp_path):
    root, proxy = store
    for name in ("end.mp4", "start.mp4", "a.mkv"):
        files.write_bytes(f"{root}/small/{name}", write_video(tmp_path / name, CONTAINERS[name]).read_bytes())
    proxy.reset_counts()
    videos = list_videos(f"{root}/small/").videos
    assert len(proxy.requests) <= 2
    for video in videos:
        proxy.reset_counts()
        assert isinstance(VideoWorker(LengthProbe(1 << 20), 1 << 30, 60.0)(Task(video)), Done)
        for size_bytes, reads_all in ((video.size_bytes, True), (video.size_bytes, False), (None, True), (None, False)):
            with open_video(video.uri, size_bytes=size_bytes, reads_all=reads_all) as source:
                assert samples(source) == 4
        assert [method for method, _ in proxy.requests] == ["GET"] * 5


@pytest.mark.parametrize("size", [WHOLE_BYTES, WHOLE_BYTES + 1, 14_680_065, 23_000_000])
def test_a_large_object_takes_few_requests(store, size):
    root, proxy = store
    content = os.urandom(size)
    files.write_bytes(f"{root}/large.bin", content)
    for size_bytes in (size, None):
        proxy.reset_counts()
        with open_video(f"{root}/large.bin", size_bytes=size_bytes) as source:
            start = source.read(100)
            source.expect_all()
            assert start + source.read() == content
        assert len(proxy.requests) <= (1 if size <= WHOLE_BYTES else 1 + size / MAX_BLOCK_BYTES)


def test_an_empty_object_is_named_as_one(store):
    root, _ = store
    files.write_bytes(f"{root}/empty.mp4", b"")
    assert refusal(f"{root}/empty.mp4").code == FailureCode.EMPTY


def test_an_object_that_has_changed_since_it_was_listed_is_read_as_it_is(store):
    root, _ = store
    files.write_bytes(f"{root}/changed.bin", bytes(range(250)))
    for listed_bytes in (10, 1000):
        with open_video(f"{root}/changed.bin", size_bytes=listed_bytes) as source:
            assert source.read() == bytes(range(250))


def assert_refused_once_replaced(folder: str, address: str, *, in_tar: bool) -> None:
    """A large video, or a member of a tar, in a folder that is read at an address, is refused in the middle."""

    def write(fill: bytes) -> None:
        content = fill * size
        files.write_bytes(f"{folder}/{name}", tar_bytes([("a.mp4", content)]) if in_tar else content)
        if is_local(folder):
            os.utime(f"{folder}/{name}", (0, fill[0]))  # http servers tell versions apart by the second

    def read_on(source: IO[bytes]) -> None:
        assert source.read(100) == b"a" * 100
        write(b"b")
        source.read()

    name, size = "v.tar" if in_tar else "v.bin", WHOLE_BYTES + 2 * MAX_BLOCK_BYTES
    write(b"a")
    uri = f"{address}/{name}" + (f"#bytes=512-{511 + size}" if in_tar else "")
    with pytest.raises(VideoError, match="replaced while it was read") as caught, open_video(uri, NO_RETRIES) as source:
        read_on(source)
    assert caught.value.code is FailureCode.STORAGE


@pytest.mark.parametrize("in_tar", [False, True])
def test_no_object_is_read_from_two_versions(in_tar, store):
    root, _ = store
    assert_refused_once_replaced(root, root, in_tar=in_tar)


@pytest.mark.parametrize("in_tar", [False, True])
def test_nor_is_a_file_of_a_web_server(in_tar, tmp_path):
    with http_files(tmp_path) as address:
        assert_refused_once_replaced(str(tmp_path), address, in_tar=in_tar)


def test_nor_is_a_member_of_a_local_tar(tmp_path):
    assert_refused_once_replaced(str(tmp_path), str(tmp_path), in_tar=True)


CONTAINERS = {
    "end.mp4": Clip(sound="aac"),
    "start.mp4": Clip(sound="aac", container_options={"movflags": "faststart"}),
    "fragments.mp4": Clip(sound="aac", container_options={"movflags": "frag_keyframe+empty_moov"}),
    "a.mkv": Clip(sound="aac"),
    "a.webm": Clip(codec="libvpx", options={"deadline": "realtime", "cpu-used": "8"}),
    "a.avi": Clip(codec="mpeg4", sound="libmp3lame"),
    "a.mpg": Clip(codec="mpeg2video", sound="mp2"),
    "a.ts": Clip(sound="aac"),
}


def samples(source: Source, start: int = 0, end: int | None = None) -> int:
    """How many samples a stretch has, read with its sound."""
    return sum(1 for _ in sample_frames(source, 1, start_seconds=start, end_seconds=end, waveform=Waveform()))


@pytest.mark.parametrize("name", CONTAINERS)
def test_few_bytes_are_read_twice_in_any_container(name, tmp_path):
    bulky = {"b": "6000000", **CONTAINERS[name].options}
    path = write_video(tmp_path / name, replace(CONTAINERS[name], width=320, height=180, gop=12, options=bulky))
    with http_files(tmp_path) as address, faulty_proxy(address) as proxy, open_video(f"{proxy.url}/{name}") as source:
        assert samples(source) == samples(path) >= 4
    assert path.stat().st_size > MIN_BLOCK_BYTES
    assert proxy.sent_bytes <= 1.1 * path.stat().st_size


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["long.mp4", "long.mkv"])
def test_of_a_long_video_a_segment_is_read(name, tmp_path):
    clip = Clip(
        frames=1200, rate=5, gop=10, width=320, height=180, options={"b": "2000000"}
    )  # its muxer puts sound first
    path = write_video(tmp_path / name, clip)
    with http_files(tmp_path) as address, faulty_proxy(address) as proxy:
        for start in (0, 80, 160):
            proxy.reset_counts()
            whole = path.stat().st_size
            with open_video(f"{proxy.url}/{name}", size_bytes=whole, reads_all=not start) as source:
                assert samples(source, start, start + 80) == 80
            # The groups of pictures around it, the head, and the index at the end.
            assert proxy.sent_bytes <= 1.1 * packet_bytes(path, start - 4, start + 84) + 3 * MIN_BLOCK_BYTES


def packet_bytes(path: Path, start: int, end: int) -> int:
    """How much of a file is packets of a stretch."""
    with av.open(str(path)) as container:
        packets = (packet for packet in container.demux() if packet.size)
        return sum(packet.size for packet in packets if start <= packet.pts * packet.time_base < end)


def test_small_members_of_a_tar_come_many_to_a_request(store):
    root, proxy = store
    contents = [os.urandom(100_000) for _ in range(50)]
    tar = tar_bytes((f"{number:02}.mp4", content) for number, content in enumerate(contents))
    files.write_bytes(f"{root}/tars/a.tar", tar)
    proxy.reset_counts()
    videos = list_videos(f"{root}/tars/").videos
    assert len(proxy.requests) <= 2 + 1 + len(tar) / MAX_BLOCK_BYTES
    queue = TaskQueue(videos)
    proxy.reset_counts()
    for _ in range(2):
        for task in queue.take_batch(25):
            video = task.video
            with open_video(video.uri, size_bytes=video.size_bytes, read_until=task.read_until) as source:
                assert source.read() == contents.pop(0)
    assert not contents
    assert len(proxy.requests) == 2
    assert proxy.sent_bytes < len(tar)


def test_a_large_member_is_read_as_a_large_object(store):
    root, proxy = store
    content = os.urandom(14_680_065)
    files.write_bytes(f"{root}/large.tar", tar_bytes([("a.mp4", content), ("b.mp4", b"b")]))
    large, small = list_videos(f"{root}/large.tar").videos
    proxy.reset_counts()
    with open_video(large.uri) as source:
        start = source.read(100)
        source.expect_all()
        assert start + source.read() == content
        assert source.seek(-3, os.SEEK_END) == len(content) - 3
        assert source.read() == content[-3:]
    assert len(proxy.requests) <= 1 + len(content) / MAX_BLOCK_BYTES
    with open_video(small.uri) as source:
        assert source.read() == b"b"


def test_a_member_beyond_the_end_of_its_tar_is_cut_off(store, web):
    root, _ = store
    files.write_bytes(f"{root}/short.tar", tar_bytes([("a.mp4", b"a")]))
    for uri in (f"{root}/short.tar", f"{web}/v.tar"):
        for start in (20_480, 1 << 30):
            assert refusal(f"{uri}#bytes={start}-{start + 100}").code is FailureCode.TRUNCATED


def test_a_video_whose_size_no_answer_tells_is_copied(web):
    for options in ({}, {"size_bytes": 256 * 40_000}, {"reads_all": False}):
        with open_video(f"{web}/streamed/v.mp4", **options) as file:
            assert file.read() == bytes(range(256)) * 40_000


def test_other_parts_than_were_asked_for_are_not_taken_for_them(web):
    with pytest.raises(VideoError, match="another part") as caught, open_video(f"{web}/elsewhere/v.mp4") as file:
        file.read()
    assert caught.value.code is FailureCode.STORAGE
    assert "another part" in refusal(f"{web}/elsewhere/v.tar#bytes=1024-2000").message


def test_the_headers_of_a_tar_on_a_server_have_a_time_limit(web):
    policy = ReadPolicy(copy_seconds=0.0)
    with pytest.raises(VideoError, match="--copy-time-limit") as caught, open_video(f"{web}/v.tar", policy=policy):
        pytest.fail("it was opened")
    assert caught.value.code is FailureCode.COPY_LIMIT


def test_failures_of_a_store_are_those_of_its_tars(store, web):
    root, _ = store
    assert refusal(f"{root}/none.tar#bytes=512-600").code is FailureCode.MISSING
    assert refusal(f"{root}/none.tar").code is FailureCode.MISSING
    assert refusal(f"{web}/status/403/a.tar#bytes=512-600").code is FailureCode.NO_PERMISSION
    assert "sends no parts" in refusal(f"{web}/whole/v.tar#bytes=512-600").message
