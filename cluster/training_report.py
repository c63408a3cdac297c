"""Training report: one HTML page that tells a person what a classifier learnt, how well, and where it errs.

In: a `TrainingRecord`.
Out: the text of one self-contained file; see `cluster.pages`. What is shown class by class is that of one split: test,
or else validation, or else training. Epochs are counted from 1, in the record from 0.
"""

import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cluster.charts import stages_chart
from cluster.measure import measure
from cluster.pages import cut, render_page, seen, settings_table
from cluster.training_charts import (
    confusion_map,
    correlation_map,
    metric_curves,
    split_reliability,
    temperature_chart,
)
from cluster.training_tables import (
    always_the_same,
    class_groups,
    confidence_groups,
    count_groups,
    metric_lines,
    split_of_report,
)
from schemas.trainings import SPLITS, TRAINING, SplitResult, TrainedClass, TrainingRecord

PAIRS_IN_SIGHT = 12  # the others fold away
MISTAKES_IN_SIGHT = 12
TRADES_SHOWN = 10


def render_training_report(record: TrainingRecord) -> str:
    """Write the page for one training."""
    return render_page("training.html", _content(record))


def _content(record: TrainingRecord) -> dict[str, Any]:
    """Everything that the template names."""
    names = [seen(one.name) or f"class {one.index}" for one in record.classes]
    split = split_of_report(record)
    lasted = datetime.fromisoformat(record.finished_at) - datetime.fromisoformat(record.started_at)
    return {
        "record": record,
        "names": names,
        "split": split,
        "results": {one.name: one for one in record.splits},
        "wall_seconds": max(lasted.total_seconds(), 0.0),
        "is_single_label": record.task == "single-label",
        "loss_chart": metric_curves(record, "loss", "Loss", are_shares=False),
        "accuracy_chart": metric_curves(record, "hit_at_one", "hit@1", are_shares=True),
        "metric_lines": metric_lines(record.splits),
        "temperature_chart": temperature_chart(record),
        "stages_chart": stages_chart(record.seconds_by_stage),
        "split_sizes": {name: record.split_sizes[name] for name in SPLITS if name in record.split_sizes},
        "count_groups": count_groups(record.classes),
        "training_counts": _training_counts(record.classes),
        "measure": measure,
        "cut": cut,
        "command": [shlex.quote(word) for word in record.command],
        "tables": {
            "Configuration": settings_table(record.configuration),
            "Model": settings_table({name: getattr(record, name) for name in MODEL_FIELDS}),
            "Fingerprint of the features": settings_table(record.feature_fingerprint),
            "Versions": settings_table(record.versions),
            "Machine": settings_table(vars(record.machine)),
        },
        **(_split_content(split, names) if split else {}),
    }


MODEL_FIELDS = ("model", "parameters", "level", "task", "rgb_dim", "audio_dim", "seed", "monitor")


def _split_content(split: SplitResult, names: Sequence[str]) -> dict[str, Any]:
    return {
        "baseline": always_the_same(split),
        "confusion_map": confusion_map(split, names),
        "correlation_map": correlation_map(split, names),
        "reliability_chart": split_reliability(split),
        "class_groups": class_groups(split),
        "confidence_groups": confidence_groups(split),
        "confidence_of": {row.index: row for row in split.confidence},
        "without_videos": sum(not row.support for row in split.classes),
    }


def _training_counts(classes: Sequence[TrainedClass]) -> list[int]:
    return [one.videos.get(TRAINING, 0) for one in classes]
