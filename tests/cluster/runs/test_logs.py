import json
import logging
import subprocess
import sys
import threading
import warnings

import pytest

from cluster.runs.logs import configure_logging, indented, leaving_out, shown
from cluster.storage import files
from schemas.errors import InputError


@pytest.fixture(autouse=True)
def logger():
    """The project's logger, put back as it was, with all else that is configured."""
    logger, root = logging.getLogger("framemill"), logging.getLogger()
    before = logger.handlers, logger.level, logger.propagate
    others, hooks = root.handlers, (sys.excepthook, threading.excepthook)
    yield logger
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])
    root.handlers, (sys.excepthook, threading.excepthook) = others, hooks
    logging.captureWarnings(False)


def test_text_is_the_message_alone(logger, capsys):
    configure_logging("text", quiet=False)
    logger.info("42 videos")
    logger.debug("details")
    assert capsys.readouterr().err == "42 videos\n"


def test_json_is_one_object_a_line(logger, capsys):
    configure_logging("json", quiet=False)
    logger.warning("two\nlines of %s \udcff", "é")
    try:
        raise ValueError("wrong")
    except ValueError:
        logging.getLogger("framemill.part").exception("it happened")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert first == {"level": "warning", "logger": "framemill", "message": "two\nlines of é \udcff"}
    assert (second["level"], second["logger"], second["message"]) == ("error", "framemill.part", "it happened")
    assert second["traceback"].endswith("ValueError: wrong")


def test_quiet_keeps_warnings(logger, capsys):
    configure_logging("text", quiet=True)
    logger.info("42 videos")
    logger.warning("random weights")
    assert capsys.readouterr().err == "random weights\n"


def test_configuring_twice_does_not_repeat_lines(logger, capsys):
    for _ in range(2):
        configure_logging("text", quiet=False)
    logger.info("once")
    assert capsys.readouterr().err == "once\n"


@pytest.mark.parametrize("style", ["text", "json"])
def test_no_secret_is_logged(logger, capsys, style):
    configure_logging(style, quiet=False)
    logger.info("reading https://user:SECRET@host/a.mp4?signature=SECRET now")
    try:
        raise ValueError("s3://key:SECRET@bucket/a.mp4")
    except ValueError as error:
        logger.exception(error)
    text = capsys.readouterr().err
    assert "SECRET" not in text
    assert "https://***@host/a.mp4?*** now" in text


def test_a_notice_of_a_library_is_left_out_and_nothing_else(capsys):
    library = logging.Logger("library")
    library.addFilter(leaving_out("all is well"))
    library.addHandler(logging.StreamHandler(sys.stderr))
    library.warning("all is well, %s", "as always")
    library.warning("not all is well")
    assert capsys.readouterr().err == "not all is well\n"


@pytest.mark.heavy  # gcsfs retries for half a minute
def test_what_a_store_raises_is_not_logged_as_well(capsys, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")  # where nothing answers
    configure_logging("text", quiet=True)
    store, path = files.filesystem("gs://nowhere/a")
    with pytest.raises(OSError, match="Cannot connect"):
        store.info(path)
    assert capsys.readouterr().err == ""
    logging.getLogger("s3fs").error("it failed")
    assert capsys.readouterr().err == "it failed\n"


def test_no_id_or_title_adds_a_line_or_moves_the_cursor(logger, capsys):
    configure_logging("text", quiet=False)
    logger.info("video a\nrun done\r\x1b[2J\u202e\u2028b\tc \udcff")
    assert capsys.readouterr().err == "video a\\nrun done\\r\\x1b[2J\\u202e\\u2028b\tc \\udcff\n"


def test_an_error_may_have_lines_which_are_indented(logger, capsys):
    configure_logging("text", quiet=False)
    logger.error(InputError("list.csv:\n  - line 2: no \x07\nrun done"))
    assert capsys.readouterr().err == "list.csv:\n  - line 2: no \\x07\n  run done\n"


def test_a_traceback_is_indented(logger, capsys):
    configure_logging("text", quiet=False)
    try:
        raise ValueError("a\nrun done \x1b[2J")
    except ValueError:
        logger.exception("it happened")
    first, *others = capsys.readouterr().err.splitlines()
    assert first == "it happened"
    assert all(line.startswith("  ") for line in others)
    assert others[-1] == "  run done \\x1b[2J"


@pytest.mark.parametrize("style", ["text", "json"])
def test_warnings_of_libraries_are_logged_likewise(logger, capsys, style):
    configure_logging(style, quiet=True)
    logging.getLogger("library").warning("https://user:SECRET@host/ \x1b[2J")
    logging.getLogger("library").info("details")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("client_secret=SECRET \x1b[2J", stacklevel=1)
    text = capsys.readouterr().err
    assert "https://***@host/" in text
    assert "UserWarning: client_secret=***" in text
    assert "SECRET" not in text
    assert "\x1b" not in text
    assert "details" not in text


UNCAUGHT = """
import sys, threading
from cluster.runs.logs import configure_logging
configure_logging(sys.argv[1], quiet=True)
def fail():
    raise ValueError("https://user:SECRET@host/a\\nrun done \x1b[2J")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


@pytest.mark.parametrize("style", ["text", "json"])
def test_what_nothing_catches_is_logged_likewise(style):
    done = subprocess.run([sys.executable, "-c", UNCAUGHT, style], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("https://***@host/a") == 2
    assert "SECRET" not in done.stderr
    assert "\x1b" not in done.stderr
    assert "run done" not in [line[:8] for line in done.stderr.splitlines()]
    assert style == "text" or [json.loads(line)["level"] for line in done.stderr.splitlines()] == ["critical"] * 2


def test_text_for_a_terminal():
    assert shown("a b\n\x1b[2J password=SECRET") == "a b\n\\x1b[2J password=***"
    assert indented("error\nb\n    c\n\x9b") == "error\n  b\n    c\n  \\x9b"
