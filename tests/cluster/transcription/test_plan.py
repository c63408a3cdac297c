"""What a plan checks before any work is done."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from cluster.transcription.config import TranscriptionOptions
from cluster.transcription.plan import TranscriptionPlan, make_plan
from schemas.errors import InputError
from tests.support.checkpoints import trained, write_trained
from tests.support.lips import SIGNS, fixed_lips, trained_lips, write_lips


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that finds mouths, one with a fixed place of them, one of another kind, and a video."""
    folder = tmp_path_factory.mktemp("inputs")
    write_lips(folder / "found", trained_lips(alphabet=SIGNS))
    write_lips(folder / "fixed", fixed_lips())
    write_trained(folder / "dense", trained())
    (folder / "videos").mkdir()
    (folder / "videos" / "a.mp4").write_bytes(b"x")
    return folder


def plan(folder: Path, checkpoint: str = "found", **options: Any) -> TranscriptionPlan:
    given = {"input": str(folder / "videos"), "output": str(folder / "out"), **options}
    return make_plan(TranscriptionOptions.of(checkpoint=str(folder / checkpoint), **given))


def refused(folder: Path, *arguments: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        plan(folder, *arguments, **options)
    return "\n".join(caught.value.problems)


def test_the_files_of_a_run_say_how_it_reads(folder: Path) -> None:
    made = plan(folder, beam=3)
    assert [video.id for video in made.videos] == ["a"]
    assert made.model.startswith("lipnet-keras@")
    metadata = made.dataset.metadata
    assert json.loads(metadata["framemill.alphabet"]) == {"characters": ["a", "b", " "], "blank": 3}
    assert json.loads(metadata["framemill.decoder"]) == {"decoder.beam": "3"}
    assert json.loads(metadata["framemill.manner"]) == made.fingerprint
    assert len(pickle.dumps(made.worker)) < 1 << 20


def test_other_options_make_other_transcripts(folder: Path) -> None:
    options: list[dict[str, object]] = [{}, {"beam": 3}, {"window": 50}, {"overlap": 20}, {"face": 1}]
    found = {json.dumps(plan(folder, **one).fingerprint, sort_keys=True) for one in options}
    assert len(found) == len(options)


def test_a_checkpoint_that_reads_no_lips(folder: Path) -> None:
    assert "takes features: it does not read lips" in refused(folder, "dense")
    assert "none" in refused(folder, "none")


def test_a_place_of_the_mouth_that_the_network_does_not_take(folder: Path) -> None:
    assert "a fixed crop is 46 x 140 pixels, but the network takes 24 x 48" in refused(folder, crop="fixed")
    assert "--face goes with --crop found" in refused(folder, "fixed", face=1)
    assert plan(folder, "fixed", crop="found", face=1).worker.stage.mouths.look.crop == "found"


def test_a_lexicon_that_the_alphabet_does_not_fit(folder: Path) -> None:
    words = folder / "words.txt"
    words.write_text("ab\nbin\n")
    problems = refused(folder, lexicon=str(words))
    assert "1 word(s) cannot be spelled: 'bin' has characters that the alphabet lacks: 'i'" in problems
    assert "word(s) cannot be spelled" in refused(folder, lexicon="grid")
    words.write_text("ababab\n")
    assert "window is 5 frames, but the shortest sentence of the lexicon needs 6" in refused(
        folder, lexicon=str(words), window=5, overlap=0
    )


def test_everything_that_is_wrong_is_told_at_once(folder: Path) -> None:
    problems = refused(folder, input=str(folder / "nowhere"), lexicon=str(folder / "no.txt"), output="https://x/y")
    assert all(part in problems for part in ("nowhere", "--lexicon", "https://x/y"))
