"""What is wrong with a record that differs from the first one of its file, in words.

In: the bytes of a record, and the layout of its file. Out: the problem, to follow the number of the record. Only
records that tensorflow refused, or that it may have taken for something else, come here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cluster.features.tfrecord_files import (
    CODES,
    EXTRA,
    MEANS,
    SEGMENTS,
    RecordFile,
    frame_width,
    layout_of,
    parse_record,
)

TYPES = {"bytes_list": "bytes", "float_list": "floats", "int64_list": "integers"}


def problem_of(data: bytes, file: RecordFile) -> str:
    """The problem of a record; empty if it has the layout of its file."""
    try:
        context, lists = parse_record(data)
    except ValueError as error:
        return str(error)
    found = layout_of(context, lists)
    if found != file.features:
        holds = " and ".join(found) if found else ", ".join(sorted([*context, *lists])) or "nothing"
        return f"holds {holds}, record 0 holds {' and '.join(file.features)}: keep records of different kinds apart"
    problems = [*_id_problems(context, file), *_type_problems(context, file)]
    problems += _widths_of_means(context, file) if file.features == MEANS else _widths_of_frames(lists, file)
    return problems[0] if problems else ""


def _id_problems(context: Mapping[str, Any], file: RecordFile) -> Iterator[str]:
    if file.id_field not in context:
        yield f"has no field {file.id_field}, which holds the id in record 0"
        return
    found = context[file.id_field].bytes_list.value
    if len(found) != 1:
        yield f"has {len(found)} ids in {file.id_field}; expected one"
    elif not found[0]:
        yield f"has an empty id in {file.id_field}"


def _type_problems(context: Mapping[str, Any], file: RecordFile) -> Iterator[str]:
    """Fields whose values are of another type; a field without values has none."""
    expected = {
        file.id_field: "bytes_list",
        EXTRA: "bytes_list",
        "labels": "int64_list",
        **dict.fromkeys(SEGMENTS[:3], "int64_list"),
        SEGMENTS[3]: "float_list",
        **dict.fromkeys(MEANS, "float_list"),
    }
    for name, kind in expected.items():
        found = context[name].WhichOneof("kind") if name in context else None
        if found not in (None, kind):
            yield f"has {TYPES[found]} in {name}; expected {TYPES[kind]}"


def _widths_of_means(context: Mapping[str, Any], file: RecordFile) -> Iterator[str]:
    for name, width in zip(MEANS, (file.rgb_dim, file.audio_dim), strict=True):
        found = len(context[name].float_list.value)
        if found != width:
            yield f"has {found} values in {name}, record 0 has {width}"


def _widths_of_frames(lists: Mapping[str, Any], file: RecordFile) -> Iterator[str]:
    unit = "bytes" if file.features == CODES else "values"
    for name, width in zip(file.features, (file.rgb_dim, file.audio_dim), strict=True):
        for number, frame in enumerate(lists[name].feature):
            if frame_width(frame) != width:
                yield f"has {frame_width(frame)} {unit} in frame {number} of {name}, record 0 has {width}"
                break
    rgb, audio = (len(lists[name].feature) for name in file.features)
    if rgb != audio:
        yield f"has {rgb} frames in {file.features[0]} but {audio} in {file.features[1]}"
