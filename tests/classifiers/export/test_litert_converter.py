from __future__ import annotations

import sys
from pathlib import Path

import pytest

from classifiers.export import litert_converter
from classifiers.export.litert_converter import REQUIREMENTS, ConversionError, LiteRtConverter, converter_of
from schemas.errors import InputError
from tests.support.exports import converter_stand_in, litert_checkpoint


def test_without_an_environment_the_error_has_the_commands_that_make_one(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        converter_of("", tmp_path / "cache", install=False)
    for part in ("2.1 GB", "--install-converter", "python -m venv litert", f"-r {REQUIREMENTS}", "--converter-python"):
        assert part in str(raised.value)
    assert not (tmp_path / "cache").exists()


def test_a_python_without_the_converter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no program"):
        converter_of(str(tmp_path / "python"), tmp_path, install=False)
    with pytest.raises(InputError, match="has no litert-torch; an environment with it is made by"):
        converter_of(sys.executable, tmp_path, install=False)


def test_files_of_the_checkpoint_go_in_and_the_network_comes_out(tmp_path: Path) -> None:
    converter = converter_of(converter_stand_in(tmp_path, b"network"), tmp_path, install=False)
    assert converter.network_file(litert_checkpoint("clip")) == (b"network", {})


def test_a_conversion_that_fails_says_why() -> None:
    with pytest.raises(ConversionError, match=r"(?s)movinet-a0 cannot be converted.*No module named 'litert_torch'"):
        LiteRtConverter(Path(sys.executable)).network_file(litert_checkpoint("clip"))


@pytest.mark.heavy
def test_an_environment_is_made_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = tmp_path / "requirements.txt"
    monkeypatch.setattr(litert_converter, "REQUIREMENTS", requirements)
    requirements.write_text("./missing.whl")
    with pytest.raises(InputError, match=r"(?s)cannot be made.*missing\.whl"):
        converter_of("", tmp_path / "cache", install=True)
    assert list((tmp_path / "cache").iterdir()) == []
    requirements.write_text("")
    made = converter_of("", tmp_path / "cache", install=True)
    assert made.python.exists()
    assert converter_of("", tmp_path / "cache", install=False) == made
