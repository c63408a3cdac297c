"""The training loop: what a plain loop computes, resumed anywhere, stopped in time."""

import math

import pytest
import torch
import torch.nn.functional as F

from classifiers.clip_models.registry import build_clip_model
from classifiers.data.batches import ClipBatch, FeatureBatch, StageBatch
from classifiers.feature_models.registry import build_model
from classifiers.training.config import TrainingConfig
from classifiers.training.identity import TrainingIdentity
from classifiers.training.learning_rate import LearningRateSchedule
from classifiers.training.loop import DivergedError, Training, epoch_seed
from classifiers.training.objective import Classification
from classifiers.training.optimizers import OptimizerConfig
from classifiers.training.phases import Phase
from classifiers.training.state import TrainingStateError, read_state, write_state

CLASSES, RGB, AUDIO = 4, 12, 6
ADAM = OptimizerConfig(name="adam", learning_rate=1e-2)


def model(seed=0):
    torch.manual_seed(seed)
    return build_model("dense-5", num_classes=CLASSES, rgb_dim=RGB, audio_dim=AUDIO)


def batches(count=6, seed=0, task="single-label", size=32):
    """Batches of classes in different directions, with noise."""
    generator = torch.Generator().manual_seed(99)
    centres = torch.randn(CLASSES, RGB + AUDIO, generator=generator)
    generator.manual_seed(seed)
    made = []
    for number in range(count):
        classes = torch.randint(CLASSES, (size,), generator=generator)
        features = centres[classes] + torch.randn(size, RGB + AUDIO, generator=generator)
        targets = classes if task == "single-label" else F.one_hot(classes, CLASSES).float()
        ids = tuple(f"{seed}-{number}-{video}" for video in range(size))
        frames = torch.full((size,), 3)
        made.append(FeatureBatch(features[:, :RGB], features[:, RGB:], frames, targets, ids))
    return made


def whole(*, epochs=20, optimizer=None, schedule=None, **options):
    """One phase that trains everything."""
    phase = Phase(epochs=epochs, optimizer=optimizer or OptimizerConfig(), schedule=schedule or LearningRateSchedule())
    return TrainingConfig(phases=(phase,), **options)


def training(config, task="single-label", **options):
    return Training(model(), Classification(task, CLASSES, config), config, **options)


