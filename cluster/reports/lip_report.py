"""The report of the training of a lip reader: curves, error rates, sentences, and what is taken for what.

In: a `TrainingRecord` with `lips`, previews of its sentences by id (`extractors.faces.preview`), and what else the page
shows (`cluster.reports.context`). Out: the text of a self-contained HTML file (`cluster.reports.pages`). Sentences and
confusions are of one split: test, else validation, else training. Epochs are counted from 1, in the record from 0.
"""

import math
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from markupsafe import Markup

from cluster.reports import training_charts, training_sentences
from cluster.reports.charts.bars import stages_chart
from cluster.reports.charts.curves import Curve, curves
from cluster.reports.charts.heat_map import MAX_CLASSES, Cell, heat_map, scale
from cluster.reports.charts.svg import inline_bar
from cluster.reports.context import NOTHING, PageContext
from cluster.reports.csv_link import csv_link
from cluster.reports.numbers import count_of_text, count_text, percent_text
from cluster.reports.pages import changed_options, escape_invisible, render_page, settings_table
from cluster.reports.read_sentence import sentence_row
from cluster.reports.training_tables import METRICS, MetricRow, metric_text
from schemas.text_results import ReadSentence, TextConfusion, TextResult
from schemas.trainings import SPLITS, TRAINING, TrainingRecord

CHARACTER_ERROR_RATE, WORD_ERROR_RATE, EXACT = "character_error_rate", "word_error_rate", "sentence_accuracy"
KEY_METRICS = {
    WORD_ERROR_RATE: "word error rate",
    CHARACTER_ERROR_RATE: "character error rate",
    EXACT: "exact sentences",
}
PAIRS = 12  # most frequent confusions
NAMES = {" ": "space", "": "nothing"}
MODEL_FIELDS = ("model", "parameters", "level", "task", "seed", "monitor")
SENTENCE_COLUMNS = ("id", "uri", "text", "read", "edits")  # of the CSV file
CORRECT_STEPS, WRONG_STEPS = (1.0, 0.5, 0.1), (0.01, 0.05, 0.25, 1.0)

NO_PREVIEWS: Mapping[str, bytes] = {}


def render_lip_report(
    record: TrainingRecord, previews: Mapping[str, bytes] = NO_PREVIEWS, context: PageContext = NOTHING
) -> str:
    """The page of a training."""
    return render_page("lip_training.html", _content(record, previews, context), context)


def reported_texts(record: TrainingRecord) -> TextResult | None:
    """The split that predicts results on new videos best: test, else validation, else training."""
    return max(record.texts, key=lambda split: SPLITS.index(split.name), default=None)


def _content(record: TrainingRecord, previews: Mapping[str, bytes], context: PageContext) -> dict[str, Any]:
    """The variables of the template."""
    split = reported_texts(record)
    duration = datetime.fromisoformat(record.finished_at) - datetime.fromisoformat(record.started_at)
    assert record.lips is not None
    return {
        "record": record,
        "split": split,
        "results": {one.name: one for one in record.texts},
        "key_metrics": KEY_METRICS,
        "metric": lambda one, name: metric_text(name, one.summary.get(name), one.videos),
        "sentences": training_sentences,
        "wall_seconds": max(duration.total_seconds(), 0.0),
        "has_validation": any(epoch.validation for epoch in record.history),
        "loss_chart": training_charts.metric_curves(record, "loss", "Loss", are_shares=False),
        "error_chart": _error_curves(record),
        "rate_chart": _rate_curve(record),
        "metric_rows": _metric_rows(record.texts),
        "stages_chart": stages_chart(record.seconds_by_stage),
        "inline_bar": inline_bar,
        "characters": _character_counts(record),
        "command": [shlex.quote(word) for word in record.command],
        "lost_csv": csv_link(
            ("id", "uri", "code", "message"), ((one.id, one.uri, one.code, one.message) for one in record.lost)
        ),
        "changed": changed_options(record.configuration, context.unchanged),
        "tables": {
            "Configuration": settings_table(record.configuration),
            "Model": settings_table({name: getattr(record, name) for name in MODEL_FIELDS}),
            "Crops of the mouth": settings_table(vars(record.lips) | dict(record.feature_fingerprint)),
            "Versions": settings_table(record.versions),
            "Machine": settings_table(vars(record.machine)),
        },
        **({} if split is None else _split_variables(split, previews)),
    }


