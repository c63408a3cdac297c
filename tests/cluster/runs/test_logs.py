import json
import logging
import sys

import pytest

from cluster.runs.logs import configure_logging, leaving_out


@pytest.fixture(autouse=True)
def logger():
    """The project's logger, put back as it was."""
    logger = logging.getLogger("framemill")
    before = logger.handlers, logger.level, logger.propagate
    yield logger
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


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
    library = logging.getLogger("library")
    library.addFilter(leaving_out("all is well"))
    handler = logging.StreamHandler(sys.stderr)
    library.addHandler(handler)
    library.warning("all is well, %s", "as always")
    library.warning("not all is well")
    assert capsys.readouterr().err == "not all is well\n"
