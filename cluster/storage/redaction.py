"""Redaction of secrets in everything that leaves the process: rows, records, pages, logs and messages.

In: any text (`redacted`), or a URI (`redacted_uri`), which may hold spaces. Out: the same with `***` in place of

- the user information of a URI, even if its password is not percent-encoded (`user:a/b?c@host`)
- the query and the fragment of a URI. Names in gs://, s3:// and on disks may hold `?` and `#`: of those only what reads
  as a parameter (`?name=…`) is one
- values that are called a password, token, signature or key: `client_secret=…`, `"private_key": "…"`, `X-Api-Key: …`
- credentials in headers (`Basic …`, `Bearer …`, `AWS4-HMAC-SHA256 …`), PEM blocks of private keys, and keys that have a
  form of their own, such as AWS' and Google's

A URI in text ends at the next space: its query may hold any other character. A password that begins like a port
(`user:80/…@host`) cannot be told from a path with an `@` in it. Redaction is idempotent, and takes linear time.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from cluster.storage.tar_members import part_of

MASK = "***"
# In their URIs `?` and `#` are characters like any other.
_STORES = ("gs", "gcs", "s3", "s3a", "file")
_CLOSING = r"\s'\"<>()\[\]{},;:.!`"  # after a secret, these belong to the text around it
_TO_SPACE = rf"\S*[^{_CLOSING}]"
_MEMBER = rf"bytes=\d{{1,15}}-\d{{1,15}}(?![^{_CLOSING}])"  # the bytes of a tar's member, which are no secret
_NAME = rf"(?!{_MEMBER})[^\s/?#&=]++="
_URI = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]{{0,30}}://{_TO_SPACE}")
_START = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30})://")
_ENCODED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}%3A%2F%2F[^\s/?#&]*", re.IGNORECASE)
_HOST_END = re.compile(r"[/?#]")
_HOST = re.compile(r"(?:\[[^\]]*\]|[^:\[]*)(?::\d{1,5})?")
_QUERY = re.compile(r"[?#](?=.)", re.DOTALL)
_STORE_QUERY = re.compile(rf"[?#](?={_NAME}.)", re.DOTALL)
_PARAMETERS = re.compile(rf"([?#]){_NAME}{_TO_SPACE}")

# Names of secrets, before any separator; and those that are words of plain text too, which a quote or `=` must follow.
_NAMES = (
    r"passw(?:or)?d|passphrase|client[_-]?secret|(?:api|account|private|secret|access)[_-]?key(?:[_-]?id)?"
    r"|(?:access|refresh|id|auth|session|security|bearer)[_-]?token|shared[_-]?access[_-]?(?:key|signature)"
    r"|[_-](?:token|secret|signature|credential)"
)
_WORDS = r"secret|token|signature|credentials?|jwt|(?<![a-z])(?:sig|sas|pwd|cookie)|(?<=[?&;#])key"
_QUOTE = r"\\*[\"']"
_VALUE = rf"""(?:
    "(?:[^"\\]|\\.)*+ | '(?:[^'\\]|\\.)*+  # to the closing quote, or to the end where there is none
    # likewise within a quoted text, where quotes that are escaped once more do not close it
    | (?P<double>\\++)"(?:[^\\]|(?P=double)\\++"|\\++(?!"))*+
    | (?P<single>\\++)'(?:[^\\]|(?P=single)\\++'|\\++(?!'))*+
    | {_TO_SPACE}
)"""
_NAMED = re.compile(
    rf"""(
        (?: (?:{_NAMES}) (?:{_QUOTE})? \s{{0,8}} (?:=|:|%3[AD])
          | (?:{_WORDS}) (?:{_QUOTE}\s{{0,8}}[=:] | \s?= | %3D) )
        \s{{0,8}}
    ) ({_VALUE})""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_OPENING = re.compile(r"\\*[\"']?")
_HEADER = re.compile(
    rf"(\b(?:(?:proxy-)?authorization|(?:set-)?cookie)(?:{_QUOTE})?\s*[=:]\s*(?:b?{_QUOTE})?)[^\s\"'\\][^\n\r\"'\\]*",
    re.IGNORECASE,
)
_SIGNED = re.compile(r"(\b(?:AWS|GOOG)4-[A-Z0-9-]+\s+)[^\s\"'\\][^\n\r\"'\\]*|(\b(?:AWS|GOOG1)\s+)[\w.-]+:\S+")
# A word of plain text may follow, as in `Basic authentication`.
_SCHEME = re.compile(
    r"(\b(?:(?i:Bearer)|Basic|BASIC|Token|Negotiate|NTLM)\s+)(?![A-Za-z]?[a-z]++(?![\w~+/=-]|\.\w))[\w.~+/=-]{4,}"
)
_KEY_BLOCK = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?=-----END|\Z)", re.DOTALL)
_FORMS = re.compile(
    r"\b(?:(?:AKIA|ASIA)[A-Z0-9]{12,}|ya29\.[\w-]+|AIza[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]+)?"
    r"|(?:gh[opusr]|hf|github_pat)_\w{20,}|xox[abeprs]-[\w-]{10,}|sk-[\w-]{20,})"
)


