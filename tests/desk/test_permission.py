"""Who may decide, which plans may run, and how an approval is used up: what the command line and the page share."""

import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from importer.core.approval import Approval, LeftOut, Person, Use
from importer.core.errors import LedgerError, PlanRefused, UsageError
from importer.core.mapping import Mapping
from importer.core.plan import RULES, Environment, Preview
from importer.core.verdicts import Verdict
from importer.desk.deciding import decide, decisions
from importer.desk.desk import Desk
from importer.desk.opening import open_run
from importer.desk.permission import may_run
from importer.ledgers.plans import PlanFolder
from importer.ledgers.sqlite import SqliteLedger
from importer.ports import RunRecord, RunRow
from importer.settings import Settings, Value, load
from importer.wiring import Connection, approvals, connected, submission_lock
from tests.clocks import HandClock
from tests.ledgers.conftest import plan_head, plan_row

ADA, BOB = Person("ada", "uid 1000"), Person("bob", "uid 1001")


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A target that is never asked for anything, but for the shape of what it would be sent."""
    folder = tmp_path_factory.mktemp("sandbox")
    with connected(load({"sandbox": True, "state_dir": str(folder)}, folder=folder)) as found:
        yield found


@dataclass
class Bureau:
    """A state folder, and who decides in it."""

    folder: Path
    desk: Desk

    @property
    def settings(self) -> Settings:
        return self.desk.settings

    def plans(self, environment: Environment, by: Person = ADA, kept: str = "", **head: Any) -> Preview:
        """A plan of five rows, one of them invalid."""
        draft = PlanFolder(self.settings.state_dir / "plans").draft(kept=kept)
        for number in range(5):
            payload = {
                "type": "email", "description": "a text", "routingData": {"queueId": "q-1"}, "customAttributes": {},
            }  # fmt: skip
            row = plan_row(number, payload=payload)
            bad = replace(row, verdict=Verdict.INVALID, payload=None)
            draft.add(bad if number == 4 else row)
        made_at = datetime.now(UTC)
        named = {"environment": environment, "rules": RULES, "queues": (), **head}
        return draft.finish(plan_head(**named), source="/nowhere/a.csv", made_at=made_at, preparer=by)

    def file(self, made: Preview) -> Path:
        """The plan's file."""
        return PlanFolder(self.settings.state_dir / "plans").find(made.about.plan).path

    def decides(self, made: Preview, who: Person = BOB, *, approved: bool = True, **how: Any) -> Approval:
        """Somebody decides."""
        return decide(self.settings, self.desk.book, made.about.plan, who, "fine", approved=approved, **how)

    def asks(self, setting: str, value: object) -> None:
        """A setting is set."""
        self.settings.values[setting] = Value(value, "a test")


@pytest.fixture
def bureau(tmp_path: Path) -> Iterator[Bureau]:
    """A bureau where approvals are required."""
    settings = load({"sandbox": True, "state_dir": str(tmp_path / "state"), "require_approval": True}, folder=tmp_path)
    book = SqliteLedger(settings.state_dir / "ledger.sqlite")
    yield Bureau(tmp_path, Desk(settings, book, submission_lock(settings)))
    book.close()


def refusal(bureau: Bureau, made: Preview, environment: Environment | None = None) -> str:
    """Why the plan may not run, with the next step, which is always told."""
    with pytest.raises(PlanRefused) as refused:
        may_run(bureau.desk, made.about.plan, environment)
    assert refused.value.exit_code == 4
    assert refused.value.fix
    return f"{refused.value} {refused.value.fix}"


def test_plan_runs_as_it_was_approved(bureau: Bureau, connection: Connection) -> None:
    """What was decided is what permission is given under, and what whoever looks at the plan is shown."""
    made = bureau.plans(connection.environment)
    assert "not approved" in refusal(bureau, made)
    given = bureau.decides(made)
    assert may_run(bureau.desk, made.about.plan, connection.environment) == (made, given)
    assert decisions(bureau.settings, bureau.desk.book, made.about.plan) == [given]
    lasts = datetime.fromisoformat(given.expires_at or "") - datetime.fromisoformat(given.at)
    assert (given.who, lasts) == (BOB, timedelta(days=1))


