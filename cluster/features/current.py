"""The feature files that count, while a compaction puts one in the place of others (`schemas.replaced`).

A listing may have been read before the new file was there and after old ones were gone, and a listed file may be gone
when it is opened. So files are listed again once all of them have been opened, until none has gone and all are open. Of
files that are there, those that another one has replaced are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from schemas.commands import job
from schemas.errors import InputError

MAX_REQUESTS = 16  # concurrent ones
MAX_LISTINGS = 10

T = TypeVar("T")


def current_files(listed: Callable[[], list[str]], inspect: Callable[[str], tuple[T, Sequence[str]]]) -> list[T]:
    """What `inspect` finds of each file that counts, in the order in which they are listed.

    listed   the URIs of all files, as they are now
    inspect  what there is to know of a file, and the URIs of those that it has replaced

    Raises:
        FileNotFoundError: for a file that is listed, and not there.
        InputError: where files go on being replaced; those that are only added are taken as they were listed last.
    """
    found: dict[str, tuple[T, Sequence[str]]] = {}

    def opened(uri: str) -> tuple[T, Sequence[str]] | FileNotFoundError:
        try:
            return inspect(uri)
        except FileNotFoundError as error:
            return error

    names = listed()
    with ThreadPoolExecutor(MAX_REQUESTS) as pool:
        for _ in range(MAX_LISTINGS):
            new = [name for name in names if name not in found]
            results = list(zip(new, pool.map(opened, new), strict=True))
            found |= {name: result for name, result in results if not isinstance(result, FileNotFoundError)}
            before, names = names, listed()
            if lost := [result for name, result in results if isinstance(result, FileNotFoundError) and name in names]:
                raise lost[0]
            if set(before) <= set(names) <= found.keys():
                break
        else:
            if found.keys() - set(names):  # what has taken their place was not opened
                raise InputError(
                    "feature files are joined faster than they can be opened: wait until "
                    f"{job('compact_features')} has ended"
                )
    replaced = {uri for name in names if name in found for uri in found[name][1]}
    return [found[name][0] for name in names if name in found and name not in replaced]
