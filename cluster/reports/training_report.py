"""Training report: one HTML page that tells a person what a classifier learnt, how well, and where it errs.

In: a `TrainingRecord`.
Out: the text of one self-contained file; see `cluster.reports.pages`. What is shown class by class is that of one
split: test, or else validation, or else training. Epochs are counted from 1, in the record from 0.
"""

import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from markupsafe import Markup

from classifiers.losses import SINGLE_LABEL
from classifiers.metrics.correlation import FEWEST_VIDEOS
from cluster.reports import training_charts, training_sentences, training_tables
from cluster.reports.charts.bars import stages_chart
from cluster.reports.charts.svg import inline_bar
from cluster.reports.pages import cut, render_page, seen, settings_table
from schemas.trainings import SPLITS, TRAINING, SplitResult, TrainingRecord

PAIRS_IN_SIGHT = 12  # the others fold away
MISTAKES_IN_SIGHT = 12
TRADES_SHOWN = 10
MODEL_FIELDS = ("model", "parameters", "level", "task", "rgb_dim", "audio_dim", "seed", "monitor")

_CLASS = Markup('<bdi class="name">{}</bdi>')
_LONG_CLASS = Markup('<bdi class="name" title="{}">{}</bdi>')
_NO_CLASS = Markup('<span class="note">none</span>')


def render_training_report(record: TrainingRecord) -> str:
    """Write the page for one training."""
    return render_page("training.html", _content(record))


def _content(record: TrainingRecord) -> dict[str, Any]:
    """Everything that the template names."""
    names = [seen(one.name).strip() or f"class {one.index}" for one in record.classes]
    split = training_tables.split_of_report(record)
    lasted = datetime.fromisoformat(record.finished_at) - datetime.fromisoformat(record.started_at)
    return {
        "record": record,
        "names": names,
        "called": lambda i: _called(names[i]) if i >= 0 else _NO_CLASS,
        "words": training_sentences,
        "inline_bar": inline_bar,
        "fewest_videos": FEWEST_VIDEOS,
        "split": split,
        "results": {one.name: one for one in record.splits},
        "wall_seconds": max(lasted.total_seconds(), 0.0),
        "is_single_label": record.task == SINGLE_LABEL,
        "has_validation": any(epoch.validation for epoch in record.history),
        "loss_chart": training_charts.metric_curves(record, "loss", "Loss", are_shares=False),
        "accuracy_chart": training_charts.metric_curves(record, "hit_at_one", "hit@1", are_shares=True),
        "metric_lines": training_tables.metric_lines(record.splits),
        "temperature_chart": training_charts.temperature_chart(record),
        "stages_chart": stages_chart(record.seconds_by_stage),
        "split_sizes": {name: record.split_sizes[name] for name in SPLITS if name in record.split_sizes},
        "count_groups": training_tables.count_groups(record.classes),
        "most_videos": max(max((one.videos.get(TRAINING, 0) for one in record.classes), default=0), 1),
        "command": [shlex.quote(word) for word in record.command],
        "tables": {
            "Configuration": settings_table(record.configuration),
            "Model": settings_table({name: getattr(record, name) for name in MODEL_FIELDS}),
            **_input_tables(record),
            "Versions": settings_table(record.versions),
            "Machine": settings_table(vars(record.machine)),
        },
        **(_of_split(split, names) if split else {"baseline": None}),
    }


def _input_tables(record: TrainingRecord) -> dict[str, Any]:
    """What the classifier takes."""
    if record.clips is None:
        return {"Fingerprint of the features": settings_table(record.feature_fingerprint)}
    return {
        "Format of the clips": settings_table(vars(record.clips.format)),
        "Sampling of the clips": settings_table(record.clips.sampling),
    }


def _of_split(split: SplitResult, names: Sequence[str]) -> dict[str, Any]:
    """What the template names where any split was measured."""
    return {
        "baseline": training_tables.always_the_same(split),
        "confusion_map": training_charts.confusion_map(split, names),
        "correlation_map": training_charts.correlation_map(split, names),
        "reliability_chart": training_charts.split_reliability(split),
        "class_groups": training_tables.class_groups(split),
        "confidence_groups": training_tables.confidence_groups(split),
        "confidence_of": {row.index: row for row in split.confidence},
        "without_videos": sum(not row.support for row in split.classes),
        "pairs_in_sight": split.confused[:PAIRS_IN_SIGHT],
        "pairs_folded": split.confused[PAIRS_IN_SIGHT:],
        "trades": training_tables.trades(split, TRADES_SHOWN),
        "mistakes_in_sight": split.mistakes[:MISTAKES_IN_SIGHT],
        "mistakes_folded": split.mistakes[MISTAKES_IN_SIGHT:],
    }


def _called(name: str) -> Markup:
    """A class by its name; a long one is cut, and whole in its title."""
    shown = cut(name)
    return _CLASS.format(name) if shown == name else _LONG_CLASS.format(name, shown)