def test_plan_file_that_differs_in_a_byte_is_refused(bureau: Bureau, connection: Connection) -> None:
    """Also in a byte that no digest covers, such as one of the zip's own: the approval was of the file."""
    made = bureau.plans(connection.environment)
    bureau.decides(made)
    path = bureau.file(made)
    path.write_bytes(path.read_bytes() + b"\0")
    assert "altered after bob (uid 1001) approved it" in refusal(bureau, made)


@pytest.mark.parametrize("name", ["source", "kept", "mapping_file", "preparer"])
def test_plan_whose_origin_is_no_text_is_refused(bureau: Bureau, connection: Connection, name: str) -> None:
    """What no digest covers may say anything: whoever decides on such a file, or runs it, is told that it was altered."""
    made = bureau.plans(connection.environment)
    path = bureau.file(made)
    with zipfile.ZipFile(path) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    parts["about.json"] = json.dumps({**json.loads(parts["about.json"]), name: [5]}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for each, content in parts.items():
            archive.writestr(each, content)
    with pytest.raises(PlanRefused, match="was altered"):
        bureau.decides(made)
    assert "was altered" in refusal(bureau, made)


def test_plan_of_other_rules_is_refused(bureau: Bureau, connection: Connection) -> None:
    """A plan that another version of the rules judged is not run by this one."""
    made = bureau.plans(connection.environment, rules=RULES + 1)
    bureau.decides(made)
    assert f"version {RULES + 1} of the rules" in refusal(bureau, made)


def test_plan_of_other_settings_is_refused(bureau: Bureau) -> None:
    """A time zone that is another one than when times were read is told with both; the tasks API has no times."""
    here = Environment("workitems", "https://api.mypurecloud.ie", "c-1")
    made = bureau.plans(here, settings={"time_zone": "Europe/Berlin"})
    bureau.decides(made)
    bureau.asks("target", "workitems")
    assert "time_zone was Europe/Berlin when the plan was made and is UTC now" in refusal(bureau, made)
    bureau.asks("time_zone", "Europe/Berlin")
    assert may_run(bureau.desk, made.about.plan, here)[1] is not None


def test_plan_of_another_mapping_is_refused(bureau: Bureau, connection: Connection) -> None:
    """A mapping that a file or the profile gives now and that is not the plan's; what people chose on the page is the plan's own."""
    made = bureau.plans(connection.environment, mapping=Mapping().record())
    bureau.decides(made)
    flags = {"sandbox": True, "state_dir": str(bureau.settings.state_dir)}
    bureau.desk.settings = load(flags, folder=bureau.folder)
    may_run(bureau.desk, made.about.plan)
    file = bureau.folder / "map.toml"
    file.write_text('[columns]\nqueue = "Team"\n')
    bureau.desk.settings = load({**flags, "map": str(file)}, folder=bureau.folder)
    assert "map.toml is not the one that the plan was made with" in refusal(bureau, made)
    (bureau.folder / "importer.toml").write_text('[profile.default.mapping.columns]\nqueue = "Team"\n')
    bureau.desk.settings = load(flags, folder=bureau.folder)
    assert "The mapping of the profile is not the one" in refusal(bureau, made)
    uploaded = bureau.plans(connection.environment, kept="/nowhere/upload")
    bureau.decides(uploaded)
    may_run(bureau.desk, uploaded.about.plan)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"origin": "https://api.mypurecloud.de"}, "the origin was"),
        ({"client": "another"}, "the OAuth client was"),
        ({"organization": "org-2"}, "the organisation was org-1 and is org-2"),
    ],
)
def test_plan_of_another_environment_is_refused(
    bureau: Bureau, connection: Connection, change: dict[str, str], told: str
) -> None:
    """Host, OAuth client and organisation must be those of the plan; what differs is told."""
    here = replace(connection.environment, organization="org-1")
    made = bureau.plans(here)
    bureau.decides(made)
    assert told in refusal(bureau, made, replace(here, **change))
    assert may_run(bureau.desk, made.about.plan, replace(here, organization=""))[1] is not None


