"""Feature extraction from Python: the job of `framemill extract`, in one call."""

from __future__ import annotations

import os
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cluster.extraction.config import ExtractionOptions
from cluster.extraction.job import extract as carry_out
from cluster.extraction.job import planned
from cluster.extraction.plan import read_inputs
from framemill.inputs import job_input
from schemas.errors import InputError

if TYPE_CHECKING:
    from framemill.inputs import Place, Videos


@dataclass(frozen=True)
class Extraction:
    """What a run of `extract` has done.

    Attributes:
        videos: Number of videos of the input.
        extracted: Those that got a row.
        already_done: Those that earlier runs had settled.
        failures: Videos of the dataset that have no row, of this run or an earlier one: the failure code by id.
        output: The feature dataset.
        report: The page about the run.
    """

    videos: int
    extracted: int
    already_done: int
    failures: dict[str, str]
    output: str
    report: str


def extract(videos: Videos, output: Place, *, engine: str = "local", quiet: bool = True, **options: Any) -> Extraction:
    """Extract the features of videos into a dataset of Parquet shards.

    Videos that the dataset has are skipped, so that a call that was cut short goes on where it ended. A video that
    cannot be read is no error: it is in `failures` of the result, and in `failures/` of the dataset.

    Args:
        videos: A folder, glob, bucket prefix, video, tar or manifest; or several videos; or a table with the columns
            of a manifest: `uri`, and any of `id`, `labels`, `split`, `start_seconds`, `end_seconds`, `group`. Without
            an id, a video is named by its path or URI; those of a folder, by their places in it.
        output: Folder or URI of the dataset.
        engine: `local` for one process on this machine, `ray` for a cluster, or all cores of this machine.
        quiet: Whether to show no progress.
        **options: Those of `framemill extract`, with underscores, such as `frame_features=True` or `fps="2"`.

    Raises:
        InputError: For wrong options, videos or weights that cannot be found, a dataset of other options, a run on it
            at the same time, or an output that cannot be written to.
        RuntimeError: If the run could not be finished; what it has finished is in the dataset.

    Example:
        >>> import framemill
        >>> random = dict(weights="random:0", pca="random:0", audio_weights="random:0", audio_pca="random:0")
        >>> run = framemill.extract(videos, output, **random)  # without them, the weights of YouTube-8M
        >>> run.videos, run.extracted, run.failures
        (2, 2, {})
    """
    place = os.fspath(output)
    if options.get("dry_run"):
        raise InputError("dry_run prints what a run would do: framemill extract --dry-run")
    if "fps" in options:
        options["fps"] = str(options["fps"])
    with TemporaryDirectory() as folder:
        source = job_input(videos, folder)
        chosen = ExtractionOptions.of(input=source, output=place, engine=engine, quiet=quiet, **options)
        inputs = read_inputs(chosen)
    with planned(chosen, inputs) as (plan, made), plan.dataset.lease() as lease:
        record = carry_out(plan, made, lease)
    if record.status == "interrupted":
        raise KeyboardInterrupt
    if record.status == "failed" and isinstance(inputs.stream.error, InputError):
        raise inputs.stream.error  # of videos that were read while the first of them were worked on
    if record.status != "completed":
        raise RuntimeError(f"the run {record.status}; {plan.dataset.run_uri('.html')} tells what it has done")
    counts = record.counts
    return Extraction(
        videos=counts.videos_total,
        extracted=counts.extracted,
        already_done=counts.already_done,
        failures={name: each.code for name, each in plan.dataset.failed().items()},
        output=place,
        report=plan.dataset.run_uri(".html"),
    )
