"""Books, causes, histories, waits, plans: the pure parts of what people read."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.findings import CATALOGUE, finding
from importer.core.history import merged
from importer.core.outcomes import Outcome
from importer.core.plan import Digest, Environment, PlanHead, PlanRow, canonical, plan_head, plan_row
from importer.core.report import AuditEntry, Causes, StateChange, dwell, in_words, preview_counts, tally
from importer.core.rows import cell_address, column_letter
from importer.core.verdicts import Verdict
from importer.core.waits import retry_after_s

STATES = st.sampled_from(["queued", "assigned", "accepted", "working", "wrapup", "closed"])


@given(st.lists(st.tuples(st.sampled_from(list(Outcome)), st.integers(0, 1000))))
def test_books_balance_whatever_the_outcomes(outcomes: list[tuple[Outcome, int]]) -> None:
    """Rows read are the sum of all outcomes."""
    counts = tally((outcome.value, number) for outcome, number in outcomes)
    assert counts["read"] == sum(counts[outcome.value] for outcome in Outcome) == sum(n for _, n in outcomes)


def test_preview_books_have_every_name() -> None:
    """A preview's counts name all outcomes too, so that scripts read one shape."""
    counts = preview_counts({Verdict.READY: 3, Verdict.INVALID: 1})
    assert counts["read"] == 4
    assert set(counts) == {"read", "ready", *(outcome.value for outcome in Outcome)}


def test_books_in_words_leave_out_zeros() -> None:
    """`600 read: 598 created, 2 invalid`."""
    assert in_words(tally([("created", 598), ("invalid", 2)])) == "600 read: 598 created, 2 invalid"


def test_causes_rank_by_rows_freed() -> None:
    """The cause whose mending frees most rows comes first; notes come last."""
    causes = Causes()
    for line in range(2, 5):
        causes.add([finding("Q501", line=line, column=1, heading="Queue", value="Biling", suggestion="")])
    causes.add([finding("V311", line=9, column=4), finding("V304", line=9, column=2, low=0, high=99, default=50)])
    causes.add([finding("V330", line=10, column=0)])
    ranked = causes.ranked()
    assert (ranked[0].code, ranked[0].rows, ranked[0].freed, ranked[0].lines) == ("Q501", 3, 3, "2, 3, 4")
    assert ranked[1].freed == 0
    assert ranked[-1].code == "V330"


def test_catalogue_templates_can_be_filled() -> None:
    """Every text of the catalogue is a template of named facts, and every code says why and what to do."""
    for code, entry in CATALOGUE.items():
        assert entry.message, code
        assert entry.fix, code
        assert entry.why, code
        assert entry.message.format_map(_Anything())
        assert entry.fix.format_map(_Anything())


class _Anything(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return name


def test_value_in_a_finding_is_never_a_template() -> None:
    """Braces and percent signs of a cell come through as they are."""
    found = finding("V305", value="{0.__class__} %n", suggestion="", types="a", default="b")
    assert "{0.__class__} %n" in found.message


def _trail(states: list[str]) -> list[AuditEntry]:
    start = datetime(2026, 11, 23, tzinfo=UTC)
    chain = ["new", *states]
    entries = [AuditEntry("c", "task-create", "me", start.isoformat(), {})]
    for number, (before, after) in enumerate(zip(chain, states, strict=False), 1):
        at = (start + timedelta(seconds=number)).isoformat()
        entries.append(AuditEntry(str(number), "task-update", "me", at, {"state": {"from": before, "to": after}}))
    return entries


@given(st.lists(STATES, min_size=1, max_size=8), st.sets(st.integers(0, 8)))
def test_history_is_what_the_audit_tells_whatever_polls_saw(states: list[str], seen: set[int]) -> None:
    """With a complete trail the history is exactly the trail's, skipped and backward moves included."""
    chain = [state for number, state in enumerate(states) if number == 0 or state != states[number - 1]]
    polls = [StateChange(state, "2026-11-23T00:01:00Z", "poll") for i, state in enumerate(chain) if i in seen]
    history = merged([StateChange("new", "2026-11-23T00:00:00Z", "created"), *polls], _trail(chain))
    assert [each.state for each in history] == ["new", *chain]
    assert [each.at for each in history] == sorted(each.at for each in history)


def test_filled_states_are_marked() -> None:
    """A state that only the audit knows has the source `audit`; what was seen keeps its own."""
    seen = [
        StateChange("new", "2026-11-23T00:00:00Z", "created"),
        StateChange("closed", "2026-11-23T00:00:09Z", "poll"),
    ]
    history = merged(seen, _trail(["queued", "closed"]))
    assert [(each.state, each.source) for each in history] == [
        ("new", "created"),
        ("queued", "audit"),
        ("closed", "poll"),
    ]
    assert dict(dwell(history))["queued"] == 1.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("42", 42.0), ("0", 0.0), ("-1", None), ("abc", None), ("1e9", None), ("", None), (None, None), ("4.5", None),
        ("Mon, 23 Nov 2026 21:00:30 GMT", 30.0), ("Mon, 23 Nov 2026 20:00:00 GMT", 0.0), ("9" * 100, None),
    ],
)  # fmt: skip
def test_retry_after_is_obeyed_or_ignored(value: str | None, expected: float | None) -> None:
    """Seconds and HTTP dates count, a date from the answer's own clock; what is malformed is ignored."""
    assert retry_after_s(value, "Mon, 23 Nov 2026 21:00:00 GMT") == expected