def test_approval_expires(bureau: Bureau, connection: Connection) -> None:
    """A day after it was given, or when the setting or the approver says, an approval lets nothing run."""
    made = bureau.plans(connection.environment)
    now = datetime.now(UTC)
    yesterday, lately = HandClock(now - timedelta(hours=25)), HandClock(now - timedelta(hours=3))
    bureau.decides(made, clock=yesterday)
    assert "expired" in refusal(bureau, made)
    bureau.decides(made, clock=yesterday, expires="2d")
    may_run(bureau.desk, made.about.plan)
    bureau.asks("approval_expires", "2h")
    bureau.decides(made, clock=lately)
    assert "expired" in refusal(bureau, made)


def test_rejection_holds_until_somebody_approves(bureau: Bureau, connection: Connection) -> None:
    """A rejected plan does not run, whether approvals are required or not; the last decision counts."""
    made = bureau.plans(connection.environment)
    bureau.asks("require_approval", False)
    bureau.decides(made)
    bureau.decides(made, ADA, approved=False)
    assert "rejected by ada (uid 1000)" in refusal(bureau, made)
    bureau.decides(made)
    may_run(bureau.desk, made.about.plan)


def test_four_eyes_are_two_persons(bureau: Bureau, connection: Connection) -> None:
    """Under four_eyes who prepared a plan cannot have approved it, and it needs an approval; on the page, unless set, likewise."""
    made = bureau.plans(connection.environment, by=ADA)
    bureau.decides(made, Person("Ada", "token"))
    may_run(bureau.desk, made.about.plan)
    bureau.desk.identity = "token"
    assert "four_eyes asks for two persons" in refusal(bureau, made)
    bureau.asks("four_eyes", False)
    may_run(bureau.desk, made.about.plan)
    bureau.desk.identity = "os"
    bureau.asks("four_eyes", True)
    assert "four_eyes asks for two persons" in refusal(bureau, made)
    bureau.decides(made)
    may_run(bureau.desk, made.about.plan)
    bureau.asks("require_approval", False)
    assert "not approved" in refusal(bureau, bureau.plans(connection.environment, by=ADA))


def test_altered_log_of_approvals_lets_nothing_run(bureau: Bureau, connection: Connection) -> None:
    """An approver's name that is changed in the log is noticed where the plan would run, and where it is shown."""
    made = bureau.plans(connection.environment)
    bureau.decides(made, ADA)
    log = approvals(bureau.settings).path
    log.write_bytes(log.read_bytes().replace(b"ada", b"bob"))
    with pytest.raises(LedgerError, match="altered at line 1: its signature does not fit"):
        may_run(bureau.desk, made.about.plan)
    with pytest.raises(LedgerError, match="line 1"):
        decisions(bureau.settings, bureau.desk.book, made.about.plan)


def test_decision_needs_a_comment_reasons_and_rows_that_are_there(bureau: Bureau, connection: Connection) -> None:
    """What an approver forgot is asked for, and nothing is recorded."""
    made = bureau.plans(connection.environment)
    for how, told in (
        ({"left_out": [LeftOut(2, " ")]}, "needs a reason"),
        ({"left_out": [LeftOut(99, "no")]}, "no row on line 99"),
        ({"left_out": [LeftOut(6, "no")]}, "None of these rows would be sent"),
        ({"expires": "0s"}, "cannot last 0s"),
        ({"expires": "2000d"}, "cannot last 2000d"),
    ):
        with pytest.raises(UsageError, match=told):
            bureau.decides(made, **how)
    with pytest.raises(UsageError, match="comment"):
        decide(bureau.settings, bureau.desk.book, made.about.plan, BOB, " ", approved=True)
    assert decisions(bureau.settings, bureau.desk.book, made.about.plan) == []


