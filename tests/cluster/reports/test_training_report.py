"""Training report: complete, self-contained, legible for any number of classes, unmoved by hostile names."""

import dataclasses

import pytest

from cluster.reports.numbers import accuracy_text, measure_text, percent_text
from cluster.reports.training_report import render_training_report
from extractors.video.thumbnail import Thumbnail
from schemas.clips import UNIT, ClipFormat, ClipInput
from schemas.evaluations import FrameAccuracy, GroupScore, SplitResult
from schemas.trainings import LostVideo, TrainingRecord
from tests.support.pages import Page, assert_accessible, assert_self_contained
from tests.support.training_records import renamed, training_record

HOSTILE = "<script>alert('id')</script>\"><img src=x onerror=alert(1)>{{ 7*7 }}\u202egpj.mp4\x00\udc80"
CLIPS = ClipInput(
    format=ClipFormat(frames=16, height=112, width=112, resize=(128, 171), fps=None, **UNIT),
    sampling={"placement": "central", "views": 10},
)
GROUPS = tuple(
    GroupScore(group=name, videos=300, correct=correct, training_videos=trained)
    for name, correct, trained in (("ann", 150, 40), ("bob", 270, 0))
)
LOST = LostVideo(id="red/007", uri="gs://bucket/red/007.mp4", code="empty", message="the file is empty: bring it again")
BY_FRAME = FrameAccuracy(videos=900, fps=5.0, shares=(0.5, 0.7, 0.8))
RECORDS = {
    "2 classes": training_record(2),
    "clips": dataclasses.replace(training_record(3), level="clip", rgb_dim=0, audio_dim=0, clips=CLIPS, lost=(LOST,)),
    "a stream network": dataclasses.replace(training_record(3), by_frame=BY_FRAME),
    "10 classes": training_record(10),
    "50 classes": training_record(50),
    "1000 classes": training_record(1000),
    "several labels": training_record(10, task="multi-label"),
    "all splits": training_record(3, splits=("training", "validation", "test")),
    "no test": training_record(10, splits=("validation",)),
    "no validation": training_record(10, splits=("test",)),
    "training alone": training_record(10, splits=("training",)),
    "nothing measured": training_record(10, splits=()),
}


