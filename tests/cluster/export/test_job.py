from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from classifiers.export.exported_file import read_exported
from classifiers.export.litert_session import LiteRtSession
from classifiers.export.onnx_session import OnnxSession
from cluster.export import job
from cluster.export.config import ExportOptions
from cluster.export.job import run_export
from cluster.runs.lifecycle import ExitCode
from cluster.storage import files
from schemas import strict_json
from schemas.errors import InputError
from schemas.exports import ExportReport
from tests.support.checkpoints import trained, write_trained
from tests.support.clips import FLOW_OPTIONS, trained_clips, write_clip_videos
from tests.support.exports import as_converted, converter_stand_in, litert_checkpoint, litert_fixture, plain_stream


def options(folder: Path, checkpoint: str, **changes: object) -> ExportOptions:
    return ExportOptions.of(checkpoint=checkpoint, output=str(folder / "model.onnx"), **changes)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_classifier_becomes_a_file_that_is_checked_on_videos(precision: str, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    write_clip_videos(videos, 3)
    checkpoint = write_trained(tmp_path / "stream", plain_stream())
    given = {"calibration": (str(videos),)} if precision == "int8" else {}
    chosen = options(tmp_path, checkpoint, precision=precision, check=(str(videos),), min_agreement=0.0, **given)
    assert run_export(chosen) == ExitCode.DONE
    content = (tmp_path / "model.onnx").read_bytes()
    session = OnnxSession(content)
    assert session.exported.precision == precision
    text = (tmp_path / "model.onnx.json").read_text()
    report = strict_json.load(ExportReport, text, "report", schema_version=1)
    assert [(check.inputs, check.clips) for check in report.checks] == [("random", 4), ("videos", 3)]
    assert (report.bytes, report.exported) == (len(content), session.exported)


@pytest.mark.parametrize("precision", ["fp32", pytest.param("int8", marks=pytest.mark.heavy)])
def test_two_streams_become_a_file_that_is_checked_on_videos(precision: str, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    write_clip_videos(videos, 2)
    checkpoint = write_trained(tmp_path / "both", trained_clips("i3d-two-stream", options=FLOW_OPTIONS, flow="dis"))
    given = {"calibration": (str(videos),)} if precision == "int8" else {}
    chosen = options(tmp_path, checkpoint, precision=precision, check=(str(videos),), min_agreement=0.0, **given)
    report = job.export_model(chosen)
    assert [(check.inputs, check.clips) for check in report.checks] == [("random", 2), ("videos", 2)]
    assert report.exported.clips.format.flow == "dis"
    assert read_exported((tmp_path / "model.onnx").read_bytes()).config.clips == report.exported.clips


def test_clips_whose_flow_cannot_be_computed_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    videos = tmp_path / "videos"
    write_clip_videos(videos, 1)
    checkpoint = write_trained(tmp_path / "flow", trained_clips("i3d-flow", options=FLOW_OPTIONS, flow="dis"))
    with pytest.raises(ImportError, match=r"pip install 'framemill\[flow\]'"):
        job.export_model(options(tmp_path, checkpoint, check=(str(videos),)))
    assert job.export_model(options(tmp_path, checkpoint)).bytes  # which needs no clips of videos


def test_a_memory_is_built_into_the_file(tmp_path: Path) -> None:
    checkpoint = write_trained(tmp_path / "stream", plain_stream())
    assert run_export(options(tmp_path, checkpoint, memory_seconds=60.0)) == ExitCode.DONE
    assert OnnxSession((tmp_path / "model.onnx").read_bytes()).exported.memory_frames == 300
    clips = write_trained(tmp_path / "clips", trained_clips())
    with pytest.raises(InputError, match="--memory-seconds goes with stream networks"):
        job.export_model(options(tmp_path, clips, memory_seconds=60.0))


def test_a_file_that_disagrees_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a release of the exporter has an error: the file is that of other weights."""
    other = job.network_file(job.form_of(job.clip_model_of(trained_clips(seed=3))))
    monkeypatch.setattr(job, "network_file", lambda form: other)
    checkpoint = write_trained(tmp_path / "clips", trained_clips())
    assert run_export(options(tmp_path, checkpoint)) == ExitCode.FAILED
    assert [path.name for path in tmp_path.iterdir()] == ["clips"]


def test_a_report_that_cannot_be_written_is_a_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpoint = write_trained(tmp_path / "clips", trained_clips())
    (tmp_path / "model.onnx.json").mkdir()
    assert run_export(options(tmp_path, checkpoint)) == ExitCode.FAILED
    assert (tmp_path / "model.onnx").is_file()
    assert "model.onnx.json" in caplog.text


def test_an_interrupted_export_leaves_no_report_of_the_file_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write = files.write_bytes

    def stopped_afterwards(uri: str, data: bytes) -> None:
        write(uri, data)
        signal.raise_signal(signal.SIGTERM)

    checkpoint = write_trained(tmp_path / "clips", trained_clips())
    (tmp_path / "model.onnx.json").write_text("of the file before")
    monkeypatch.setattr(files, "write_bytes", stopped_afterwards)
    assert run_export(options(tmp_path, checkpoint)) == ExitCode.INTERRUPTED
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips", "model.onnx"]
    assert "nothing was written" not in caplog.text
    assert "model.onnx may be there without its report" in caplog.text


def test_bad_input_is_told_before_anything_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features = write_trained(tmp_path / "features", trained("dense-6"))
    assert run_export(options(tmp_path, features)) == ExitCode.BAD_INPUT
    assert run_export(options(tmp_path, str(tmp_path / "missing"))) == ExitCode.BAD_INPUT
    assert not np.any([path.suffix == ".onnx" for path in tmp_path.iterdir()])


def test_a_litert_file_is_checked_and_has_a_report_as_any_other(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    write_clip_videos(videos, 1)
    checkpoint = write_trained(tmp_path / "stream", litert_checkpoint("stream"))
    output = tmp_path / "model.tflite"
    chosen = ExportOptions.of(
        checkpoint=checkpoint,
        output=str(output),
        format="litert",
        check=(str(videos),),
        converter_python=converter_stand_in(tmp_path, as_converted(*litert_fixture("stream"))),
    )
    assert run_export(chosen) == ExitCode.DONE
    session = LiteRtSession(output.read_bytes())
    report = strict_json.load(ExportReport, Path(f"{output}.json").read_text(), "report", schema_version=1)
    assert report.exported == session.exported
    assert (report.exported.videos, report.exported.frames) == (1, 1)
    assert [(check.inputs, check.clips) for check in report.checks] == [("random", 4), ("videos", 1)]
    output.unlink()
    other = write_trained(tmp_path / "other", plain_stream())
    assert run_export(replace(chosen, checkpoint=other)) == ExitCode.FAILED
    assert not output.exists()


def test_without_a_converter_nothing_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEMILL_CACHE", str(tmp_path / "cache"))
    checkpoint = write_trained(tmp_path / "stream", plain_stream())
    chosen = ExportOptions.of(checkpoint=checkpoint, output=str(tmp_path / "model.tflite"), format="litert")
    assert run_export(chosen) == ExitCode.BAD_INPUT
    assert [path.name for path in tmp_path.iterdir()] == ["stream"]