@pytest.mark.parametrize(
    ("column", "letters"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA"), (16383, "XFD")]
)
def test_column_letters_are_excels(column: int, letters: str) -> None:
    """Columns are named as the spreadsheet names them."""
    assert column_letter(column) == letters


def test_sheet_names_are_quoted_in_addresses() -> None:
    """A sheet name with blanks or quotes is quoted, as in the spreadsheet."""
    assert cell_address("Bob's tasks", 2, 17) == "'Bob''s tasks'!C17"
    assert cell_address("Tasks", 2, 17) == "Tasks!C17"
    assert cell_address(None, 2, 17) == "C17"


def _head(**changes: object) -> PlanHead:
    known: dict[str, object] = {
        "source_sha256": "a", "source_bytes": 1, "format": "csv", "sheet": None, "encoding": "utf-8", "header_line": 1,
        "headings": ("a",), "matched": {}, "mapping": {}, "environment": Environment("tasks", "o", "c"), "settings": {},
        "counts": {"read": 1}, "warnings": 0, "queues": ({"queue": "q"},), "findings": (finding("F202", count=1),),
    }  # fmt: skip
    return PlanHead(**{**known, **changes})  # type: ignore[arg-type]  # a table of fields


ROW = PlanRow(2, None, ("E", "x"), Verdict.READY, "E", "Q", None, {"a": {"b": 1}}, (finding("V330", line=2, column=0),))


def _digest(head: PlanHead, *rows: PlanRow) -> str:
    digest = Digest()
    for each in rows:
        digest.add(canonical(each.record()))
    return digest.value(head)


@pytest.mark.parametrize(
    "change",
    [{"source_sha256": "b"}, {"mapping": {"x": 1}}, {"environment": Environment("tasks", "o", "other")}, {"settings": {"skipped": [3]}},
     {"queues": ({"queue": "q", "status": "closed"},)}, {"counts": {"read": 2}}],
)  # fmt: skip
def test_digest_changes_with_everything_it_covers(change: dict[str, object]) -> None:
    """File, mapping, environment, settings and facts are all in the digest."""
    assert _digest(_head(), ROW) == _digest(_head(), ROW)
    assert _digest(_head(**change), ROW) != _digest(_head(), ROW)


def test_digest_covers_payloads_and_verdicts() -> None:
    """Another payload or verdict is another digest."""
    other = PlanRow(2, None, ("E", "x"), Verdict.READY, "E", "Q", None, {"a": {"b": 2}}, ())
    skipped = PlanRow(2, None, ("E", "x"), Verdict.SKIPPED, "E", "Q", None, {"a": {"b": 1}}, ROW.findings)
    assert len({_digest(_head(), row) for row in (ROW, other, skipped)}) == 3


def test_plan_records_read_back() -> None:
    """Head and rows as plain values read back as they were."""
    import json

    assert plan_row(json.loads(canonical(ROW.record()))) == ROW
    assert plan_head(json.loads(canonical(_head().record()))) == _head()
