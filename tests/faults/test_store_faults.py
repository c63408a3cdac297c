"""The job over stores, sound ones and failing ones: the rows of a local folder, and no secret anywhere."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cluster.storage.files import read_bytes, write_bytes
from cluster.storage.listing import list_files
from tests.support.dataset import rows, run_job
from tests.support.faulty_proxy import Fault, FaultyProxy, every, proxies_before_stores
from tests.support.servers import S3_ENVIRONMENT, Through, gs_bucket, http_files, s3_bucket, write_certificate
from tests.support.videos import Clip, write_video

SMALL = {"width": 96, "height": 48}
OPTIONS = ("--engine", "local", "--frame-features", "--segment-seconds", "10", "--rows-per-shard", "2")
LOCAL_COLUMNS = ("uri", "run_id")  # which differ from one place to another


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "a.mp4", Clip(frames=50, sound="aac", **SMALL))
    write_video(folder / "b.mkv", Clip(frames=60, **SMALL))
    (folder / "deeper").mkdir()
    write_video(folder / "deeper" / "c.avi", Clip(codec="mpeg4", frames=45, sound="libmp3lame", **SMALL))
    write_video(folder / "long.mp4", Clip(frames=200, rate=8, gop=16, sound="aac", **SMALL))
    return folder


@pytest.fixture(scope="module")
def reference(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    output = tmp_path_factory.mktemp("reference") / "out"
    done = run_job(videos, output, *OPTIONS)
    assert done.returncode == 0, done.stderr
    return comparable(output)


def comparable(output: Path) -> list[dict[str, object]]:
    return [{key: value for key, value in row.items() if key not in LOCAL_COLUMNS} for row in rows(output)]


def every_third(proxy: FaultyProxy) -> None:
    proxy.plan = every(3, Fault.UNAVAILABLE)


def minute(proxy: FaultyProxy) -> None:
    """All is well for 40 requests, then nothing is for a minute."""

    def plan(number: int, method: str, path: str) -> Fault | None:
        if number == 40:
            proxy.start_outage(60.0)
        return None

    proxy.plan = plan


@pytest.mark.parametrize(
    ("open_bucket", "prepare"),
    [
        pytest.param(s3_bucket, every_third, id="s3, every third request fails"),
        pytest.param(gs_bucket, every_third, id="gs, every third request fails", marks=pytest.mark.heavy),
        pytest.param(s3_bucket, minute, id="s3, nothing works for a minute", marks=pytest.mark.heavy),
        pytest.param(gs_bucket, minute, id="gs, nothing works for a minute", marks=pytest.mark.heavy),
    ],
)
def test_a_failing_bucket_gives_the_rows_of_a_folder(
    open_bucket: Callable[[Through], AbstractContextManager[str]],
    prepare: Callable[[FaultyProxy], None],
    videos: Path,
    reference: list[dict[str, object]],
    tmp_path: Path,
) -> None:
    proxies, through = proxies_before_stores()

    output = tmp_path / "fetched"
    with open_bucket(through) as bucket:
        for path in videos.rglob("*.*"):
            write_bytes(f"{bucket}/in/{path.relative_to(videos)}", path.read_bytes())
        (proxy,) = proxies
        proxy.reset_counts()
        prepare(proxy)
        done = run_job(f"{bucket}/in", f"{bucket}/out", *OPTIONS)
        proxy.plan = lambda number, method, path: None
        assert done.returncode == 0, done.stderr
        assert proxy.faults > 5
        for file in list_files(f"{bucket}/out"):
            write_bytes(str(output / file.uri.removeprefix(f"{bucket}/out/")), read_bytes(file.uri))
    assert comparable(output) == reference
    assert not (output / "failures").exists()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert S3_ENVIRONMENT[name] not in done.stdout + done.stderr
        assert not any(S3_ENVIRONMENT[name].encode() in path.read_bytes() for path in output.rglob("*.*"))


def test_https_by_manifest_gives_the_rows_of_a_folder(
    videos: Path, reference: list[dict[str, object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = write_certificate(tmp_path / "certificate.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with http_files(videos, certificate) as url:
        signed = url.replace("://", "://user:SECRET@")
        names = [str(path.relative_to(videos)) for path in sorted(videos.rglob("*.*"))]
        lines = [f"{name.rpartition('.')[0]},{signed}/{name}?X-Amz-Signature=SECRET&token=SECRET" for name in names]
        lines.append(f"gone,{signed}/gone.mp4?access_token=SECRET")
        (tmp_path / "m.csv").write_text("\n".join(["id,uri", *lines]))
        done = run_job(tmp_path / "m.csv", tmp_path / "out", *OPTIONS, "--max-failure-ratio", "1")
    assert done.returncode == 0, done.stderr
    assert comparable(tmp_path / "out") == reference
    assert [(row["id"], row["code"]) for row in rows(tmp_path / "out", "failures")] == [("gone", "missing")]
    assert "SECRET" not in done.stdout + done.stderr + str(rows(tmp_path / "out", "failures"))
    assert all("SECRET" not in path.read_text() for path in (tmp_path / "out" / "runs").iterdir())
