"""The importer's own target keeps the contract: whatever it sends to the sandbox, and whatever that answers, is judged."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from importer.core.facts import Facts
from importer.core.outcomes import Created
from importer.core.task import TaskRequest
from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import load
from importer.sandbox.server import Sandbox
from importer.targets.exchange import Credentials, Endpoints, Exchange
from importer.targets.transport import HttpTransport, Timeouts
from importer.targets.workitems.target import WorkitemsTarget
from tests.contract.caller import ITEMS
from tests.contract.recorder import Recorder, assert_no_breach
from tests.flow.conftest import FreePace, TurnedClock

Run = Callable[[Recorder, Sandbox, HandClock], Awaitable[None]]


def _exchange(recorder: Recorder, sandbox: Sandbox, clock: TurnedClock) -> Exchange:
    """A conversation by way of the recorder."""
    credentials = Credentials(sandbox.client_id, sandbox.client_secret)
    return Exchange(
        Endpoints(recorder.url, recorder.url), credentials, FreePace(clock), clock, HttpTransport(Timeouts())
    )


async def exchange(recorder: Recorder, sandbox: Sandbox, clock: HandClock) -> None:
    """What every target stands on: the log-in, reads, a token that is renewed when it has run out."""
    exchange = _exchange(recorder, sandbox, TurnedClock(clock))
    try:
        await exchange.log_in([])
        for path in ("/api/v2/tokens/me", "/api/v2/routing/queues?pageSize=100&pageNumber=1", ITEMS + "/schemas"):
            assert (await exchange.get(path, needs="")).status == 200
            sandbox.tokens_expire()
    finally:
        await exchange.close()


class Hasty(TurnedClock):
    """A clock that a sleep puts forward, the server's too."""

    async def sleep(self, seconds: float) -> None:
        self.hand.advance(seconds)


REQUEST: TaskRequest = {
    "external_id": "C-1", "name": "All that a row can name", "worktype": "Complaint", "workbin": "Complaints",
    "queue": "Billing", "priority": 7, "description": "words", "skills": ["Invoices", "Escalation"], "language": "German",
    "assignee": "user1@example.com", "due": "2027-02-01T12:00:00.000Z", "expires": "2027-02-02T12:00:00.000Z",
    "duration": 900, "attributes": {},
}  # fmt: skip


async def workitems(recorder: Recorder, sandbox: Sandbox, clock: HandClock) -> None:
    """A run's whole way: names, look-ups, a create, a job that is started and one that is not, states, histories, audits."""
    turned = Hasty(clock)
    exchange = _exchange(recorder, sandbox, turned)
    target = WorkitemsTarget(exchange, turned, sandbox.client_id)
    try:
        await target.log_in(())
        assert (await target.vocabulary()).attributes
        assert (await target.choices())[1]
        known = await target.references([REQUEST])
        facts = Facts(await target.queues(["Billing", "nowhere"]), references=known.found)
        assert all(len(found) == 1 for found in known.found.values())
        now = turned.now()
        request: TaskRequest = {**REQUEST, "due": _in(now, 10), "expires": _in(now, 11)}
        bodies = [target.payload({**request, "external_id": f"C-{n}"}, facts) for n in range(1, 9)]
        payloads = [target.opened(body, "run", now) for body in bodies]
        scope = target.scope(bodies[0])
        single = await target.create(payloads[0], "C-1", _yes)
        assert isinstance(single, Created)
        made = await _by_job(target, payloads[1:])
        turned.hand.advance(60.0)
        tags = [f"C-{n}" for n in range(1, 9)]
        for fresh in (False, True):
            assert set(await target.find(tags, scope, fresh=fresh)) == set(tags)
        ids = [single.task_id, *made]
        assert set(await target.states(ids, scope)) == set(await target.states(ids)) == set(ids)
        await target.begin_audits(now)
        assert (await target.audits(single.task_id)).states
        assert await target.probe()
    finally:
        await target.close()


async def _by_job(target: WorkitemsTarget, payloads: list[str]) -> list[str]:
    """One job that is deleted before it begins, and one that makes workitems; their IDs."""
    assert target.bulk is not None
    idle = await target.bulk.prepare(payloads)
    assert isinstance(idle, str)
    assert await target.bulk.discard(idle)
    job = await target.bulk.prepare(payloads)
    assert isinstance(job, str)
    assert await target.bulk.start(job, _yes) is None
    while (await target.bulk.read(job)).state != "over":
        await target.search.clock.sleep(1.0)
    answers = await target.bulk.answers(job, payloads)
    return [answer.task_id for answer in answers if isinstance(answer, Created)]


async def _yes() -> bool:
    return True


def _in(now: datetime, days: int) -> str:
    return (now + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


# What runs are judged: each calls `recorder.url`, for the log-in too, with the sandbox's client ID and secret, and at
# least so often; fewer calls are no proof.
RUNS: dict[str, tuple[Run, int]] = {"exchange": (exchange, 8), "workitems": (workitems, 25)}


@pytest.fixture(params=["workitems", "workitems-live", "workitems-odd"])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    """A sandbox that speaks workitems, in each of the ways that the facts leave open, with a clock turned by hand."""
    async with Sandbox(load(request.param), seed=7, clock=HandClock()) as sandbox:
        yield sandbox


@pytest.mark.parametrize("name", RUNS)
async def test_target_keeps_the_contract(name: str, sandbox: Sandbox) -> None:
    """No request of the target breaks a rule of the platform's definition, and no answer that it gets."""
    assert isinstance(sandbox.clock, HandClock)
    async with Recorder(sandbox.api_url) as recorder:
        run, least = RUNS[name]
        await run(recorder, sandbox, sandbox.clock)
        assert_no_breach(recorder, least=least)
