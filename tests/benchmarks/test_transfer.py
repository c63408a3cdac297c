import json
import sys

import pytest

from benchmarks import transfer
from benchmarks.transfer import OWN, THREE, TRAININGS, link_classes


def test_an_additional_class_is_an_additional_folder(tmp_path):
    for name in (*THREE, OWN):
        for split in ("train", "test"):
            folder = tmp_path / "all" / split / name
            folder.mkdir(parents=True)
            (folder / "00000.mp4").write_bytes(name.encode())
    (tmp_path / "all" / "manifest.csv").touch()
    link_classes(tmp_path / "all", tmp_path / "some", THREE)
    assert {folder.name for folder in (tmp_path / "some" / "train").iterdir()} == set(THREE)
    link_classes(tmp_path / "all", tmp_path / "some", (*THREE, OWN))
    assert {folder.name for folder in (tmp_path / "some" / "test").iterdir()} == {*THREE, OWN}
    assert (tmp_path / "some" / "train" / OWN / "00000.mp4").read_bytes() == OWN.encode()


@pytest.mark.heavy
def test_the_whole_script_runs(monkeypatch, tmp_path, capsys):
    path = tmp_path / "figures.json"
    keep = tmp_path / "kept"
    monkeypatch.setattr(
        sys, "argv", ["transfer.py", "--scenes", "2", "1", "1", "--keep", str(keep), "--json", str(path)]
    )
    transfer.main()
    figures = json.loads(path.read_text())
    assert set(figures["runs"]) == set(TRAININGS)
    assert figures["runs"]["own class, fine-tuned"]["epochs"] == 30
    assert [len(run["classes"]) for run in figures["runs"].values()] == [3, 3, 4, 4]
    assert "precision" in capsys.readouterr().out
    assert (keep / "own-class-fine-tuned" / "training.html").is_file()
