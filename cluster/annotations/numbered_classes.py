"""Classes that are numbers → classes with names, as FineGym, MultiTHUMOS and AVA without its list need them.

A manifest reads digits alone as the index of a class, and an export counts from 0 or from 1, with or without gaps: so
class 7 of an export is `class 7`, whatever its index. The order stays that of the numbers.
"""

from __future__ import annotations

from dataclasses import replace

from schemas.annotations import AnnotationSet

NOTE = "classes that are numbers have them as their names, as {!r}, and not as their indices"


def with_names(read: AnnotationSet) -> AnnotationSet:
    """The same annotations; a number whose name is another class already stays."""
    labels = {*read.classes, *(one.label for video in read.videos for one in video.annotations)}
    numbers = sorted((name for name in labels if name.isdecimal() and f"class {name}" not in labels), key=int)
    if not numbers:
        return read
    names = {number: f"class {number}" for number in numbers}
    return replace(
        read,
        videos=tuple(
            replace(
                video,
                annotations=tuple(replace(one, label=names.get(one.label, one.label)) for one in video.annotations),
            )
            for video in read.videos
        ),
        classes=tuple(dict.fromkeys(names.get(name, name) for name in (*read.classes, *numbers))),
        notes=(*read.notes, NOTE.format(names[numbers[0]])),
    )
