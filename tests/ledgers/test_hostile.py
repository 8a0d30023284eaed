"""Hostile text in the ledger: kept verbatim, never part of a statement."""

import ast
from dataclasses import replace
from pathlib import Path

import importer
from importer.core.outcomes import Outcome
from importer.core.report import AuditEntry, StateChange
from importer.core.stages import Stage
from importer.ledgers.sqlite import SqliteLedger
from tests.hostile import hostile
from tests.ledgers.conftest import HERE, Opens, plan_row

TEXTS = tuple(text for text in hostile(500) if text.encode("utf-8", "ignore").decode() == text)
"""Half a surrogate pair never gets here: sources and answers are without."""


async def test_ledger_keeps_hostile_texts_verbatim(ledger: SqliteLedger, opens: Opens) -> None:
    """500 hostile texts as external ID, queue, cells, payload, task ID, state, actor and reason come back as they were, and
    so does the schema."""
    before = tables(ledger)
    rows = [
        plan_row(number, external_id=text, queue=text, cells=(text, text), payload={"description": text, text: text})
        for number, text in enumerate(TEXTS)
    ]
    opens("run-1", rows)
    for entry in await ledger.entries("run-1", [Stage.READY.value], -1, 1000):
        text = TEXTS[entry.position]
        change, audit = StateChange(text, text, "poll"), AuditEntry("a", text, text, text, {text: text})
        entry = replace(entry, stage=Stage.CREATED, task_id=text, reason=text, correlation_id=text, state=text)
        await ledger.put(entry, [change], [audit])
    found = list(ledger.result_rows("run-1"))
    assert [(row.external_id, row.queue, row.cells, row.task_id, row.reason, row.correlation_id) for row in found] == [
        (text, text, (text, text), text, text, text) for text in TEXTS
    ]
    assert [(row.states[0].state, row.audits[0].actor, row.audits[0].diff) for row in found] == [
        (text, text, {text: text}) for text in TEXTS
    ]
    assert {row.outcome for row in found} == {Outcome.CREATED}
    assert tables(ledger) == before


async def test_ledger_finds_a_hostile_id_and_no_other(ledger: SqliteLedger, opens: Opens) -> None:
    """A search for one hostile external ID finds its row alone; `%`, `_`, quotes and comments are characters."""
    texts = [text for text in TEXTS if "\0" not in text]  # with it no row is ready, and SQLite's json_each ends there
    opens("run-1", [plan_row(number, external_id=text) for number, text in enumerate(texts)])
    for entry in await ledger.entries("run-1", [Stage.READY.value], -1, 1000):
        await ledger.put(replace(entry, stage=Stage.CREATED, task_id=f"T-{entry.position}"))
    for number, text in enumerate(texts):
        found = ledger.earlier(HERE, [text])
        assert {name: fact.task_id for name, fact in found.items()} == {text: f"T-{number}"}
    for text in ("%", "_", "' OR 1=1 --"):
        assert ledger.run(text) is None
        assert ledger.run_of_plan(text) is None


def tables(ledger: SqliteLedger) -> list[str]:
    """The schema as it stands."""
    return [row[0] for row in ledger._database.reader.execute("SELECT sql FROM sqlite_schema ORDER BY name")]


def test_sql_is_made_of_constants_alone() -> None:
    """No statement is put together from a text: what `execute` gets is a literal or an entry of the SQL files. The few that
    are (PRAGMAs and our own tables' names, which SQLite takes no parameter for) are named here."""
    allowed = {
        "f'PRAGMA application_id = {APPLICATION_ID}'", "f'PRAGMA user_version = {len(scripts)}'", "f'PRAGMA {name}'",
        "f'SELECT * FROM \"{table}\"'",
    }  # fmt: skip
    made: list[str] = []
    calls = 0
    for path in Path(importer.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) in ("execute", "executemany", "executescript"):
                calls += 1
                made += [f"{path.name}: {found}" for found in _composed(node.args[0])]
    assert calls > 40
    assert [each for each in made if each.partition(": ")[2] not in allowed] == []


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else ""


def _composed(statement: ast.expr) -> list[str]:
    """The parts of a statement that are put together by f-string, operator or method. SQL[…] is looked up, whatever its key."""
    if isinstance(statement, ast.Subscript) and isinstance(statement.value, ast.Name) and statement.value.id == "SQL":
        return []
    return [ast.unparse(node) for node in ast.walk(statement) if _puts_together(node)]


def _puts_together(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return _name(node.func) in ("format", "join", "replace")
    return isinstance(node, ast.JoinedStr | ast.BinOp)


def test_sql_rule_sees_what_it_forbids() -> None:
    """The rule above finds an f-string, a %, a + and a format."""
    for text in ('f"SELECT {x}"', '"SELECT %s" % x', '"SELECT " + x', '"SELECT {}".format(x)', '" ".join(x)'):
        assert _composed(ast.parse(text, mode="eval").body)
    assert _composed(ast.parse('SQL["rows"]', mode="eval").body) == []