def test_approving_works_from_a_file_that_was_mailed(bureau: Bureau, connection: Connection) -> None:
    """The approver has the plan's file, and neither the target, its secrets, nor the source file."""
    made = bureau.plans(connection.environment)
    mailed = bureau.folder / "mailed.plan"
    bureau.file(made).rename(mailed)
    given = decide(bureau.settings, bureau.desk.book, str(mailed), BOB, "fine", approved=True)
    assert may_run(bureau.desk, str(mailed), connection.environment) == (made, given)


# Opening


def test_rows_left_out_by_the_approver_are_skipped(bureau: Bureau, connection: Connection) -> None:
    """They are in the ledger with who left them out and why, have no payload, and the books balance."""
    made = bureau.plans(connection.environment)
    bureau.decides(made, left_out=[LeftOut(3, "called already"), LeftOut(6, "invalid anyway")])
    preview, approval = may_run(bureau.desk, made.about.plan)
    run = open_run(bureau.desk, preview, approval, connection, who=ADA)
    counts = bureau.desk.book.counts(run)
    assert (counts["read"], counts["skipped"], counts["not_sent"], counts["invalid"]) == (5, 1, 3, 1)
    (row,) = [each for each in bureau.desk.book.result_rows(run) if each.outcome == "skipped"]
    assert row.line == 3
    assert row.reason == "Left out by bob (uid 1001) when the plan was approved: called already"
    assert [each.code for each in row.findings] == ["P702"]


def test_approval_is_used_once_and_the_run_names_it(bureau: Bureau, connection: Connection) -> None:
    """The log says which run used it and who ran it; the run has the log's head; another run is refused by the first one's ID."""
    made = bureau.plans(connection.environment)
    preview, approval = may_run(bureau.desk, bureau.decides(made).plan)
    run = open_run(bureau.desk, preview, approval, connection, who=ADA)
    chain = approvals(bureau.settings).read()
    uses = [each for each in chain.entries if isinstance(each, Use)]
    assert [(each.run, each.stage, each.who) for each in uses] == [(run, "taken", ADA), (run, "opened", ADA)]
    facts = bureau.desk.book.run_facts(run)
    assert (facts.chain, facts.approval) == (chain.hashes[1], str(approval))
    assert run in refusal(bureau, made)
    with pytest.raises(PlanRefused, match=f"used by the run {run}"):
        open_run(bureau.desk, preview, approval, connection)
    with pytest.raises(PlanRefused, match="ran already"):
        bureau.decides(made)


def test_log_that_was_put_back_from_before_a_run_is_refused(bureau: Bureau, connection: Connection) -> None:
    """A log that does not know a use that a run was opened under would give that approval a second life."""
    made = bureau.plans(connection.environment)
    preview, approval = may_run(bureau.desk, bureau.decides(made).plan)
    folder = approvals(bureau.settings).folder
    before = {each: each.read_bytes() for each in folder.iterdir()}
    open_run(bureau.desk, preview, approval, connection)
    for path, content in before.items():
        path.write_bytes(content)
    with pytest.raises(LedgerError, match="cut off or replaced"):
        may_run(bureau.desk, bureau.plans(connection.environment).about.plan)


def test_approval_survives_a_kill_before_its_run_is_opened(bureau: Bureau, connection: Connection) -> None:
    """A process that took the approval and was killed before the ledger had the run: the same run is opened, and once."""
    made = bureau.plans(connection.environment)
    preview, approval = may_run(bureau.desk, bureau.decides(made).plan)
    about = made.about
    approvals(bureau.settings).take(Use(about.plan, about.digest, "run-of-the-dead", "taken", ADA, about.made_at))
    assert may_run(bureau.desk, about.plan) == (preview, approval)
    assert open_run(bureau.desk, preview, approval, connection) == "run-of-the-dead"
    assert [record.run for record in bureau.desk.book.runs()] == ["run-of-the-dead"]
    with pytest.raises(PlanRefused, match="run-of-the-dead"):
        open_run(bureau.desk, preview, approval, connection)
    assert len(bureau.desk.book.runs()) == 1