def redacted(text: str) -> str:
    """`text` without secrets."""
    text = _KEY_BLOCK.sub(rf"\1{MASK}", text)
    text = _without_named(text)
    text = _URI.sub(lambda found: _without_secrets(found[0]), _ENCODED.sub(_without_encoded, text))
    return _FORMS.sub(MASK, _PARAMETERS.sub(rf"\1{MASK}", text))


def redacted_uri(uri: str) -> str:
    """`uri` without secrets; other than in text, a space does not end it."""
    if _START.match(uri) is None:
        return _FORMS.sub(MASK, _without_named(uri))
    return redacted(_without_secrets(uri))


def _without_named(text: str) -> str:
    """`text` without credentials of headers and values that have the name of a secret."""
    text = _SIGNED.sub(lambda found: f"{found[1] or found[2]}{MASK}", _HEADER.sub(rf"\1{MASK}", text))
    return _SCHEME.sub(rf"\1{MASK}", _NAMED.sub(_masked, text))


def _without_encoded(found: re.Match[str]) -> str:
    """A percent-encoded URI in the path of another one, such as a proxy's."""
    uri = unquote(found[0])
    safe = _without_secrets(uri)
    return found[0] if safe == uri else quote(safe, safe="*@")


def _masked(found: re.Match[str]) -> str:
    opening = _OPENING.match(found[2])
    return f"{found[1]}{opening[0] if opening else ''}{MASK}"


def _without_secrets(uri: str) -> str:
    """A URI, which may have others in its path, without user information, query and fragment.

    The bytes of a tar that it names (`storage.tar_members`) stay.
    """
    part = part_of(uri)
    if part is not None:
        return _without_secrets(part.uri) + uri[len(part.uri) :]
    kept: list[str] = []
    place, query_form, query_at, last_at = 0, _STORE_QUERY, -1, uri.rfind("@")
    while True:
        if query_at < place:
            query = query_form.search(uri, place)
            query_at = query.start() if query else len(uri)
        start = _START.search(uri, place)
        if start is None or start.start() > query_at:
            break
        host = start.end()
        end = _HOST_END.search(uri, host)
        authority = uri[host : end.start() if end else len(uri)]
        has_user = last_at >= host and ("@" in authority or _HOST.fullmatch(authority) is None)
        kept += [uri[place:host], f"{MASK}@" if has_user else ""]
        place = last_at + 1 if has_user else host
        if start[1].lower() not in _STORES and query_form is not _QUERY:
            query_form, query_at = _QUERY, -1
    tail = uri[place:] if query_at == len(uri) else uri[place : query_at + 1] + MASK
    return "".join([*kept, tail])