def with_test(record: TrainingRecord, **changes: object) -> TrainingRecord:
    """The same record with other results on the test split."""
    changed = dataclasses.replace(record.splits[-1], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(record, splits=(*record.splits[:-1], changed))


def test_groups_are_listed_where_there_are_some() -> None:
    record = RECORDS["10 classes"]
    assert "Accuracy by group" not in text_of(record)
    text = text_of(with_test(record, groups=GROUPS, group_count=5, known_groups=1))
    assert "the lowest accuracy first, the first 2 of 5 groups. 1 of 5 groups have training videos as well" in text
    assert "ann 50.00% 300 40 bob 90.00% 300 0" in text


def text_of(record: TrainingRecord) -> str:
    return Page(render_training_report(record)).text


@pytest.mark.parametrize("name", RECORDS)
def test_the_page_is_self_contained_and_accessible(name: str) -> None:
    html = render_training_report(RECORDS[name])
    assert_accessible(assert_self_contained(html))
    assert "None" not in Page(html).text
    assert "Undefined" not in html
    assert len(html) < 2_500_000


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_read_back_from_json_gives_the_same_page(name: str) -> None:
    record = RECORDS[name]
    assert render_training_report(TrainingRecord.from_json(record.to_json())) == render_training_report(record)


def test_the_headline_and_the_key_figures() -> None:
    record = RECORDS["10 classes"]
    validation, test = record.splits
    text = text_of(record)
    accuracy = f"{100 * (test.summary['hit_at_one'] or 0):.2f}%"
    assert f"dense-5, 10 classes: {accuracy} hit@1 on test videos" in text
    assert f"hit@1 on 600 test videos {accuracy}" in text
    assert f"hit@1 on 900 validation videos {100 * (validation.summary['hit_at_one'] or 0):.2f}%" in text
    assert f"baseline: hit@1 of always Game {100 * test.classes[0].support / 600:.2f}%" in text
    assert "best of 20 epochs, by loss 9" in text
    assert " parameters 295,625" in text
    assert "Nothing learnt" not in text


def test_the_numbers_of_every_class_are_the_records() -> None:
    record = RECORDS["10 classes"]
    test = record.splits[-1]
    text = text_of(record)
    confidence = {row.index: row for row in test.confidence}
    for row in test.classes:
        predicted = sum(counts[row.index] for counts in test.confusion)
        numbers = " ".join(
            (
                accuracy_text(row.precision, predicted),
                accuracy_text(row.recall, row.support),
                measure_text(row.f1, row.support),
            )
        )
        given = confidence[row.index]
        spread = f"{100 * given.mean:.2f} ± {100 * given.standard_deviation:.2f}%"
        name = record.classes[row.index].name
        assert f"{name} {row.support} {numbers} {spread}" in text
        assert f"{name} {spread} {given.support}" in text
    for one in record.classes:
        counts = " ".join(f"{one.videos[name]:,}" for name in ("training", "validation", "test"))
        assert f"{one.name} {one.index} {counts}" in text
    assert "All videos 3,000 900 600" in text


def test_pairs_correlations_and_mistakes_have_names() -> None:
    record = RECORDS["10 classes"]
    names = [one.name for one in record.classes]
    test = record.splits[-1]
    text = text_of(record)
    for pair in test.confused[:5]:
        assert f"{names[pair.true]} {names[pair.predicted]} {pair.count} {percent_text(pair.share)}" in text
    trade = test.most_traded[0]
    assert f"−{-trade.correlation:.2f} {names[trade.true]} falls as {names[trade.other]} rises" in text
    html = render_training_report(record)
    for mistake in test.mistakes:
        assert f'title="{mistake.id}"' in html


def test_a_split_of_a_few_videos_has_counts_and_no_calibration_error() -> None:
    record = RECORDS["10 classes"]
    fit = record.temperature
    assert fit is not None
    few = with_test(record, videos=20, summary={**record.splits[-1].summary, "hit_at_one": 0.75})
    text = text_of(dataclasses.replace(few, temperature=dataclasses.replace(fit, videos=20)))
    assert "dense-5, 10 classes: 15 of 20 test videos right" in text
    assert "hit@1 on 20 test videos 15 of 20" in text
    assert "expected calibration error" not in text.lower()
    assert "the loss changed from" in text


def test_mistakes_have_pictures_and_links_and_are_a_file() -> None:
    record = RECORDS["10 classes"]
    mistakes = record.splits[-1].mistakes
    linked = with_test(record, mistakes=tuple(dataclasses.replace(one, uri="https://host/a.mp4") for one in mistakes))
    html = render_training_report(linked, {mistakes[1].id: Thumbnail(1.0, b"jpeg")})
    page = assert_self_contained(html)
    assert_accessible(page)
    assert [attributes["alt"] for tag, attributes in page.tags if tag == "img"] == [f"Frame of {mistakes[1].id}"]
    assert page.hrefs == ["https://host/a.mp4"] * len(mistakes)
    (link,) = [attributes for _, attributes in page.tags if attributes.get("download")]
    assert link["download"] == "most-confident-mistakes.csv"
    assert "img" not in {tag for tag, _ in Page(render_training_report(linked)).tags}


def test_calibration_has_its_numbers() -> None:
    fit = RECORDS["10 classes"].temperature
    assert fit is not None
    text = text_of(RECORDS["10 classes"])
    assert f"a temperature of {fit.temperature:.4g}, fitted on 900 validation videos" in text
    assert f"changed from {100 * fit.error_before:.2f}% to {100 * fit.error_after:.2f}%" in text
    assert f"the loss from {fit.loss_before:.4g} to {fit.loss_after:.4g}" in text


def test_only_a_stream_network_knows_early() -> None:
    heading = "how-early-it-knows"
    assert heading in Page(render_training_report(RECORDS["a stream network"])).headings
    assert heading not in Page(render_training_report(RECORDS["clips"])).headings
    assert "after 0.6 s, 80.00%, nearly as many" in text_of(RECORDS["a stream network"])


def test_missing_splits_are_named() -> None:
    assert "No test split." in text_of(RECORDS["no test"])
    assert "hit@1 on test videos –" in text_of(RECORDS["no test"])
    assert "No temperature was fitted, because there are no validation videos" in text_of(RECORDS["no validation"])
    assert "Evaluated on training videos only." in text_of(RECORDS["training alone"])
    nothing = text_of(RECORDS["nothing measured"])
    assert "Not evaluated." in nothing
    assert "No split was evaluated." in nothing
    assert "No test split." not in text_of(RECORDS["10 classes"])


def test_multi_label_pages_have_no_confusion_matrix() -> None:
    text = text_of(RECORDS["several labels"])
    assert "Confusion" not in text
    assert "with a probability of 50% or more" in text
    assert "most probable class is none of their labels" in text
    assert "Metrics by class" in text


def test_two_classes_have_no_correlations() -> None:
    text = text_of(RECORDS["2 classes"])
    assert "With two classes, the probability of one is always 1 minus that of the other." in text
    assert "Strongest competitors" not in text


def test_of_a_thousand_classes_the_extremes_are_shown() -> None:
    text = text_of(RECORDS["1000 classes"])
    assert "1,000 classes are too many for a confusion matrix." in text
    assert "of the first 50 classes" in text
    for caption in (
        "Lowest F1 (20 of",
        "Highest F1 (20 of",
        "Most confident (20 of",
        "Least confident (20 of",
        "Most videos (20 of",
    ):
        assert caption in text
    assert "classes of 1,000 have no video in this split" in text


def test_a_classifier_no_better_than_the_baseline_has_a_banner() -> None:
    record = RECORDS["10 classes"]
    test = record.splits[-1]
    lost = with_test(record, summary={**test.summary, "hit_at_one": test.classes[0].support / 600})
    assert "Nothing learnt. Always predicting Game would be correct for" in text_of(lost)


def test_perfect_and_empty_results_read_well() -> None:
    record = with_test(RECORDS["10 classes"], confused=(), mistakes=(), confidence=(), reliability=(), traded=())
    record = dataclasses.replace(record, seconds_by_stage={}, command=(), versions={}, history=record.history[:9])
    text = text_of(record)
    for words in (
        "No video was misclassified.",
        "None: the most probable class is correct for every video.",
        "No video of this split has a label.",
        "No class has 10 or more videos with varying probabilities",
        "No stage took any time.",
        "Nothing recorded.",
    ):
        assert words in text


def test_numbers_that_are_not_finite_are_left_out() -> None:
    record = RECORDS["10 classes"]
    epoch = dataclasses.replace(record.history[3], validation={"loss": None, "hit_at_one": 0.5})
    history = (*record.history[:3], epoch, *record.history[4:])
    lost = with_test(record, summary=dict.fromkeys(record.splits[-1].summary))
    text = text_of(dataclasses.replace(lost, history=history))
    assert "dense-5, 10 classes 2025-01-31" in text
    assert "hit@1 on 600 test videos –" in text
    assert f"hit@1 {percent_text(record.splits[0].summary['hit_at_one'] or 0)} – videos" in text
    assert "epoch 4, validation: 50.00%" in text
    assert "epoch 4, validation: 0." not in text


def test_hostile_text_stays_text_wherever_it_stands() -> None:
    record = RECORDS["10 classes"]
    test = record.splits[-1]
    mistakes = tuple(dataclasses.replace(one, id=HOSTILE, uri=HOSTILE) for one in test.mistakes)
    hostile = dataclasses.replace(
        with_test(renamed(record, [HOSTILE] * 10), mistakes=mistakes, summary={**test.summary, HOSTILE: 1.0}),
        command=(HOSTILE,),
        model=HOSTILE,
        monitor=HOSTILE,
        configuration={HOSTILE: {HOSTILE: [HOSTILE]}},
        versions={HOSTILE: HOSTILE},
        feature_fingerprint={HOSTILE: HOSTILE},
        seconds_by_stage={HOSTILE: 1.0},
        machine=dataclasses.replace(record.machine, engine=HOSTILE, device=HOSTILE),
    )
    html = render_training_report(hostile)
    html.encode("utf-8")  # a lone surrogate, as in a badly named file, would fail here
    page = assert_self_contained(html)
    assert "img" not in {tag for tag, _ in page.tags}
    assert "{{ 7*7 }}" in page.text
    assert "\u202e" not in html
    assert "\x00" not in html
    assert "\\u202egpj.mp4\\x00\\udc80" in page.text


def test_names_of_any_length_script_and_direction_are_held() -> None:
    long = "long-" * 820
    names = [long, "", "שלום עולם", "日本語の映画", "a b", "a\u202eb", "…", "ß", "🎬" * 300, "same"]
    html = render_training_report(renamed(RECORDS["10 classes"], names))
    page = assert_self_contained(html)
    assert html.count(long) < 250, "the whole name stands in titles of names, not in every cell"
    assert any(attributes.get("title") == long for _, attributes in page.tags)
    assert "class 2" in page.text, "a class without a name is called by its index"
    assert "שלום עולם" in page.text


def test_a_page_of_64_long_names_stays_small() -> None:
    record = renamed(training_record(64), ["x" * 4096 + str(i) for i in range(64)])
    assert len(render_training_report(record)) < 8_000_000


def test_mistakes_without_a_true_class_are_shown() -> None:
    record = RECORDS["several labels"]
    split: SplitResult = record.splits[-1]
    mistakes = (dataclasses.replace(split.mistakes[0], true=-1, true_probability=0.0, uri="gs://bucket/a.mp4"),)
    text = text_of(with_test(record, mistakes=mistakes))
    assert "gs://bucket/a.mp4 none 0%" in text
    assert "gs://bucket/a.mp4" in text


def test_the_input_of_a_clip_classifier_and_the_videos_left_out() -> None:
    text = text_of(RECORDS["clips"])
    assert "1 video could not be used and is in no split." in text
    assert "gs://bucket/red/007.mp4" in text
    assert "the file is empty: bring it again" in text
    assert "Format of the clips" in text
    assert "Fingerprint of the features" not in text
    many = dataclasses.replace(RECORDS["clips"], lost=(dataclasses.replace(LOST, id=HOSTILE),) * 40)
    html = render_training_report(many)
    assert_self_contained(html)
    assert "40 videos could not be used and are in no split." in Page(html).text
    assert "could not be used" not in text_of(RECORDS["10 classes"])
