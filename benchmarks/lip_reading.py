"""Lip reading, learnt on generated mouths: word error rates on sentences and on speakers that training did not see.

    python benchmarks/lip_reading.py [--speakers 20 8] [--sentences 240] [--epochs 1 10] [--threads 1] [--json FILE]

Trains `lipnet-keras`, narrower and on smaller crops than the published network (`NETWORK`), on sentences of the GRID
corpus by drawn mouths (`generated_mouths`), held in memory: first on a few words at a time, then on whole sentences.
Then prints the word error rate (WER), the character error rate and the share of exact sentences by decoder:

    greedy    the most probable path
    beam      prefix beam search, of any characters
    words     beam search of the corpus's words in any order
    + bigram  with a language model of pairs of words, counted in the sentences of training
    grammar   beam search of the corpus's 64,000 sentences

and beside them those of random sentences (chance), and of the same network on clips whose frames are shuffled. Words
that look alike (`generated_speech.lookalikes`) set the limit of any reader.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.generated_mouths import Clip, draw_clips
from benchmarks.generated_speech import RATE, lookalikes, random_sentence, unavoidable_word_error_rate
from benchmarks.measure import write_json
from classifiers.ctc_loss import CtcLoss
from classifiers.data.lip_frames import lip_preprocess
from classifiers.lip_models.base import LipModel
from classifiers.lip_models.registry import build_lip_model
from classifiers.text.alphabet import LIPNET_ALPHABET as ALPHABET
from classifiers.text.arpa import END, START, LanguageModel, read_arpa
from classifiers.text.beam import LexiconDecoder, WordScores
from classifiers.text.ctc import Array, greedy, prefix_beam_search
from classifiers.text.error_rates import ErrorRates
from classifiers.text.grid import GRID_WORDS, grid_lexicon
from classifiers.text.lexicon import free_lexicon
from classifiers.training.learning_rate import LearningRateSchedule
from classifiers.training.optimizers import OptimizerConfig, build_optimizer

NETWORK = {"height": 16, "width": 32, "width_factor": 1 / 8, "cells_factor": 4.0, "dropout": 0.2}
BATCH = 12
LEARNING_RATE, WARMUP_STEPS, GRADIENT_NORM = 3e-3, 100, 5.0
MARGIN_FRAMES = 2  # before and after words that are cut out of a sentence
MOST_WORDS = 2  # of a cut
BEAM_WIDTH = 25
DISCOUNT = 0.5  # of the counts of pairs of words
VALIDATION_SENTENCES = 4  # of each known speaker
TEST_SENTENCES = 16  # of each speaker
GOALS = {"known speakers": 0.05, "unseen speakers": 0.15}


@dataclass(frozen=True)
class Example:
    """A text and its clip as the network takes it, float32 (T, H, W, 1); `words` are their first and last frames."""

    text: str
    frames: Tensor
    words: tuple[tuple[int, int], ...]


def examples_of(clips: Sequence[Clip], model: LipModel) -> list[Example]:
    """The clips as input of the network."""
    return [
        Example(
            clip.speech.text,
            torch.from_numpy(lip_preprocess(clip.frames, model.lip_input)),
            tuple((int(word.start_seconds * RATE), math.ceil(word.end_seconds * RATE)) for word in clip.speech.words),
        )
        for clip in clips
    ]


def cut(example: Example, first: int, count: int) -> Example:
    """Some words that follow each other."""
    start, end = example.words[first][0], example.words[first + count - 1][1]
    frames = example.frames[max(0, start - MARGIN_FRAMES) : end + MARGIN_FRAMES]
    return Example(" ".join(example.text.split()[first : first + count]), frames, ())


def cuts(examples: Sequence[Example], rng: np.random.Generator) -> list[Example]:
    """Each word of the examples, some of them with those that follow."""
    found = []
    for example in examples:
        for first in range(len(example.words)):
            count = min(int(rng.integers(1, MOST_WORDS + 1)), len(example.words) - first)
            found.append(cut(example, first, count))
    return found


def batches(examples: Sequence[Example], rng: np.random.Generator) -> Iterator[list[Example]]:
    """The examples once, in random order but those of equal length together, mirrored or not."""
    order = sorted(rng.permutation(len(examples)).tolist(), key=lambda place: len(examples[place].frames))
    for start in BATCH * rng.permutation(math.ceil(len(order) / BATCH)):
        chosen = [examples[place] for place in order[start : start + BATCH]]
        yield [Example(one.text, one.frames.flip(2) if rng.random() < 0.5 else one.frames, one.words) for one in chosen]


def loss_of(model: LipModel, batch: Sequence[Example]) -> Tensor:
    """The CTC loss."""
    lengths = torch.tensor([len(one.frames) for one in batch])
    labels = [torch.tensor(ALPHABET.encode(one.text)) for one in batch]
    logits = model(torch.nn.utils.rnn.pad_sequence([one.frames for one in batch], batch_first=True), lengths)
    loss: Tensor = CtcLoss(blank=ALPHABET.blank)(
        logits,
        lengths,
        torch.nn.utils.rnn.pad_sequence(labels, batch_first=True),
        torch.tensor([len(label) for label in labels]),
    )
    return loss


def train(
    model: LipModel,
    training: Sequence[Example],
    validation: Sequence[Example],
    epochs: Sequence[int],
    seed: int,
    learning_rate: float = LEARNING_RATE,
) -> None:
    """Epochs of words, then of sentences; prints each."""
    rng = np.random.default_rng(seed)
    optimizer = build_optimizer(OptimizerConfig(name="adam", learning_rate=learning_rate), model.parameters())
    words = sum(len(example.words) for example in training)
    steps = epochs[0] * math.ceil(words / BATCH) + epochs[1] * math.ceil(len(training) / BATCH)
    warmup = min(WARMUP_STEPS, steps // 10)
    schedule = LearningRateSchedule(decay="cosine", warmup_steps=warmup, decay_steps=steps - warmup, floor=0.02)
    step, started = 0, time.process_time()
    for epoch in range(sum(epochs)):
        model.train()
        losses = []
        for batch in batches(training if epoch >= epochs[0] else cuts(training, rng), rng):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * schedule.factor(step)
            optimizer.zero_grad()
            loss = loss_of(model, batch)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_NORM)
            optimizer.step()
            losses.append(loss.item())
            step += 1
        read = rates(validation, outputs(model, validation), greedy_text)
        minutes = (time.process_time() - started) / 60
        print(
            f"epoch {epoch + 1}: loss {np.mean(losses):.2f}, WER {100 * (read.words.rate or 0.0):.1f} % of validation, "
            f"{minutes:.1f} CPU min",
            flush=True,
        )


@torch.inference_mode()
def outputs(model: LipModel, examples: Sequence[Example]) -> list[Array]:
    """Log-probabilities (T, K) of each clip."""
    model.eval()
    return [model(example.frames[None])[0].log_softmax(dim=1).double().numpy() for example in examples]


def shuffled(examples: Sequence[Example], seed: int) -> list[Example]:
    """The clips with their frames in a random order."""
    rng = np.random.default_rng(seed)
    return [Example(one.text, one.frames[rng.permutation(len(one.frames))], ()) for one in examples]


def rates(examples: Sequence[Example], found: Sequence[Array], decode: Callable[[Array], str]) -> ErrorRates:
    """The errors of what a decoder makes of the outputs."""
    counted = ErrorRates()
    for example, one in zip(examples, found, strict=True):
        counted.update(example.text, decode(one))
    return counted


def greedy_text(log_probabilities: Array) -> str:
    """The most probable path as text."""
    return ALPHABET.decode(greedy(log_probabilities, ALPHABET.blank).labels)


def beam_text(log_probabilities: Array) -> str:
    """The most probable text."""
    (best,) = prefix_beam_search(log_probabilities, ALPHABET.blank, width=BEAM_WIDTH)
    return ALPHABET.decode(best.labels)


def bigram_arpa(sentences: Sequence[str]) -> bytes:
    """A language model of pairs of words as an ARPA file, by absolute discounting."""
    pairs: Counter[tuple[str, str]] = Counter()
    for sentence in sentences:
        words = [START, *sentence.split(), END]
        pairs.update(pairwise(words))
    before, after = Counter[str](), Counter[str]()
    kinds = Counter(one for one, _ in pairs)
    for (one, other), count in pairs.items():
        before[one] += count
        after[other] += count
    total = sum(after.values())
    lines = ["\\data\\", f"ngram 1={len(after) + 1}", f"ngram 2={len(pairs)}", "", "\\1-grams:"]
    for word in [START, *sorted(after)]:
        probability = f"{math.log10(after[word] / total):.5f}" if word in after else "-99"
        weight = math.log10(DISCOUNT * kinds[word] / before[word]) if word in before else 0.0
        lines.append(f"{probability} {word} {weight:.5f}")
    lines += ["", "\\2-grams:"]
    for (one, other), count in sorted(pairs.items()):
        left = DISCOUNT * kinds[one] / before[one]
        share = (count - DISCOUNT) / before[one] + left * after[other] / total
        lines.append(f"{math.log10(share):.5f} {one} {other}")
    return "\n".join([*lines, "", "\\end\\", ""]).encode()


def decoders(model: LanguageModel) -> dict[str, Callable[[Array], str]]:
    """All of them by name."""
    lexicon = free_lexicon({word for words in GRID_WORDS for word in words.values()}, ALPHABET)

    def best(decoder: LexiconDecoder) -> Callable[[Array], str]:
        return lambda log_probabilities: decoder.decode(log_probabilities)[0].text

    return {
        "greedy": greedy_text,
        "beam": beam_text,
        "words": best(LexiconDecoder(lexicon, width=BEAM_WIDTH)),
        "+ bigram": best(LexiconDecoder(lexicon, WordScores(language_model=model), width=BEAM_WIDTH)),
        "grammar": best(LexiconDecoder(grid_lexicon(ALPHABET), width=BEAM_WIDTH)),
    }


def summary(found: ErrorRates) -> dict[str, float]:
    """WER, CER and exact sentences in percent."""
    values = {"wer": found.words.rate, "cer": found.characters.rate, "exact": found.sentence_accuracy}
    return {name: 100 * (value or 0.0) for name, value in values.items()}


def table(examples: Sequence[Example], model: LipModel, language_model: LanguageModel) -> dict[str, dict[str, float]]:
    """The error rates by decoder, of chance, and of shuffled frames."""
    found = outputs(model, examples)
    rows = {name: summary(rates(examples, found, decode)) for name, decode in decoders(language_model).items()}
    mixed = shuffled(examples, 0)
    rows["shuffled frames"] = summary(rates(mixed, outputs(model, mixed), greedy_text))
    guesses, rng = ErrorRates(), np.random.default_rng(0)
    for example in examples:
        guesses.update(example.text, random_sentence(rng))
    return {**rows, "chance": summary(guesses)}


def main() -> None:
    """Draw, train and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--speakers", type=int, nargs=2, default=(20, 8), metavar="COUNT", help="known and unseen ones")
    parser.add_argument("--sentences", type=int, default=240, help="of each known speaker, for training")
    parser.add_argument("--epochs", type=int, nargs=2, default=(1, 10), metavar="COUNT", help="of words, of sentences")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    started, cpu = time.perf_counter(), time.process_time()
    model = build_lip_model("lipnet-keras", num_classes=ALPHABET.num_outputs, options=NETWORK)
    size = model.lip_input.height, model.lip_input.width
    known, unseen = options.speakers
    training = [
        example
        for speaker in range(known)  # one at a time, to hold few clips in colour
        for example in examples_of(draw_clips(options.seed, [speaker], options.sentences, *size), model)
    ]
    learnt = [example.text for example in training]
    validation, *tests = (
        examples_of(draw_clips(options.seed, speakers, count, *size, unlike=learnt, part=part), model)
        for speakers, count, part in (
            (range(known), VALIDATION_SENTENCES, "validation"),
            (range(known), TEST_SENTENCES, "test"),
            (range(known, known + unseen), TEST_SENTENCES, "test"),
        )
    )
    weights = sum(map(torch.numel, model.parameters()))
    print(f"{len(training)} clips drawn in {time.process_time() - cpu:.0f} CPU s; a network of {weights:,} weights")
    train(model, training, validation, options.epochs, options.seed)
    minutes = {"wall": (time.perf_counter() - started) / 60, "cpu": (time.process_time() - cpu) / 60}
    print(f"drawn and trained in {minutes['wall']:.1f} min, {minutes['cpu']:.1f} CPU min")
    alike = ", ".join(" = ".join(words) for words in lookalikes())
    print(f"words that look alike: {alike}; WER of a perfect reader: {100 * unavoidable_word_error_rate():.1f} %")
    language_model = read_arpa(bigram_arpa(learnt))
    results = {}
    for (name, goal), examples in zip(GOALS.items(), tests, strict=True):
        rows = results[name] = table(examples, model, language_model)
        print(f"\n{name}, {len(examples)} sentences: WER, CER, exact sentences in %; goal: a WER of {100 * goal:.0f} %")
        for row, values in rows.items():
            print(f"{row:>16} {values['wer']:6.1f} {values['cer']:6.1f} {values['exact']:6.1f}")
    minutes["all_cpu"] = (time.process_time() - cpu) / 60
    print(f"\nwith the tests {minutes['all_cpu']:.1f} CPU min")
    write_json(
        options.json, {"network": NETWORK, **vars(options) | {"json": None}, "minutes": minutes, "rates": results}
    )


if __name__ == "__main__":
    main()
