"""The files of the page: texts in all languages, and nothing that its content security policy would stop."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cluster.serving
from schemas.outcomes import FailureCode

STATIC = Path(cluster.serving.__file__).parent / "static"
MODULES = sorted(STATIC.glob("*.js"))
PAGE = (STATIC / "index.html").read_text()
TEXTS = {path.name.split(".")[1]: json.loads(path.read_text()) for path in STATIC.glob("texts.*.json")}
PLURALS = {"one", "two", "few", "other"}
# Keys that are put together at run time, by their beginnings.
COMPOSED = ("errors.", "kind.", "progress.", "downloads.", "scores.", "model.confused_")


def flat(texts: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Texts by their paths; one that depends on a number is one text."""
    for key, value in texts.items():
        if isinstance(value, dict) and not value.keys() <= PLURALS:
            yield from flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def values(text: Any) -> set[str]:
    """The values that a text has places for, in any of its forms."""
    return set(re.findall(r"\{(\w+)\}", json.dumps(text)))


def test_all_languages_say_the_same() -> None:
    offered = re.search(r"LANGUAGES = \{(.*?)\}", (STATIC / "texts.js").read_text())
    assert offered
    assert set(re.findall(r"(\w+):", offered[1])) == set(TEXTS)
    english = dict(flat(TEXTS["en"]))
    for language, texts in TEXTS.items():
        found = dict(flat(texts))
        assert list(found) == list(english), language
        assert {key: values(text) for key, text in found.items()} == {
            key: values(text) for key, text in english.items()
        }
        assert {key for key, text in found.items() if isinstance(text, dict)} == {
            key for key, text in english.items() if isinstance(text, dict)
        }
        same = {key for key, text in found.items() if text == english[key] and re.search(r"[a-z]{4} [a-z]", str(text))}
        assert language == "en" or same == set()


def test_texts_that_are_used_exist_and_others_do_not() -> None:
    english = {key for key, _ in flat(TEXTS["en"])}
    code = "".join(path.read_text() for path in MODULES)
    used = set(re.findall(r'\btext\(\s*"([\w.]+)"', code)) | set(
        re.findall(r'data-(?:text|label|hint)="([\w.]+)"', PAGE)
    )
    used |= {key for key in english if re.search(rf'[?:] "{re.escape(key)}"|\("{re.escape(key)}"', code)}
    assert used <= english
    assert {key for key in english - used if not key.startswith(COMPOSED)} == set()


@pytest.mark.parametrize("language", TEXTS)
def test_every_failure_has_words_and_a_remedy(language: str) -> None:
    errors = TEXTS[language]["errors"]
    requests = {"invalid", "uri_refused", "unauthorized", "forbidden", "not_found", "not_ready", "timeout"}
    requests |= {"too_large", "busy", "full"}
    assert {code.value for code in FailureCode} | requests <= set(errors)
    assert all(set(error) == {"title", "remedy"} and all(error.values()) for error in errors.values())


def test_nothing_is_inline_or_from_elsewhere() -> None:
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", PAGE)
    assert not re.search(r'(?:src|href)="(?!static/|#|openapi\.json)', PAGE)
    for path in STATIC.glob("*.css"):
        assert not re.search(r"url\(|@import", path.read_text()), path.name


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_modules_put_no_data_into_markup(module: Path) -> None:
    code = module.read_text()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser", code
    )
    assert code.startswith("/**"), "it does not say what it is"
    imported = re.findall(r'from "(\./\w+\.js)"', code)
    assert all((STATIC / name).is_file() for name in imported)
    assert len(imported) == len(set(imported))


def test_pages_elements_that_modules_ask_for_exist() -> None:
    ids = re.findall(r'\sid="([\w-]+)"', PAGE)
    assert len(ids) == len(set(ids))
    asked = {name for path in MODULES for name in re.findall(r'byId\("([\w-]+)"\)', path.read_text())}
    assert asked <= set(ids)
    assert set(re.findall(r'(?:for|aria-\w+|list)="([a-z][\w-]*)"', PAGE)) - {"true", "false"} <= set(ids)
