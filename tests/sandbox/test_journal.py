"""The journal of what really happened."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, ClientTimeout

from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import Fault, Limit, Scenario
from importer.sandbox.server import Sandbox
from tests.sandbox.conftest import Caller, body

Fact = dict[str, Any]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@pytest.fixture
async def sandbox(scenario: Scenario, clock: HandClock, journal: Path) -> Any:
    """A sandbox that keeps a journal."""
    async with Sandbox(scenario, seed=7, clock=clock, journal=journal) as sandbox:
        yield sandbox


def facts(journal: Path, kind: str = "") -> list[Fact]:
    """The facts so far, of one kind or all."""
    found = [json.loads(line) for line in journal.read_text("utf-8").splitlines()]
    return [fact for fact in found if kind in ("", fact["kind"])]


async def test_journal_begins_with_who_it_is(sandbox: Sandbox, journal: Path, clock: HandClock) -> None:
    """The first fact names the world, its rules and two clocks' readings of one moment; the file is its owner's alone."""
    (start,) = facts(journal)
    assert (start["kind"], start["world"], start["tasks"]) == ("start", sandbox.world.id, 0)
    assert (start["monotonic"], start["now"]) == (clock.monotonic(), clock.now())
    assert start["limit"]["calls"] == 0
    assert journal.stat().st_mode & 0o777 == 0o600


async def test_journal_tells_a_create_in_order(caller: Caller, journal: Path, clock: HandClock) -> None:
    """A call that creates arrives, is read, is committed and is answered, each with the call's number."""
    clock.advance(1.25)
    before = len(facts(journal))
    _, task = await caller.create("E-1")
    told = facts(journal)[before:]
    assert [fact["kind"] for fact in told] == ["arrived", "read", "committed", "answered"]
    arrived, read, committed, answered = told
    assert {fact["n"] for fact in told} == {2}
    assert (arrived["monotonic"], arrived["operation"]) == (1.25, "create")
    sent = json.dumps(body(caller.queue_id("Claims"))).encode()
    assert (read["external_id"], read["sha256"]) == ("E-1", hashlib.sha256(sent).hexdigest())
    assert (committed["task_id"], committed["external_id"], committed["late"]) == (task["id"], "E-1", False)
    assert (answered["status"], answered["sent"], answered["retry_after"]) == (201, True, None)


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
async def test_journal_knows_an_answer_that_was_not_sent(
    sandbox: Sandbox, caller: Caller, journal: Path, kind: str
) -> None:
    """A reset leaves a call that was not answered; whether it was committed is told apart."""
    sandbox.breaks(Fault(operation="create", kind=kind))
    with pytest.raises(ClientError):
        await caller.create("E-1")
    assert facts(journal, "answered")[-1] | {"monotonic": 0} == {
        "kind": "answered", "n": 2, "monotonic": 0, "status": 0, "retry_after": None, "fault": kind, "sent": False,
    }  # fmt: skip
    assert len(facts(journal, "committed")) == (kind == "reset_after")


async def test_journal_tells_a_late_commit_of_its_call(
    sandbox: Sandbox, caller: Caller, journal: Path, clock: HandClock
) -> None:
    """What was committed after its client had gone bears the number of that client's call."""
    sandbox.breaks(Fault(operation="create", kind="reset_late", seconds=3))
    with pytest.raises(ClientError):
        await caller.create("E-1")
    assert facts(journal, "committed") == []
    clock.advance(3)
    await caller.find('customAttributes.externalId eq "E-1"')
    (committed,) = facts(journal, "committed")
    assert (committed["n"], committed["external_id"], committed["late"]) == (2, "E-1", True)


@pytest.mark.parametrize("scenario", [Scenario(limit=Limit(calls=1, window_s=60))])
async def test_journal_tells_what_a_refused_call_was_told(caller: Caller, journal: Path) -> None:
    """A 429 is an arrival and an answer with its Retry-After."""
    await caller.find('id eq "x"')
    assert facts(journal, "arrived")[-1]["n"] == 2
    answered = facts(journal, "answered")[-1]
    assert (answered["status"], answered["retry_after"], answered["sent"]) == (429, "60", True)


async def test_journal_tells_of_a_client_that_left(
    sandbox: Sandbox, caller: Caller, journal: Path, clock: HandClock
) -> None:
    """A client that hangs up before its answer has got none."""
    sandbox.breaks(Fault(operation="create", kind="hang_after", seconds=1000))
    leaving = asyncio.ensure_future(caller.create("E-1"))
    await clock.until_asleep(1)
    leaving.cancel()
    await clock.until_asleep(0)
    answered = facts(journal, "answered")[-1]
    assert (answered["n"], answered["status"], answered["sent"]) == (2, 0, False)
    assert len(facts(journal, "committed")) == 1


async def test_journal_is_gone_on_with(journal: Path) -> None:
    """A second sandbox adds to the journal; its own facts follow its own start."""
    for seed in (1, 2):
        async with Sandbox(seed=seed, journal=journal) as sandbox, ClientSession(timeout=ClientTimeout(10)) as session:
            await Caller(sandbox, session).log_in()
    assert [fact["kind"] for fact in facts(journal)] == ["start", "arrived", "answered"] * 2
