from __future__ import annotations

from pathlib import Path

from tests.support.annotations import problems_of, read, spans

HEADER = "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length\n"


def row(name: str, actions: str, length: str = "24.83") -> str:
    return f'{name},HR43,Kitchen,6,7,Yes,"A person, cooking.",food;stove,x,{actions},{length}\n'


def test_ends_past_the_length_and_backwards_stay_for_validation(tmp_path: Path) -> None:
    text = HEADER + row("46GP8", "c092 11.90 31.20;c147 12.60 0.00") + row("N11GT", "", "18.33")
    found = read(tmp_path, {"Charades_v1_train.csv": text})
    assert spans(found) == {"46GP8": [("c092", 11.9, 31.2), ("c147", 12.6, 0)], "N11GT": []}
    assert (found.videos[0].group, found.videos[0].split, float(found.videos[0].duration_seconds or 0)) == (
        "HR43",
        "train",
        24.83,
    )


def test_a_list_in_the_folder_names_the_classes(tmp_path: Path) -> None:
    files = {
        "test.csv": HEADER + row("A", "c001 0.00 1.00"),
        "Charades_v1_classes.txt": "c000 Holding some clothes\nc001 Putting clothes somewhere\n",
    }
    found = read(tmp_path, files)
    assert spans(found) == {"A": [("Putting clothes somewhere", 0, 1)]}
    assert found.classes == ("Holding some clothes", "Putting clothes somewhere")


def test_copies_that_a_spreadsheet_damaged_are_refused(tmp_path: Path) -> None:
    shifted = row("B", "c001 0.00 1.00").replace("\n", ",more\n")
    text = problems_of(tmp_path, {"c.csv": HEADER + row("A", "c001 0.00 1.00 c002 0.00 1.00") + shifted})
    assert "line 2: action 1, 'c001 0.00 1.00 c002 0.00 1.00', is not a class with a start and an end" in text
    assert "has a spreadsheet taken its ';'?" in text
    assert "line 3: it has 12 cells, and the header 11" in text
