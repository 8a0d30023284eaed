"""The line of progress: it says what happens, and why nothing does."""

import pytest

from importer.cli.screen import WAITS, ProgressLine

ESC = "\x1b[2J"


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was told so far."""
    return capsys.readouterr().err.splitlines()


def test_progress_tells_an_outage_at_once_and_not_again_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe too, a wait is told when it begins, with its reason and length; not once for each look at it."""
    progress = ProgressLine()
    for seconds in range(5):
        progress("outage", {"problem": "503: the service is unavailable", "seconds": seconds})
    (line,) = lines(capsys)
    assert "503: the service is unavailable" in line
    assert "waiting" in line


def test_progress_tells_that_another_importer_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Who waits for a lease reads how long."""
    ProgressLine()("waiting for a lease", {"seconds": 65})
    (line,) = lines(capsys)
    assert "65 s" in line


def test_progress_is_silent_if_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """With JSON on standard output nothing is told beside it."""
    for event in WAITS:
        ProgressLine(quiet=True)(event, {"problem": "x", "seconds": 1})
    assert lines(capsys) == []


def test_progress_says_failed_rows_by_their_number_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """A row that failed is in the counts of the line; it makes no line of its own, and no wrong one."""
    progress = ProgressLine(_live=True)
    progress("not created", {"line": 3, "outcome": "failed", "reason": "400"})
    assert lines(capsys) == []


@pytest.mark.parametrize("event", ["outage", "tracked"])
def test_progress_is_steered_by_no_words_of_a_server(capsys: pytest.CaptureFixture[str], event: str) -> None:
    """A problem or a state's name with control characters is one harmless line, on a terminal as in a pipe."""
    numbers = {"problem": f"a{ESC}\r\nb", "seconds": 1, "open": 1, "total": 2, f"odd{ESC}\n": 1}
    for progress in (ProgressLine(_live=True), ProgressLine(_live=False, _phase=event)):
        progress(event, numbers)
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert told.count("\n") == 1
