"""How far the reading of an input goes: inputs name files, and servers name others, which nobody has looked at."""

from __future__ import annotations

from dataclasses import dataclass


class CopyLimitError(Exception):
    """A file that is too large to be copied, or a server that is too slow; the message says which."""


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    """What is followed, and how much is copied.

    follow_links             whether links in a local folder are followed that lead outside it
    allow_local_files        whether a manifest on another machine may name files of this one
    allow_private_addresses  whether a given http address may be of a private network or of this machine
    allow_private_redirects  whether an http server may redirect to an address of a narrower network than its own
    copy_bytes               the largest file that is copied from an http server
    copy_seconds             how long such a copy may take
    """

    follow_links: bool = False
    allow_local_files: bool = False
    allow_private_addresses: bool = True
    allow_private_redirects: bool = False
    copy_bytes: int = 16 << 30
    copy_seconds: float = 600.0


STRICT = ReadPolicy()