def test_one_worker_computes_what_a_plain_loop_does():
    trained = training(whole(epochs=2, optimizer=ADAM))
    records = [trained.run_epoch(batches(), batches(2, seed=1)) for _ in range(2)]
    plain = model()
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-2, foreach=True)
    for epoch in range(2):
        torch.manual_seed(epoch_seed(0, epoch, 0))
        plain.train()
        losses = []
        for batch in batches():
            optimizer.zero_grad()
            loss = F.cross_entropy(plain(batch.rgb, batch.audio, batch.num_frames), batch.targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert records[epoch].training["loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-6)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, trained.model.state_dict()[name]), name


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_loss_falls_and_accuracy_rises(task):
    trained = training(whole(epochs=12, optimizer=ADAM), task)
    while not trained.is_over:
        trained.run_epoch(batches(task=task), batches(2, seed=1, task=task))
    first, *_, last = trained.history.epochs
    assert last.validation["loss"] < first.validation["loss"] / 1.5
    assert last.validation["hit_at_one"] > 0.8
    assert set(first.training) == {"loss", "hit_at_one"}


def test_a_resumed_training_continues_bit_for_bit():
    config = whole(
        epochs=5, optimizer=OptimizerConfig(momentum=0.5), schedule=LearningRateSchedule(decay="cosine", decay_steps=20)
    )
    unbroken = training(config)
    while not unbroken.is_over:
        unbroken.run_epoch(batches(), batches(2, seed=1))
    killed = training(config)
    for _ in range(2):
        killed.run_epoch(batches(), batches(2, seed=1))
    state = write_state(killed.snapshot(), TrainingIdentity({"epochs": 5}))
    resumed = training(config)
    resumed.restore(read_state(state, TrainingIdentity({"epochs": 5})))
    assert resumed.epoch == 2
    while not resumed.is_over:
        resumed.run_epoch(batches(), batches(2, seed=1))
    for one, other in zip(unbroken.history.epochs, resumed.history.epochs, strict=True):
        assert (one.training, one.validation, one.learning_rate) == (
            other.training,
            other.validation,
            other.learning_rate,
        )
    assert resumed.history.best_epoch == unbroken.history.best_epoch
    for name, value in unbroken.best_state.items():
        assert torch.equal(value, resumed.best_state[name]), name


def test_states_of_another_configuration_or_damaged_ones_are_refused():
    trained = training(whole(epochs=2))
    trained.run_epoch(batches(1), None)
    state = write_state(trained.snapshot(), TrainingIdentity({"epochs": 2, "model": "dense-5"}))
    with pytest.raises(TrainingStateError, match="epochs was 2, is 3"):
        read_state(state, TrainingIdentity({"epochs": 3, "model": "dense-5"}))
    with pytest.raises(TrainingStateError, match="cannot be read"):
        read_state(state[:-10], TrainingIdentity({"epochs": 2, "model": "dense-5"}))
    with pytest.raises(TrainingStateError, match="cannot be read"):
        read_state(b"", TrainingIdentity({}))


def test_the_best_epoch_is_kept_and_patience_stops_the_training():
    trained = training(whole(epochs=50, optimizer=ADAM, patience=2))
    losses = {}
    while not trained.is_over:
        # From the fourth epoch on, the labels of the training split contradict those of the validation split.
        split = batches() if trained.epoch < 3 else [turned(batch) for batch in batches()]
        record = trained.run_epoch(split, batches(2, seed=1))
        losses[record.epoch] = record.validation["loss"]
    best = min(losses, key=losses.__getitem__)
    assert trained.history.best_epoch == best
    assert len(losses) == best + 3
    trained.load_best()
    assert trained.evaluate(batches(2, seed=1), is_full=False).loss == pytest.approx(losses[best])


def turned(batch):
    return FeatureBatch(batch.rgb, batch.audio, batch.num_frames, (batch.targets + 1) % CLASSES, batch.ids)


def test_penalties_class_weights_and_clipping_reach_the_gradient():
    plain, penalised, weighted, clipped = (
        training(whole(epochs=3, optimizer=OptimizerConfig(name="sgd", learning_rate=0.1), **options))
        for options in ({}, {"l2": 0.1}, {"class_weights": (1.0, 1.0, 1.0, 0.0)}, {"max_gradient_norm": 1e-6})
    )
    before = {name: value.clone() for name, value in clipped.model.state_dict().items()}
    for trained in (plain, penalised, weighted, clipped):
        for _ in range(3):
            trained.run_epoch(batches(), None)
    assert norm(penalised) < 0.8 * norm(plain)
    assert recall(weighted, 3) < recall(plain, 3)
    assert all(torch.allclose(value, before[name], atol=1e-4) for name, value in clipped.model.state_dict().items())


def norm(trained):
    return sum(float(weight.square().sum()) for weight in trained.model.parameters() if weight.ndim > 1)


def recall(trained, index):
    return trained.evaluate(batches(4, seed=2), is_full=True).classes.recall[index]


def test_bf16_training_is_close_to_fp32():
    exact, coarse = (training(whole(epochs=3, optimizer=ADAM, precision=name)) for name in ("fp32", "bf16"))
    for trained in (exact, coarse):
        while not trained.is_over:
            trained.run_epoch(batches(), batches(2, seed=1))
    assert coarse.model.head.weight.dtype == torch.float32
    last = [trained.history.epochs[-1].validation["loss"] for trained in (exact, coarse)]
    assert last[0] != last[1]
    assert last[1] == pytest.approx(last[0], rel=0.1)


def test_a_loss_that_is_not_finite_is_refused_with_a_remedy():
    trained = training(whole(epochs=3))
    endless = [FeatureBatch(batch.rgb * math.inf, batch.audio, batch.num_frames, batch.targets) for batch in batches()]
    with pytest.raises(DivergedError, match="lower learning rate"):
        trained.run_epoch(endless, None)


def test_outputs_that_are_not_finite_are_refused_with_a_remedy():
    trained = training(whole(epochs=3))
    with torch.no_grad():
        next(trained.model.parameters()).fill_(math.nan)
    with pytest.raises(DivergedError, match=r"outputs of the network are not finite: .* lower learning rate"):
        trained.evaluate(batches(1), is_full=False)


def test_all_problems_of_a_configuration_are_reported_together():
    with pytest.raises(ValueError, match=r"(?s)patience is 0.*l2 is -1.*fp64.*recall"):
        whole(patience=0, l2=-1, precision="fp64", monitor="recall")
    with pytest.raises(ValueError, match=r"(?s)learning rate is nan.*adam takes no momentum"):
        OptimizerConfig(name="adam", learning_rate=math.nan, momentum=0.5)


def clips(count=4, seed=0, size=4):
    """Clips that are bright or dark."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for number in range(count):
        classes = torch.randint(2, (size,), generator=generator)
        noise = torch.randint(100, (size, 16, 16, 16, 3), generator=generator)
        values = (noise + 100 * classes[:, None, None, None, None]).to(torch.uint8)
        made.append(ClipBatch(values, classes, tuple(f"{seed}-{number}-{clip}" for clip in range(size))))
    return made


def clip_training(*phases, **options):
    torch.manual_seed(0)
    small = {"frames": 16, "height": 16, "width": 16, "width_factor": 0.05, "pixels": "signed"}
    model = build_clip_model("c3d", num_classes=2, options=small)
    config = TrainingConfig(phases=phases, **options)
    return Training(model, Classification("single-label", 2, config), config)


SGD = OptimizerConfig(name="sgd", learning_rate=0.05, momentum=0.5)
HEAD_THEN_ALL = (Phase(epochs=3, stages=1, optimizer=SGD), Phase(epochs=2, stages=3), Phase(epochs=2, optimizer=SGD))


def run(trained, epochs=100):
    while not trained.is_over and trained.epoch < epochs:
        trained.run_epoch(clips(), clips(2, seed=1))
    return trained


def test_each_phase_trains_its_stages():
    trained = clip_training(*HEAD_THEN_ALL)
    changed = []
    while not trained.is_over:
        before = {name: value.clone() for name, value in trained.model.state_dict().items()}
        record = trained.run_epoch(clips(), clips(2, seed=1))
        now = trained.model.state_dict()
        changed.append(
            (record.phase, {name.split(".")[-2] for name in now if not torch.equal(now[name], before[name])})
        )
    everything = {name.split(".")[-2] for name, _ in trained.model.named_parameters()}
    assert changed == [
        *[(0, {"head"})] * 3,
        *[(1, {"fc6", "fc7", "head"})] * 2,
        *[(2, everything)] * 2,
    ]
    assert [record.learning_rate for record in trained.history.epochs] == [0.05] * 3 + [1e-3] * 2 + [0.05] * 2
    best = min(trained.history.epochs, key=lambda record: record.validation["loss"])
    assert trained.history.best_epoch == best.epoch


def test_frozen_stages_are_initial_until_an_epoch_trains_them():
    back = (Phase(epochs=1, stages=1), Phase(epochs=1, stages=3), Phase(epochs=1, stages=1), Phase(epochs=1))
    trained = clip_training(*back)
    untouched = [trained.has_initial_frozen_stages]
    while not trained.is_over:
        trained.run_epoch(clips(1), None)
        untouched.append(trained.has_initial_frozen_stages)
    assert untouched == [False, True, True, False, False]


@pytest.mark.parametrize("stop", [2, 3, 4, 5, 6])
def test_a_training_resumed_in_any_phase_continues_bit_for_bit(stop):
    unbroken = run(clip_training(*HEAD_THEN_ALL))
    state = write_state(run(clip_training(*HEAD_THEN_ALL), stop).snapshot(), TrainingIdentity({}))
    resumed = clip_training(*HEAD_THEN_ALL)
    resumed.restore(read_state(state, TrainingIdentity({})))
    run(resumed)
    for one, other in zip(unbroken.history.epochs, resumed.history.epochs, strict=True):
        assert (one.training, one.validation, one.phase) == (other.training, other.validation, other.phase)
    for name, value in unbroken.best_state.items():
        assert torch.equal(value, resumed.best_state[name]), name


def test_patience_ends_a_phase_and_the_next_begins():
    still = OptimizerConfig(name="sgd", learning_rate=1e-30)
    trained = run(clip_training(Phase(epochs=9, optimizer=still), Phase(epochs=4, optimizer=SGD), patience=2))
    assert [record.phase for record in trained.history.epochs] == [0, 0, 0, 1, 1, 1, 1][: trained.epoch]
    assert trained.history.epochs[-1].phase == 1


def test_gradients_of_several_batches_are_accumulated_into_one_step():
    def trained(batches, accumulate):
        # No dropout, which would be drawn otherwise.
        torch.manual_seed(0)
        model = build_model("dense-1", num_classes=CLASSES, rgb_dim=RGB, audio_dim=AUDIO)
        phase = Phase(epochs=1, optimizer=SGD)
        config = TrainingConfig(phases=(phase,), accumulate=accumulate, l2=0.01, max_gradient_norm=1.0)
        training = Training(model, Classification("single-label", CLASSES, config), config)
        return training.run_epoch(batches, None), training

    whole = [*batches(2), *batches(1, seed=3, size=16)]
    parts = [part for batch in whole for part in halves(batch)]
    (record, one), (other_record, other) = trained(whole, 1), trained(parts, 2)
    assert record.training == pytest.approx(other_record.training, rel=1e-5)
    for name, value in one.model.state_dict().items():
        assert torch.allclose(value, other.model.state_dict()[name], atol=1e-6), name
    assert one.snapshot().step == other.snapshot().step == 3


def halves(batch):
    """Of different sizes, so that their weights matter."""
    cut = len(batch) // 4
    return [
        FeatureBatch(batch.rgb[part], batch.audio[part], batch.num_frames[part], batch.targets[part])
        for part in (slice(cut), slice(cut, None))
    ]


def test_training_on_kept_values_of_frozen_stages_equals_training_on_clips():
    trained = clip_training(*HEAD_THEN_ALL[:1])
    trained.enter_phase()
    model = trained.model
    frozen = model.frozen_stages

    def kept(batches):
        with torch.no_grad():
            return [
                StageBatch(
                    model.forward_stages(model.prepare(batch.clips), 0, frozen), frozen, batch.targets, batch.ids
                )
                for batch in batches
            ]

    model.eval()
    for _ in range(3):
        trained.run_epoch(kept(clips()), kept(clips(2, seed=1)))
    other = run(clip_training(*HEAD_THEN_ALL[:1]))
    for one, another in zip(trained.history.epochs, other.history.epochs, strict=True):
        assert (one.training, one.validation) == (another.training, another.validation)