def test_approval_is_not_used_twice_though_its_use_was_never_confirmed(bureau: Bureau, connection: Connection) -> None:
    """A process that was killed after the ledger had the run, before the log said so: the ledger refuses the plan."""
    made = bureau.plans(connection.environment)
    preview, approval = may_run(bureau.desk, bureau.decides(made).plan)
    log = approvals(bureau.settings)
    open_run(bureau.desk, preview, approval, connection)
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(lines[:2]))
    head = f'{{"head":"{log_hash(lines[1])}","lines":2}}'
    (log.folder / "head.json").write_text(head)
    assert "ran already" in refusal(bureau, made)
    with pytest.raises(PlanRefused, match="ran already"):
        open_run(bureau.desk, preview, approval, connection)
    assert len(bureau.desk.book.runs()) == 1


def test_approval_is_used_up_even_where_the_ledger_is_another_one(bureau: Bureau, connection: Connection) -> None:
    """A new ledger in the old one's place knows of no run; the log does."""
    made = bureau.plans(connection.environment)
    preview, approval = may_run(bureau.desk, bureau.decides(made).plan)
    run = open_run(bureau.desk, preview, approval, connection)
    book = SqliteLedger(bureau.folder / "another.sqlite")
    bureau.desk.book.close()
    bureau.desk.book = book
    assert f"used by the run {run}" in refusal(bureau, made)


def test_plan_that_is_decided_anew_at_the_last_moment_does_not_open(bureau: Bureau, connection: Connection) -> None:
    """What was approved when permission was asked, and rejected before the run opened, is not run."""
    made = bureau.plans(connection.environment)
    preview, approval = may_run(bureau.desk, bureau.decides(made).plan)
    bureau.decides(made, approved=False)
    with pytest.raises(PlanRefused, match="rejected by bob"):
        open_run(bureau.desk, preview, approval, connection)
    assert bureau.desk.book.runs() == []


def test_plan_that_is_swapped_while_it_is_opened_is_refused(bureau: Bureau, connection: Connection) -> None:
    """The rows that enter the ledger are those of the digest, or none do."""
    made = bureau.plans(connection.environment)
    preview, _ = may_run(bureau.desk, bureau.decides(made).plan)
    other = bureau.plans(connection.environment, rules=RULES + 1)
    bureau.file(other).replace(bureau.file(made))
    with pytest.raises(PlanRefused, match="altered while it was opened"):
        open_run(bureau.desk, replace(preview, head=replace(preview.head, warnings=1)), None, connection)
    assert bureau.desk.book.runs() == []


def log_hash(line: bytes) -> str:
    """The hash of a line without its end."""
    from hashlib import sha256

    return sha256(line.rstrip(b"\n")).hexdigest()


class Meanwhile(SqliteLedger):
    """A ledger in which something happens while a run's rows are written."""

    happens: Callable[[], object]

    def open_run(self, record: RunRecord, rows: Iterable[RunRow]) -> None:
        def written() -> Iterator[RunRow]:
            for number, row in enumerate(rows):
                if number == 1:
                    self.happens()
                yield row

        super().open_run(record, written())


def test_plan_that_is_rejected_while_its_run_is_opened_does_not_run(bureau: Bureau, connection: Connection) -> None:
    """An approver who rejects a plan in the seconds in which its rows are written is heard: the run is not opened."""
    made = bureau.plans(connection.environment)
    given = bureau.decides(made)
    with closing(Meanwhile(bureau.settings.state_dir / "ledger.sqlite")) as book:
        book.happens = lambda: bureau.decides(made, approved=False)
        with pytest.raises(PlanRefused, match="decided anew"):
            open_run(replace(bureau.desk, book=book), made, given, connection)
    assert bureau.desk.book.runs() == []
    assert "was rejected by bob" in refusal(bureau, made)