def _split_variables(split: TextResult, previews: Mapping[str, bytes]) -> dict[str, Any]:
    """The variables of the template that need a split."""
    shown = (*split.worst, *split.best)
    return {
        "worst": [_row(one, previews) for one in split.worst],
        "best": [_row(one, previews) for one in split.best],
        "has_previews": any(one.id in previews for one in shown),
        "sentences_csv": csv_link(
            SENTENCE_COLUMNS, ([getattr(one, name) for name in SENTENCE_COLUMNS] for one in shown)
        ),
        "character_map": confusion_map(split.characters, "characters"),
        "viseme_map": confusion_map(split.visemes, "visemes"),
        "confused": most_confused(split.characters),
        "confused_visemes": most_confused(split.visemes),
        "groups_sentence": groups_sentence(split),
    }


def groups_sentence(split: TextResult) -> str:
    """Whether the groups of a split are known from training, and what this says about the error rates."""
    known, count = split.known_groups, split.group_count
    if not known:
        return "No group has training videos: these are the error rates of groups that the network has never seen."
    which = "All groups have" if known == count else f"{count_text(known)} of {count_text(count)} groups have"
    return f"{which} training videos as well: others may be read worse. A split by group shows how much."


def _row(sentence: ReadSentence, previews: Mapping[str, bytes]) -> dict[str, Any]:
    row = sentence_row(sentence.id, sentence.uri, sentence.text, sentence.read, previews.get(sentence.id))
    return {**row, "edits": sentence.edits, "characters": len(sentence.text)}


def confusion_map(found: TextConfusion, noun: str) -> Markup | None:
    """What was said against what was read; shades are square roots of shares, so that a few mistakes are visible."""
    if not 0 < len(found.names) <= MAX_CLASSES:
        return None
    names = [display_name(name) for name in found.names]
    cells = []
    for row, counts in enumerate(found.counts):
        total = sum(counts)
        for column, count in enumerate(counts):
            if count:
                share = count / total
                shade = math.sqrt(share)
                title = f"{names[row]} → {names[column]}: {count_of_text(count, total)}"
                text = f"{100 * share:.0f}"
                cells.append(
                    Cell(row=row, column=column, shade=shade if row == column else -shade, title=title, text=text)
                )
    right = sum(counts[place] for place, counts in enumerate(found.counts))
    total = sum(map(sum, found.counts))
    description = f"Confusion matrix of {len(names)} {noun}: {right:,} of {total:,} are correct"
    drawn = heat_map(names, cells, rows="said", columns="read", description=description)
    steps = [(math.sqrt(share), f"{100 * share:g}% correct") for share in CORRECT_STEPS]
    return drawn + scale([*steps, *((-math.sqrt(share), f"{100 * share:g}% wrong") for share in WRONG_STEPS)])


def most_confused(found: TextConfusion) -> list[tuple[str, str, int]]:
    """What was said, what was read in its place, and how often; the most frequent first."""
    pairs = [
        (display_name(said), display_name(seen), count)
        for said, counts in zip(found.names, found.counts, strict=True)
        for seen, count in zip(found.names, counts, strict=True)
        if said != seen and count
    ]
    return sorted(pairs, key=lambda pair: (-pair[2], pair[:2]))[:PAIRS]


def display_name(name: str) -> str:
    """A character or a group of them, as tables name it."""
    return NAMES.get(name) or str(escape_invisible(name))


def _error_curves(record: TrainingRecord) -> Markup | None:
    """The error rates on the validation split."""
    lines = [
        Curve(
            label=KEY_METRICS[name],
            values=[epoch.validation.get(name) for epoch in record.history],
            style=style,
            as_text=percent_text,
        )
        for name, style in ((WORD_ERROR_RATE, "validation"), (CHARACTER_ERROR_RATE, "before"))
    ]
    lines = [line for line in lines if any(value is not None for value in line.values)]
    return curves(lines, record.best_epoch, "Error rates on validation", are_shares=True) if lines else None


def _rate_curve(record: TrainingRecord) -> Markup:
    line = Curve(label="learning rate", values=[epoch.learning_rate for epoch in record.history], style="training")
    return curves([line], record.best_epoch, "Learning rate", are_shares=False)


def _metric_rows(splits: Sequence[TextResult]) -> list[MetricRow]:
    """A row per metric and a column per split."""
    present = {name for split in splits for name in split.summary}
    return [
        MetricRow(
            "CTC loss" if name == "loss" else METRICS[name][0],
            "mean negative log-likelihood of the sentences; lower is better" if name == "loss" else METRICS[name][1],
            tuple(metric_text(name, split.summary.get(name), split.videos) for split in splits),
        )
        for name in METRICS
        if name in present
    ]


def _character_counts(record: TrainingRecord) -> list[tuple[str, int, float]]:
    """The characters of the training texts, their number, and that as a share of the most frequent one."""
    counts = [(display_name(one.name), one.videos.get(TRAINING, 0)) for one in record.classes if one.name]
    most = max((count for _, count in counts), default=0) or 1
    return [(name, count, count / most) for name, count in sorted(counts, key=lambda one: -one[1]) if count]
