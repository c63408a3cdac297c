from contextlib import closing

import pytest
import torch

from classifiers.data.batches import BatchOrder, Worker
from classifiers.training.loop import Training
from classifiers.training.objective import Classification
from classifiers.training.workers import SingleWorker
from cluster.training.frozen_stages import FrozenStages
from cluster.training.kinds import load_training_data
from tests.support.trainings import FEATURES, clip_config, write_videos

PHASES = ("epochs=2 stages=1", "epochs=2 stages=3", "epochs=1")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return load_training_data(
        clip_config(write_videos(tmp_path_factory.mktemp("videos"), 6), "out", phases=PHASES).settings()
    )


@pytest.fixture(scope="module")
def feed(data):
    with closing(data.feed(Worker())) as feed:
        yield feed


class Pair(SingleWorker):
    """The first of two workers, the other of which has brought the same."""

    def gather(self, value):
        return [value, value]


@pytest.fixture
def training(data):
    torch.manual_seed(0)
    config = data.settings.training_config(5, None)
    return Training(data.build_model(), Classification("single-label", 3, config), config)


def sources(data, feed, name="training"):
    split = data.splits[name]
    ordered = BatchOrder(batch_size=4, with_ids=True)
    return feed.source(split, BatchOrder(batch_size=4, shuffle=True, with_ids=True)), feed.source(split, ordered)


def test_cached_outputs_equal_those_of_the_stages(data, feed, training):
    frozen = FrozenStages(training, SingleWorker(), limit_bytes=1 << 20)
    training.enter_phase()
    source, in_order = sources(data, feed)
    kept = frozen.source("training", source, in_order)
    assert kept.steps == source.steps
    training.model.eval()
    for epoch in range(2):
        for found, batch in zip(kept.batches(epoch), source.batches(epoch), strict=True):
            assert found.values.shape == (len(batch), FEATURES)
            assert (found.first_stage, found.ids) == (7, batch.ids)
            assert torch.equal(found.targets, batch.targets)
            with torch.no_grad():
                assert torch.allclose(training.model(*found.inputs), training.model(*batch.inputs), atol=1e-6)


def test_another_phase_has_values_of_its_own(data, feed, training):
    frozen = FrozenStages(training, SingleWorker(), limit_bytes=1 << 20)
    source, in_order = sources(data, feed)
    shapes = []
    for stages in (1, 3, None):
        training.model.freeze(stages)
        given = frozen.source("training", source, in_order)
        shapes.append(None if given is source else next(given.batches()).values.shape[1:])
        assert (frozen.source("training", source, in_order) is source) == (given is source)
    assert shapes[0] == (FEATURES,)
    assert len(shapes[1]) == 4  # C, T, H, W
    assert shapes[2] is None


def test_stages_that_were_trained_meanwhile_are_computed_anew(data, feed, training):
    frozen = FrozenStages(training, SingleWorker(), limit_bytes=1 << 20)
    source, in_order = sources(data, feed)
    kept = []
    for stages in (1, None, 1):
        training.model.freeze(stages)
        kept.append(frozen.source("training", source, in_order))
        with torch.no_grad():
            for value in training.model.parameters():
                value.mul_(1.0 if stages else 1.1)
    before, after = (next(each.batches()).values for each in kept[::2])
    assert not torch.allclose(before, after, rtol=0.01)


def test_outputs_above_the_limit_are_not_cached(data, feed, training):
    training.enter_phase()
    size = 4 * FEATURES * len(data.splits["training"])
    for limit, is_kept in ((size, True), (size - 1, False)):
        frozen = FrozenStages(training, SingleWorker(), limit_bytes=limit)
        source, in_order = sources(data, feed)
        assert (frozen.source("training", source, in_order) is not source) == is_kept
        # Splits share the limit.
        other, other_in_order = sources(data, feed, "validation")
        assert (frozen.source("validation", other, other_in_order) is not other) == (not is_kept)


def test_the_best_epoch_is_evaluated_from_cached_outputs_where_valid(data, feed, training):
    frozen = FrozenStages(training, SingleWorker(), limit_bytes=1 << 20)
    split = data.splits["training"]
    part = feed.source(split.sample(5), BatchOrder(batch_size=2, with_ids=True))
    assert frozen.evaluation_source("training", part) is part  # nothing is cached yet
    holds = []
    while not training.is_over:
        training.enter_phase()
        source, in_order = sources(data, feed)
        training.run_epoch(frozen.source("training", source, in_order).batches(training.epoch), None)
        measured = frozen.evaluation_source("training", part)
        holds.append(measured is not part)
        if measured is part:
            continue
        for found, batch in zip(measured.batches(), part.batches(), strict=True):
            assert (found.ids, found.targets.tolist()) == (batch.ids, batch.targets.tolist())
            training.model.eval()
            with torch.no_grad():
                assert torch.allclose(training.model(*found.inputs), training.model(*batch.inputs), atol=1e-6)
    assert holds == [True] * 4 + [False]  # the last phase trains everything


def test_workers_receive_the_outputs_of_the_others(data, feed, training):
    training.enter_phase()
    _, in_order = sources(data, feed)
    frozen = FrozenStages(training, Pair(), limit_bytes=1 << 30)
    kept = frozen._compute("training", in_order, training.model)
    assert len(kept) == 2 * len(data.splits["training"])
