"""The report of a training: learning curves, metrics, confusion, confidence, calibration and mistakes.

In: a `TrainingRecord`, thumbnails of mistaken videos by id, and what else the page shows (`cluster.reports.context`).
Out: the text of a self-contained HTML file (`cluster.reports.pages`). Results by class are of one split: test, else
validation, else training. Epochs are counted from 1, in the record from 0.
"""

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from markupsafe import Markup

from classifiers.choices import SINGLE_LABEL
from classifiers.metrics.correlation import MIN_VIDEOS
from cluster.reports import training_charts, training_sentences, training_tables
from cluster.reports.charts.bars import stages_chart
from cluster.reports.charts.svg import inline_bar
from cluster.reports.context import NOTHING, PageContext
from cluster.reports.csv_link import csv_link
from cluster.reports.numbers import FEW, accuracy_text
from cluster.reports.pages import (
    changed_options,
    escape_invisible,
    jpeg_text,
    render_page,
    settings_table,
    truncate,
)
from extractors.video.thumbnail import Thumbnail
from schemas.evaluations import MistakenVideo, SplitResult
from schemas.trainings import SPLITS, TRAINING, TrainingRecord

FILE_NAME = "training.html"  # in the folder of the checkpoint
PAIRS_SHOWN = 12  # the others are collapsed
MISTAKE_COLUMNS = ("id", "uri", "true", "true_probability", "predicted", "probability")  # of the CSV file
CORRELATIONS_SHOWN = 10
MODEL_FIELDS = ("model", "parameters", "level", "task", "rgb_dim", "audio_dim", "seed", "monitor")

NO_PICTURES: Mapping[str, Thumbnail] = {}

_CLASS = Markup('<bdi class="name">{}</bdi>')
_LONG_CLASS = Markup('<bdi class="name" title="{}">{}</bdi>')
_NO_CLASS = Markup('<span class="note">none</span>')


def render_training_report(
    record: TrainingRecord,
    pictures: Mapping[str, Thumbnail] = NO_PICTURES,
    context: PageContext = NOTHING,
) -> str:
    """The page of a training."""
    return render_page("training.html", _content(record, pictures, context), context)


def _content(record: TrainingRecord, pictures: Mapping[str, Thumbnail], context: PageContext) -> dict[str, Any]:
    """The variables of the template."""
    names = [escape_invisible(one.name).strip() or f"class {one.index}" for one in record.classes]
    split = training_tables.reported_split(record)
    duration = datetime.fromisoformat(record.finished_at) - datetime.fromisoformat(record.started_at)
    return {
        "record": record,
        "few": FEW,
        "accuracy": accuracy_text,
        "class_texts": training_tables.class_texts,
        "names": names,
        "class_name": lambda i: _class_name(names[i]) if i >= 0 else _NO_CLASS,
        "sentences": training_sentences,
        "inline_bar": inline_bar,
        "fewest_videos": MIN_VIDEOS,
        "split": split,
        "results": {one.name: one for one in record.splits},
        "wall_seconds": max(duration.total_seconds(), 0.0),
        "is_single_label": record.task == SINGLE_LABEL,
        "has_validation": any(epoch.validation for epoch in record.history),
        "loss_chart": training_charts.metric_curves(record, "loss", "Loss", are_shares=False),
        "accuracy_chart": training_charts.metric_curves(record, "hit_at_one", "hit@1", are_shares=True),
        "frame_curve": None if record.by_frame is None else training_charts.frame_curve(record.by_frame),
        "metric_rows": training_tables.metric_rows(record.splits),
        "temperature_chart": training_charts.temperature_chart(record),
        "stages_chart": stages_chart(record.seconds_by_stage),
        "split_sizes": {name: record.split_sizes[name] for name in SPLITS if name in record.split_sizes},
        "count_groups": training_tables.count_groups(record.classes),
        "most_videos": max(max((one.videos.get(TRAINING, 0) for one in record.classes), default=0), 1),
        "command": [shlex.quote(word) for word in record.command],
        "lost_csv": csv_link(
            ("id", "uri", "code", "message"), ((one.id, one.uri, one.code, one.message) for one in record.lost)
        ),
        "changed": changed_options(record.configuration, context.unchanged),
        "tables": {
            "Configuration": settings_table(record.configuration),
            "Model": settings_table({name: getattr(record, name) for name in MODEL_FIELDS}),
            **_input_tables(record),
            "Versions": settings_table(record.versions),
            "Machine": settings_table(vars(record.machine)),
        },
        **(_split_variables(split, names, pictures) if split else {"baseline": None}),
    }


def _input_tables(record: TrainingRecord) -> dict[str, Any]:
    """Tables of the classifier's input."""
    if record.clips is None:
        return {"Fingerprint of the features": settings_table(record.feature_fingerprint)}
    return {
        "Format of the clips": settings_table(vars(record.clips.format)),
        "Sampling of the clips": settings_table(record.clips.sampling),
    }


def _split_variables(split: SplitResult, names: Sequence[str], pictures: Mapping[str, Thumbnail]) -> dict[str, Any]:
    """The variables of the template that need a split."""
    return {
        "baseline": training_tables.majority_baseline(split),
        "confusion_map": training_charts.confusion_map(split, names),
        "correlation_map": training_charts.correlation_map(split, names),
        "reliability_chart": training_charts.split_reliability(split),
        "class_groups": training_tables.class_groups(split),
        "confidence_groups": training_tables.confidence_groups(split),
        "confidence_of": {row.index: row for row in split.confidence},
        "without_videos": sum(not row.support for row in split.classes),
        "pairs_shown": split.confused[:PAIRS_SHOWN],
        "pairs_collapsed": split.confused[PAIRS_SHOWN:],
        "correlations": training_tables.most_negative_correlations(split, CORRELATIONS_SHOWN),
        "mistakes": [{"video": one, "jpeg": jpeg_text(pictures.get(one.id))} for one in split.mistakes],
        "has_pictures": any(one.id in pictures for one in split.mistakes),
        "mistakes_csv": csv_link(MISTAKE_COLUMNS, (_mistake_row(one, names) for one in split.mistakes)),
    }


def _mistake_row(one: MistakenVideo, names: Sequence[str]) -> tuple[str | float, ...]:
    true = names[one.true] if one.true >= 0 else ""
    return one.id, one.uri, true, one.true_probability, names[one.predicted], one.probability


def _class_name(name: str) -> Markup:
    """A class's name; a long one is truncated, with the full name in its title."""
    shown = truncate(name)
    return _CLASS.format(name) if shown == name else _LONG_CLASS.format(name, shown)
