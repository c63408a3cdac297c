"""The evaluation job, from options to an exit code.

labels of a day ─► events ─┬► average precisions against the truth ─► table, JSON
                           └► ActivityNet's results
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from typing_extensions import override

from classifiers.metrics.temporal_map import EVALUATORS
from cluster.runs.command_line import complain
from cluster.runs.lifecycle import ExitCode
from cluster.runs.option import option
from cluster.runs.options import Options
from cluster.storage import files
from cluster.timelines.activitynet_results import write_results
from cluster.timelines.annotations import read_truth
from cluster.timelines.evaluation import EvaluationSettings, evaluate_events
from cluster.timelines.labelled_events import LabelledEvents, read_events
from schemas import strict_json
from schemas.errors import InputError
from schemas.event_evaluations import ClassPrecision, EventEvaluation
from schemas.numerals import number_of
from schemas.records import is_date
from schemas.text import counted

THRESHOLDS = ("0.3", "0.4", "0.5", "0.6", "0.7")
SHOWN_CLASSES = 5  # of the best, and of the worst


def is_threshold(text: str) -> bool:
    """Whether a text is a number above 0 and at most 1."""
    try:
        return 0 < number_of(text) <= 1
    except ValueError:
        return False


@dataclass(frozen=True)
class EvaluationOptions(Options):
    """One evaluation."""

    labels: str = option(help="folder or URI of a label dataset whose videos were scored with --timeline", filled=True)
    date: str | None = option(
        None,
        help="day of the labels, as YYYY-MM-DD; by default the latest that there is",
        must_be="a day such as 2025-01-31",
        accepts=is_date,
    )
    truth: str | None = option(
        None,
        help="annotated intervals: ActivityNet's JSON, CSV of id, start_seconds, end_seconds, label, or another export",
        filled=True,
    )
    subset: str | None = option(
        None, help="only videos of this subset of the truth, such as validation", goes_with="truth"
    )
    annotated_only: bool = option(
        False,
        help="leave out videos that the truth does not have; by default their events are false",
        goes_with="truth",
    )
    evaluator: str = option(
        "activitynet", help="whose definition of average precision", choices=tuple(EVALUATORS), goes_with="truth"
    )
    thresholds: tuple[str, ...] = option(
        THRESHOLDS,
        help="temporal intersections over union that make an event a hit",
        filled=True,
        must_be="a number above 0 and at most 1",
        accepts=is_threshold,
        goes_with="truth",
    )
    output: str | None = option(
        None, help="write the result to this JSON file", filled=True, is_written=True, goes_with="truth"
    )
    activitynet_results: str | None = option(
        None,
        help="write the events to this JSON file, in the form that ActivityNet's evaluation servers take",
        filled=True,
        is_written=True,
    )

    @override
    def conflicts(self) -> list[str]:
        if self.truth is None and self.activitynet_results is None:
            return ["give --truth to measure the events, --activitynet-results to write them, or both"]
        return []


def run_evaluation(options: EvaluationOptions, log: Callable[[str], None]) -> ExitCode:
    """Evaluate the events of a day; `log` gets the lines of the table."""
    outputs = [uri for uri in (options.output, options.activitynet_results) if uri is not None]
    try:
        for uri in outputs:
            files.check_writable(uri)
        found = read_events(options.labels, options.date)
        result = _evaluated(options, found)
    except InputError as error:
        complain(error)
        return ExitCode.BAD_INPUT
    for line in table(result) if result else ():
        log(line)
    try:
        if options.output is not None:
            files.write_bytes(options.output, strict_json.dump(result).encode())
        if options.activitynet_results is not None:
            write_results(options.activitynet_results, found.videos)
    except (InputError, OSError) as error:
        complain(error)
        return ExitCode.FAILED
    return ExitCode.DONE


def _evaluated(options: EvaluationOptions, found: LabelledEvents) -> EventEvaluation | None:
    if options.truth is None:
        return None
    settings = EvaluationSettings(
        labels=options.labels,
        truth=options.truth,
        evaluator=options.evaluator,
        thresholds=tuple(float(number_of(text)) for text in options.thresholds),
        subset=options.subset,
        annotated_only=options.annotated_only,
    )
    return evaluate_events(found, read_truth(options.truth), settings)


def table(result: EventEvaluation) -> Iterator[str]:
    """The lines that the job prints."""
    intervals = sum(one.positives for one in result.classes)
    yield (
        f"{result.evaluator}: events of {result.date} against {counted(intervals, 'interval')} "
        f"of {counted(len(result.classes), 'class')} in {counted(result.videos, 'video')}"
    )
    yield "tIoU   mAP"
    for threshold, value in zip(result.thresholds, result.mean_average_precision, strict=True):
        yield f"{threshold:<6g} {value:.4f}"
    yield f"mean   {result.mean:.4f}"
    ranked = sorted(result.classes, key=lambda one: (-one.mean, one.name))
    best, worst = ranked[:SHOWN_CLASSES], ranked[SHOWN_CLASSES:][-SHOWN_CLASSES:]
    yield from _classes("best classes", best)
    yield from _classes("worst classes", worst)
    yield from (f"note: {note}" for note in result.notes)


def _classes(title: str, classes: list[ClassPrecision]) -> Iterator[str]:
    if classes:
        yield f"{title}, by their mean:"
    for one in classes:
        yield f"  {one.mean:.4f} {one.name} (intervals {one.positives}, events {one.events})"
