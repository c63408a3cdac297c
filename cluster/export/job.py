"""The export of a classifier, from options to an exit code.

checkpoint ─► network file ─► calibrated on clips, for int8 ─► checks on noise and on videos ─► output, report

A file that disagrees with the checkpoint is not written. The report (`OUTPUT.json`, `schemas.exports`) comes after it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from classifiers.export import litert_file
from classifiers.export.agreement import VIDEOS, Session, compare, excess, random_check
from classifiers.export.form import Form, described, form_of
from classifiers.export.litert_converter import ConversionError, converter_of
from classifiers.export.litert_session import LiteRtSession
from classifiers.export.onnx_file import network_file, versions, with_metadata
from classifiers.export.onnx_session import OnnxSession
from classifiers.export.quantization import METHOD, quantized
from classifiers.inference.clip_classifier import TrainedClipClassifier, clip_model_of
from classifiers.weights.checkpoint import Checkpoint
from cluster.export.clips import clips_of, videos_of
from cluster.export.config import LITERT, ONNX, ExportOptions
from cluster.runs.lifecycle import ExitCode, bad_input, code_of, guarded, terminable
from cluster.scoring.plan import read_checkpoint_at
from cluster.scoring.stream_network import memory_frames
from cluster.storage import files
from extractors.flow.fields import require_flow
from extractors.weights.resolve import default_cache_dir
from schemas import strict_json
from schemas.errors import InputError
from schemas.exports import INT8, ExportCheck, ExportReport
from schemas.text import counted
from schemas.videos import Video

logger = logging.getLogger("framemill")


class DisagreementError(Exception):
    """An exported file that is not the checkpoint's network."""


class UnwrittenError(Exception):
    """An output or a report that is not written, after what was logged; `status` is the run's."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


def run_export(options: ExportOptions) -> ExitCode:
    """Export a classifier."""
    try:
        with terminable():
            export_model(options)
    except (InputError, OSError, ImportError) as error:
        return bad_input(error)
    except (ConversionError, DisagreementError) as error:
        logger.error(error)
        return ExitCode.FAILED
    except UnwrittenError as error:
        return code_of(error.status, is_too_many=False)
    except KeyboardInterrupt:
        logger.warning("interrupted: nothing was written")
        return ExitCode.INTERRUPTED
    return ExitCode.DONE


def export_model(options: ExportOptions) -> ExportReport:
    """Write the file and its report.

    Raises:
        InputError: for bad input, before anything is written.
        DisagreementError: for a file that does not agree with the checkpoint; it is not written.
        UnwrittenError: for an output that cannot be written, or an interruption meanwhile.
    """
    files.check_writable(options.output)
    try:
        checkpoint = read_checkpoint_at(options.checkpoint)
        model = clip_model_of(checkpoint, options.checkpoint)
        memory = memory_frames(TrainedClipClassifier({options.checkpoint: checkpoint}), options.memory_seconds)
    except ValueError as error:  # `CheckpointError` among them
        raise InputError(str(error)) from error
    calibration, checked = (videos_of(sources, options) for sources in (options.calibration, options.check))
    form, clip_input = form_of(model, memory), checkpoint.config.clips
    assert clip_input is not None  # of a clip classifier
    if calibration or checked:
        require_flow(clip_input.format.flow)

    def clips(videos: Sequence[Video]) -> Iterator[NDArray[np.uint8]]:
        return clips_of(videos, clip_input, options)

    content, session = WRITERS[options.format](form, checkpoint, options, clips(calibration))
    checks = [random_check(form, session)]
    if checked:
        checks.append(compare(form, session, (clip[None] for clip in clips(checked)), VIDEOS))
    for check in checks:
        logger.info(_sentence(check, in_parts=bool(form.state)))
    problems = [line for check in checks for line in excess(check, options.precision, options.min_agreement)]
    if problems:
        raise DisagreementError(
            "\n".join([f"{options.output} is not written, it disagrees with {options.checkpoint}:", *problems])
        )
    report = ExportReport(
        exported=session.exported, bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), checks=tuple(checks)
    )
    status = guarded(lambda: _write(options.output, content, report), OSError)
    if status == "interrupted":
        logger.warning(f"interrupted: {options.output} may be there without its report")
    if status != "completed":
        raise UnwrittenError(status)
    weights = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    logger.info(f"{options.output}: {_mib(len(content))}; the checkpoint's weights are {_mib(weights)}")
    return report


def _write(uri: str, content: bytes, report: ExportReport) -> None:
    report_uri = f"{uri}.json"
    with suppress(OSError, files.StorageError):  # some stores let one replace what one may not delete
        files.delete(report_uri)  # it is of the file before
    files.write_bytes(uri, content)
    files.write_bytes(report_uri, strict_json.dump(report).encode())


def _onnx(
    form: Form, checkpoint: Checkpoint, options: ExportOptions, calibration: Iterator[NDArray[np.uint8]]
) -> tuple[bytes, Session]:
    network, quantization = network_file(form), dict[str, object]()
    if options.precision == INT8:
        clips = list(calibration)
        network = quantized(network, form, clips)
        quantization = {"clips": len(clips), "ranges": METHOD, "weights": "int8 for each channel", "inputs": "uint8"}
    exported = described(
        form, checkpoint.config, precision=options.precision, quantization=quantization, versions=versions()
    )
    content = with_metadata(network, exported)
    return content, OnnxSession(content, options.output)


def _litert(
    form: Form, checkpoint: Checkpoint, options: ExportOptions, calibration: Iterator[NDArray[np.uint8]]
) -> tuple[bytes, Session]:
    litert_file.litert_library("interpreter")  # told before the conversion, if it is missing
    converter = converter_of(options.converter_python, default_cache_dir(), install=options.install_converter)
    logger.info(f"converting {checkpoint.config.model} to LiteRT, which takes a minute or more")
    network, versions = converter.network_file(checkpoint)
    exported = described(form, checkpoint.config, precision=options.precision, quantization={}, versions=versions)
    exported = replace(exported, videos=1, frames=1 if form.state else None)
    content = litert_file.finished(network, form, exported)
    return content, LiteRtSession(content)


Writer = Callable[[Form, Checkpoint, ExportOptions, Iterator[NDArray[np.uint8]]], tuple[bytes, Session]]
WRITERS: Mapping[str, Writer] = {ONNX: _onnx, LITERT: _litert}


def _sentence(check: ExportCheck, *, in_parts: bool) -> str:
    unit = check.deviation or 1.0
    text = (
        f"beside torch, {counted(check.clips, f'{check.inputs} clip')}: logits at most {check.max_difference:.2g} off "
        f"({check.max_difference / unit:.1e} deviations), the best class is the same for {check.top1_agreement:.1%}"
    )
    return f"{text}; in parts at most {check.chunked_difference / unit:.1e} deviations off" if in_parts else text


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"
