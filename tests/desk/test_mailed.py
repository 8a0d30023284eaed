"""Decisions by mail: they count for these bytes of this plan, from known keys, in their time, and once."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from importer.approvals.approvers import Approver
from importer.approvals.letter import written as letter
from importer.approvals.log import ApprovalLog
from importer.core.approval import Approval, LeftOut, Person
from importer.core.errors import PlanRefused, UsageError
from importer.core.moments import written
from importer.desk.deciding import decide, decisions
from importer.desk.mailed import added, taken_over
from importer.ports import Ledger
from importer.settings import Settings, load
from importer.wiring import approvers, ledger, plans
from tests.harness.bench import Place, World
from tests.harness.warm import Warm

NOW = datetime.now(UTC)


@dataclass
class Office:
    """A state folder with a plan of four rows, and Ben, who approves in a folder of his own."""

    settings: Settings
    book: Ledger
    ben: ApprovalLog
    decision: Approval

    def takes(self, **other: object) -> Approval:
        """Ben's letter with his decision, of which something may be another."""
        return self.opens(letter(replace(self.decision, **other), self.ben))  # type: ignore[arg-type]  # a table of fields

    def opens(self, text: bytes) -> Approval:
        """A letter arrives."""
        return taken_over(self.settings, self.book, self.decision.plan, text)

    def log(self) -> list[Approval]:
        """The decisions on the plan."""
        return decisions(self.settings, self.book, self.decision.plan)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory, world: World, warmed: Warm) -> tuple[Path, str]:
    """A state folder and the plan in it, made as a user makes it."""
    place = Place.made(tmp_path_factory.mktemp("mailed"), world, warmed, 4)
    code, body = place.ends("preview", "tasks.csv")
    assert code == 0, place.said
    return place.state, body["plan"]


@pytest.fixture
def office(tmp_path: Path, planned: tuple[Path, str]) -> Iterator[Office]:
    """A copy of that folder, for one test."""
    settings = load({"state_dir": str(shutil.copytree(planned[0], tmp_path / "state"))})
    ben = ApprovalLog(tmp_path / "ben")
    file = plans(settings).find(planned[1])
    decision = Approval(
        planned[1], file.preview().about.digest, file.sha256(), True, Person("anybody", "uid 0"), written(NOW),
        written(NOW + timedelta(hours=24)), "fine",
    )  # fmt: skip
    approvers(settings).add(Approver("ben", ben.key().text, "ada (uid 1000)", written(NOW)))
    book = ledger(settings)
    yield Office(settings, book, ben, decision)
    book.close()


def test_letter_counts_as_if_it_were_decided_here(office: Office) -> None:
    """It is in the log with its time, end, comment and rows, under the name that its key has here, not the one it says."""
    taken = office.takes(left_out=(LeftOut(3, "called back"),))
    assert taken.who == Person("ben", f"key {office.ben.key().name}")
    assert office.log() == [replace(office.decision, who=taken.who, left_out=(LeftOut(3, "called back"),))]


def test_rejection_by_letter_counts(office: Office) -> None:
    """A rejection has no end, and is taken."""
    office.takes(approved=False, expires_at=None)
    assert [each.approved for each in office.log()] == [False]


def test_letter_of_an_unknown_key_is_refused(office: Office, tmp_path: Path) -> None:
    """Whatever name a letter has, a key that is nobody's here decides nothing; its name is told to be compared."""
    stranger = ApprovalLog(tmp_path / "stranger")
    with pytest.raises(PlanRefused, match=stranger.key().name) as refused:
        office.opens(letter(replace(office.decision, who=Person("ben", "uid 1001")), stranger))
    assert "importer approver add" in refused.value.fix
    assert office.log() == []


@pytest.mark.parametrize(
    "other",
    [{"plan": "plan-of-last-week"}, {"digest": "0" * 64}, {"sha256": "0" * 64}],
    ids=["plan", "digest", "bytes"],
)
def test_letter_for_another_plan_is_refused(office: Office, other: dict[str, str]) -> None:
    """It names the plan's ID, its digest and all its bytes, and all must be those of the plan here."""
    with pytest.raises(PlanRefused, match="on other bytes"):
        office.takes(**other)
    assert office.log() == []


@pytest.mark.parametrize(
    ("at", "until", "why"),
    [(-25, -1, "expired at"), (1, 24, "clocks"), (0, 24 * 400, "clocks")],
    ids=["too old", "of the future", "for more than a year"],
)
def test_letter_of_another_time_is_refused(office: Office, at: int, until: int, why: str) -> None:
    """Hours from now: an end that is over, a beginning that is still to come, an end that no approval may have."""
    moments = (written(NOW + timedelta(hours=each)) for each in (at, until))
    with pytest.raises(PlanRefused) as refused:
        office.takes(**dict(zip(("at", "expires_at"), moments, strict=True)))
    assert why in f"{refused.value} {refused.value.fix}"
    assert office.log() == []


@pytest.mark.parametrize("other", [{"at": "yesterday"}, {"at": None}, {"expires_at": "later"}, {"expires_at": None}])
def test_letter_without_times_is_refused(office: Office, other: dict[str, str | None]) -> None:
    """An approval has a time and an end."""
    with pytest.raises(UsageError, match="approved again|cannot be read|no end"):
        office.takes(**other)
    assert office.log() == []


def test_letter_leaves_no_rows_out_that_the_plan_does_not_have(office: Office) -> None:
    """Lines are compared with the plan here, as they are when a plan is approved here."""
    with pytest.raises(UsageError, match="no row on line 99"):
        office.takes(left_out=(LeftOut(99, "called back"),))


def test_letter_is_taken_once(office: Office) -> None:
    """The second time it is no news."""
    office.takes()
    with pytest.raises(PlanRefused, match="decided on since"):
        office.takes()
    assert len(office.log()) == 1


def test_old_approval_does_not_undo_a_later_rejection(office: Office) -> None:
    """Whoever keeps a letter back until it was rejected here gains nothing."""
    decide(office.settings, office.book, office.decision.plan, Person("cleo", "uid 1002"), "stop", approved=False)
    with pytest.raises(PlanRefused, match="rejected by cleo"):
        office.takes(at=written(NOW - timedelta(hours=1)))


def test_plan_that_is_not_what_it_was_takes_no_letter(office: Office) -> None:
    """A byte of the plan here: it is refused before the log is touched."""
    path = plans(office.settings).find(office.decision.plan).path
    with path.open("ab") as file:
        file.write(os.linesep.encode())
    with pytest.raises(PlanRefused):
        office.takes()
    assert office.log() == []


@pytest.mark.parametrize("name", ["", " ", "b\ten", "x" * 101])
def test_approver_needs_a_name_that_can_be_shown(office: Office, tmp_path: Path, name: str) -> None:
    """Names stand in reports and on terminals."""
    (tmp_path / "key.pem").write_text(ApprovalLog(tmp_path / "eve").key().text)
    with pytest.raises(UsageError, match="needs a name"):
        added(office.settings, name, tmp_path / "key.pem")
