from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.annotations import problems_of, read, spans

ATTRIBUTES = {
    "1": {
        "aname": "Comment",
        "anchor_id": "FILE1_Z2_XY0",
        "type": 1,
        "desc": "",
        "options": {},
        "default_option_id": "",
    },
    "2": {"aname": "Activity", "type": 4, "options": {"0": "Break Egg", "1": "Pour"}, "default_option_id": ""},
}
FULL = """# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)
# SHAPE_ID = {"POINT":1,"RECTANGLE":2}
# %s
# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata
"1_a","[""a, b.mp4""]",0,"[1.349,2.741]","[]","{""2"":""1""}"
"1_b","[""a, b.mp4""]",0,"[4.633]","[]","{""2"":""0""}"
"1_c","[""a, b.mp4""]",0,"[0.04]","[2,10,20,50,80]","{""2"":""0""}"
"""
TABLE = '{"2":{"aname":"Activity","type":4,"options":{"0":"Break Egg","1":"Pour"}}}'


def project(*metadata: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {
        "project": {"pid": "x", "pname": "p", "vid_list": ["1", "2"]},
        "config": {"file": {"loc_prefix": {}}},
        "attribute": ATTRIBUTES,
        "file": {
            "1": {"fid": "1", "fname": "a.mp4", "type": 4, "loc": 1, "src": ""},
            "2": {"fid": "2", "fname": "", "type": 4, "loc": 2, "src": "http://host/b.mp4"},
        },
        "view": {"1": {"fid_list": ["1"]}, "2": {"fid_list": ["2"]}},
        "metadata": {f"{n}_x": one for n, one in enumerate(metadata)},
        **others,
    }


def entry(*z: float, vid: str = "1", xy: list[float] | None = None, **av: str) -> dict[str, Any]:
    return {"vid": vid, "flg": 0, "z": [*z], "xy": xy or [], "av": {key[1:]: value for key, value in av.items()}}


def test_options_are_looked_up_and_kept_where_they_are_not_there(tmp_path: Path) -> None:
    content = project(entry(1.5, 2.25, _2="0"), entry(3, 4, vid="2", _2="Break Egg"), entry(5, 6, _2="7"))
    found = read(tmp_path, {"p.json": content})
    assert spans(found) == {
        "a.mp4": [("Break Egg", 1.5, 2.25), ("7", 5.0, 6.0)],
        "http://host/b.mp4": [("Break Egg", 3.0, 4.0)],
    }


def test_one_time_is_a_moment_and_none_the_whole_file(tmp_path: Path) -> None:
    found = read(tmp_path, {"p.json": project(entry(4.633, _2="1"), entry(_2="0"))})
    assert spans(found)["a.mp4"] == [("Pour", 4.633, 4.633), ("Break Egg",)]


def test_several_attributes_are_labels_each_unless_one_is_chosen(tmp_path: Path) -> None:
    files = {"p.json": project(entry(1, 2, _1="nice", _2="1"), entry(3, 4, _1="alone"))}
    assert spans(read(tmp_path, files))["a.mp4"] == [("nice", 1, 2), ("Pour", 1, 2), ("alone", 3, 4)]
    found = read(tmp_path, files, label_from="Activity")
    assert spans(found)["a.mp4"] == [("Pour", 1, 2)]
    assert found.classes == ("Break Egg", "Pour")
    assert found.videos[0].annotations[0].attributes == (("attribute", "Activity"), ("Comment", "nice"))
    grouped = read(tmp_path, files, group_from="Comment")
    assert [one.group for one in grouped.videos[0].annotations] == ["nice", ""]
    assert "did you mean 'Activity'?" in problems_of(tmp_path, files, label_from="Activty")


def test_each_checked_option_is_a_label(tmp_path: Path) -> None:
    found = read(tmp_path, {"p.json": project(entry(1, 2, _2="0,1"), entry(3, 4, _2="0,9"))})
    assert spans(found)["a.mp4"] == [("Break Egg", 1, 2), ("Pour", 1, 2), ("0,9", 3, 4)]


def test_regions_and_empty_values_are_noted(tmp_path: Path) -> None:
    found = read(tmp_path, {"p.json": project(entry(1, xy=[2, 1, 1, 3, 3], _2="1"), entry(1, 2, _2=""), entry(1, 2))})
    assert spans(found)["a.mp4"] == []
    assert [note.split(" (")[0] for note in found.notes] == [
        "regions in single frames are left out",
        "segments without a value are left out",
    ]


def test_a_view_of_two_files_is_about_both(tmp_path: Path) -> None:
    content = project(entry(1, 2, _2="1"), view={"1": {"fid_list": ["1", "2"]}})
    assert spans(read(tmp_path, {"p.json": content})) == {
        "a.mp4": [("Pour", 1, 2)],
        "http://host/b.mp4": [("Pour", 1, 2)],
    }


def test_the_full_csv_has_its_attributes_in_a_comment(tmp_path: Path) -> None:
    expected = {"a, b.mp4": [("Pour", 1.349, 2.741), ("Break Egg", 4.633, 4.633)]}
    assert spans(read(tmp_path, {"e.csv": FULL % f"ATTRIBUTE = {TABLE}"})) == expected


def test_older_csvs_have_names_alone(tmp_path: Path) -> None:
    found = read(tmp_path, {"e.csv": FULL % 'ATTRIBUTES = {"2":"Activity"}'}, label_from="Activity")
    assert spans(found) == {"a, b.mp4": [("1", 1.349, 2.741), ("0", 4.633, 4.633)]}


def test_the_csv_of_segments_has_names_as_keys_and_stills_without_end(tmp_path: Path) -> None:
    lines = [
        "# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)",
        "# CSV_HEADER = metadata_id,file_list,temporal_segment_start,temporal_segment_end,metadata",
        '"1_a","[""a.mp4""]",1.349,2.741,"{""Activity"":""Pour""}"',
        '"1_b","[""a.mp4""]",4.633,,"{""Activity"":""Pour""}"',
    ]
    found = read(tmp_path, {"e.csv": "\n".join(lines)})
    assert spans(found) == {"a.mp4": [("Pour", 1.349, 2.741), ("Pour", 4.633, 4.633)]}


def test_problems_have_their_places(tmp_path: Path) -> None:
    bad = [
        entry(1, 2, 3, _2="1"),
        entry(1, 2, vid="9", _2="1"),
        entry(1, 2, _8="x"),
        {"vid": "1", "z": ["a", 2], "av": {"2": "1"}},
    ]
    text = problems_of(tmp_path, {"p.json": project(*bad)})
    assert "metadata 0_x: times [1, 2, 3] are neither a segment nor a moment" in text
    assert "metadata 1_x: there is no view '9'" in text
    assert "metadata 2_x: there is no attribute '8'" in text
    assert "metadata 3_x: 'a' is not a number" in text
    broken = (FULL % f"ATTRIBUTE = {TABLE}").replace('"[4.633]"', '"[4.633"')
    assert "e.csv, line 6: " in problems_of(tmp_path, {"e.csv": broken}, format_name="via")
