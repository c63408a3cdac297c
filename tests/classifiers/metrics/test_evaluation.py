import pickle

import numpy as np
import pytest
import torch

from classifiers.metrics.calibration import probabilities
from classifiers.metrics.evaluation import Evaluation
from classifiers.metrics.group_accuracy import VideoGroups

TASKS = ["single-label", "multi-label"]


def problem(task, videos=200, classes=6):
    random = np.random.default_rng(0)
    logits = torch.from_numpy(random.normal(size=(videos, classes)).astype(np.float32))
    single = torch.from_numpy(random.integers(0, classes, videos))
    many = torch.from_numpy((random.random((videos, classes)) < 0.3).astype(np.float32))
    return logits, single if task == "single-label" else many, tuple(f"v{n}" for n in range(videos))


@pytest.mark.parametrize("task", TASKS)
def test_merged_workers_equal_one_worker(task):
    logits, targets, ids = problem(task)
    groups = VideoGroups({name: f"group {int(name[1:]) % 7}" for name in ids})
    whole, merged = (Evaluation(task, 6, is_full=True, groups=groups) for _ in range(2))
    whole.update(logits, targets, ids)
    for part in np.array_split(np.random.default_rng(1).permutation(200), 3):
        worker = Evaluation(task, 6, is_full=True, groups=groups)
        for batch in np.array_split(part, 4):
            worker.update(logits[batch], targets[batch], [ids[n] for n in batch])
        merged.merge(pickle.loads(pickle.dumps(worker.state())))
    assert merged.summary() == pytest.approx(whole.summary(), rel=1e-6)
    assert merged.ranking.scores() == whole.ranking.scores()
    assert merged.classes.macro() == whole.classes.macro()
    assert merged.classes.micro().support == whole.classes.micro().support > 0
    assert merged.calibration.expected == pytest.approx(whole.calibration.expected)
    np.testing.assert_allclose(merged.correlation.matrix(), whole.correlation.matrix(), atol=1e-12)
    for one, other in zip(merged.confidence.rows(), whole.confidence.rows(), strict=True):
        assert vars(one) == pytest.approx(vars(other), rel=1e-9)
    assert merged.mistakes.rows == whole.mistakes.rows != ()
    assert merged.groups.rows() == whole.groups.rows()
    assert len(whole.groups.rows()) == 7
    hits = sum(row.correct for row in whole.groups.rows()) / 200
    assert hits == pytest.approx(whole.summary()["hit_at_one"])
    if task == "single-label":
        np.testing.assert_array_equal(merged.confusion.counts, whole.confusion.counts)
    else:
        assert merged.confusion is None


def test_the_summary_of_an_epoch_equals_that_of_all_metrics():
    logits, targets, _ = problem("single-label")
    brief, full = Evaluation("single-label", 6, is_full=False), Evaluation("single-label", 6, is_full=True)
    brief.update(logits, targets)
    full.update(logits, targets)
    assert brief.summary() == full.summary()
    assert brief.summary()["loss"] == pytest.approx(float(torch.nn.functional.cross_entropy(logits, targets)))
    assert set(brief.summary()) == {
        *("loss", "hit_at_one", "perr", "gap", "top_1_accuracy", "top_5_accuracy"),
        *("mean_average_precision", "mean_average_precision_at_10"),
    }


def test_the_most_confident_mistakes_come_first():
    logits, targets, ids = problem("single-label")
    evaluation = Evaluation("single-label", 6, is_full=True)
    evaluation.update(logits, targets, ids)
    rows = evaluation.mistakes.rows
    shares = probabilities(logits.numpy(), is_single_label=True)
    wrong = [n for n in range(200) if shares[n].argmax() != targets[n]]
    assert [row.id for row in rows] == [ids[n] for n in sorted(wrong, key=lambda n: -shares[n].max())[:100]]
    first = ids.index(rows[0].id)
    assert (rows[0].true, rows[0].predicted) == (int(targets[first]), int(shares[first].argmax()))
    assert rows[0].true_probability == pytest.approx(shares[first, rows[0].true])


def test_a_temperature_lowers_the_confidence():
    logits, targets, _ = problem("single-label")
    sharp, soft = (
        Evaluation("single-label", 6, is_full=True),
        Evaluation("single-label", 6, is_full=True, temperature=9),
    )
    sharp.update(logits, targets)
    soft.update(logits, targets)
    assert soft.confidence.rows()[0].mean < sharp.confidence.rows()[0].mean
    assert soft.ranking.scores().hit_at_one == sharp.ranking.scores().hit_at_one


def test_correlations_of_the_first_classes():
    assert Evaluation("multi-label", 3862, is_full=True).correlation.classes == tuple(range(50))


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match="task is 'any', allowed: single-label, multi-label"):
        Evaluation("any", 3, is_full=True)
