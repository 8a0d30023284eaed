"""Hints against the sandbox's notifications: they tell when to look, and nothing of the result rests on them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from importer.core.errors import Interrupted
from importer.core.plan import Environment, PlanRow
from importer.core.states import is_final, state_of
from importer.core.verdicts import Verdict
from importer.flow.run import Ending, Running
from importer.sandbox.clock import HandClock
from importer.sandbox.queues import queue_id
from importer.sandbox.scenario import Fault, Limit, Scenario
from importer.sandbox.server import Sandbox
from importer.sandbox.workitems.channels import Channel
from importer.sandbox.workitems.services import Services
from importer.sandbox.workitems.settings import WorkitemLife, WorkitemSettings
from importer.sandbox.workitems.worktypes import worktype_id
from importer.sandbox.workitems.world import Workitem
from importer.targets.exchange import Credentials, Endpoints, Exchange
from importer.targets.transport import HttpTransport, Timeouts
from importer.targets.workitems.notifications import Notifications
from importer.targets.workitems.target import WorkitemsTarget
from tests.flow.conftest import LAG_S, Office, ids
from tests.harness.plans import one_column_plan, one_column_row

BILLING, ONBOARDING = queue_id("Billing"), queue_id("Onboarding")
LOOKS = ("workitem_query", "workitem_get")
SOON_S = 7.0
"""Hints of five seconds share calls, and the index lags by one."""
OWN = ("channel_create", "subscription_add", "subscription_clear")
MINUTES = WorkitemLife(
    started=(1, 5), alerting=(10, 60), flash=(1, 3), connected=(2, 20), disconnected=(30, 90), closed=(5, 40)
)
LATE = WorkitemLife(started=(1, 1), alerting=(600, 600), connected=(1000, 1000), timeout=0, declined=0)
NEVER = WorkitemLife(started=(1, 2), alerting=(7200, 7200))


class Floor:
    """An office whose workitems are followed with hints, or without."""

    def __init__(self, office: Office, *, hints: bool) -> None:
        self.office = office
        sandbox, clock = office.sandbox, office.clock
        transport = HttpTransport(Timeouts(10.0, 10.0))
        endpoints = Endpoints(sandbox.api_url, sandbox.login_url)
        credentials = Credentials(sandbox.client_id, sandbox.client_secret)
        exchange = Exchange(endpoints, credentials, office.pace, clock, transport)
        self.hints = Notifications(exchange, clock, transport, sandbox.api_url)
        self.target = WorkitemsTarget(exchange, clock, sandbox.client_id, hints=self.hints if hints else None)

    def opens(self, number: int, queues: Sequence[str] = (BILLING,)) -> str:
        """A run of so many workitems of the worktype Case, spread over the queues; a blank: in none."""
        sandbox = self.office.sandbox
        environment = Environment("workitems", sandbox.api_url, sandbox.client_id)
        preview = one_column_plan(environment, {Verdict.READY: number})
        rows = [_row(n, tag, queues[n % len(queues)]) for n, tag in enumerate(ids(number))]
        self.running().open("run", preview, rows, None, "reports", {})
        return "run"

    def running(self, **how: Any) -> Running:
        """See Office.running."""
        running = self.office.running(lag_s=LAG_S, **how)
        running.target = self.target
        return running

    async def follows(self, number: int = 20, queues: Sequence[str] = (BILLING,), **how: Any) -> Ending:
        """A run of so many, carried on until it rests."""
        running = self.running(**{"track": "closed", **how})
        return await self.office.driven(running.carry_on(self.opens(number, queues)))

    def looks(self) -> int:
        """How many calls looked at states."""
        return len(self.office.visits(*LOOKS))

    def calls(self) -> list[str]:
        """The calls about notifications, in their order."""
        return [visit.operation for visit in self.office.visits(*OWN)]

    def channels(self) -> list[Channel]:
        """The sandbox's channels, oldest first."""
        return self.office.sandbox.service.platform.channels.of(self.office.sandbox.client_id, self.now())

    def now(self) -> float:
        """The sandbox's time."""
        return self.office.sandbox.clock.now()

    def notes(self) -> list[str]:
        """What was told about hints that do not come."""
        return [numbers["problem"] for event, numbers in self.office.events if event == "not heard"]

    def histories_are_whole(self) -> bool:
        """Whether every history is the sandbox's own, to its end."""
        items = self.office.sandbox.world.workitems.workitems.values()
        now = self.now()
        true = {str(item.values(now)["externalTag"]): _states(item, now) for item in items}
        told = {row.external_id: [each.state for each in row.states] for row in self.office.rows("run")}
        return told == true and all(is_final(row.state) for row in self.office.rows("run"))


def _states(item: Workitem, now: float) -> list[str]:
    found = [state_of(each.values["statusCategory"], each.values["assignmentState"]) for each in item.versions(now)]
    return [state for n, state in enumerate(found) if n == 0 or found[n - 1] != state]


def _row(n: int, tag: str, queue: str) -> PlanRow:
    body = {"externalTag": tag, "name": f"Case {tag}", "typeId": worktype_id("Case" if queue else "Callback")}
    return one_column_row(n + 2, tag, {**body, "queueId": queue} if queue else body)


@asynccontextmanager
async def a_floor(
    folder: Path, *, hints: bool = True, life: WorkitemLife = MINUTES, denied: Sequence[str] = (), **services: Any
) -> AsyncIterator[Floor]:
    """A floor beside a sandbox of seed 7."""
    hand = HandClock()
    scenario = Scenario(
        unique=False,
        limit=Limit(calls=0),
        platform_tokens=True,
        workitems=WorkitemSettings(life=life, denied_permissions=tuple(denied)),
        services=Services.model_validate(services),
    )
    async with Sandbox(scenario, seed=7, clock=hand) as sandbox:
        office = Office(sandbox, hand, folder)
        floor = Floor(office, hints=hints)
        try:
            yield floor
        finally:
            await floor.target.close()
            await office.closes()


def seen_after_s(floor: Floor, state: str) -> float:
    """So long after it truly came, the state was seen in the run's one workitem."""
    (item,) = floor.office.sandbox.world.workitems.workitems.values()
    came = next(each.at for each in item.versions(floor.now()) if each.values["assignmentState"] == state)
    (row,) = floor.office.rows("run")
    seen = next(each.at for each in row.states if each.state.endswith(f"/{state}"))
    return datetime.fromisoformat(seen).timestamp() - came


# When to look


async def test_hint_makes_a_look_due(tmp_path: Path) -> None:
    """A change is seen within seconds though the next poll is minutes away."""
    async with a_floor(tmp_path, life=LATE) as floor:
        await floor.follows(1, track_for_s=2000.0, audit=False)
        assert seen_after_s(floor, "Alerting") <= SOON_S


async def test_lost_events_cost_time_alone(tmp_path: Path) -> None:
    """Where no event ever comes, a change is seen by a poll within five minutes."""
    async with a_floor(tmp_path, life=LATE, events_lost=1) as floor:
        await floor.follows(1, track_for_s=2000.0, audit=False)
        assert SOON_S < seen_after_s(floor, "Alerting") <= 300 + SOON_S


async def test_lost_channel_brings_polls_back(tmp_path: Path) -> None:
    """Where the channel is lost for good minutes before the next poll, polls are at once as frequent as without hints."""
    async with a_floor(tmp_path, life=LATE) as floor:
        run, running = floor.opens(1), floor.running(track="closed", track_for_s=1000.0, audit=False)
        carrying = asyncio.ensure_future(floor.office.driven(running.carry_on(run)))
        began = floor.now()
        while floor.now() - began < 560:  # noqa: ASYNC110 - the loop's turns are what is waited for
            await asyncio.sleep(0)
        floor.office.sandbox.breaks(Fault(operation="channel_create", kind="status:403"))
        floor.office.sandbox.service.platform.channels.end(floor.channels()[0])
        await carrying
        assert len(floor.notes()) == 1
        assert SOON_S < seen_after_s(floor, "Alerting") <= 30 + SOON_S


@pytest.mark.parametrize("lost", [0, 0.5, 1])
async def test_histories_are_whole_with_hints(tmp_path: Path, lost: float) -> None:
    """However many events are lost, every history is the sandbox's own, to its end."""
    async with a_floor(tmp_path, events_lost=lost) as floor:
        assert (await floor.follows(queues=(BILLING, ONBOARDING, ""))).problem is None
        assert floor.histories_are_whole()
        assert floor.notes() == []


async def test_hints_save_calls(tmp_path: Path) -> None:
    """With hints, workitems that nobody works on are looked at a quarter as often."""
    looks = []
    for hints in (True, False):
        async with a_floor(tmp_path / str(hints), hints=hints, life=NEVER) as floor:
            await floor.follows(track_for_s=1800.0, audit=False)
            looks.append(floor.looks())
    assert looks[0] * 4 <= looks[1]


async def test_workitem_without_queue_is_polled_as_before(tmp_path: Path) -> None:
    """Where no workitem is in a queue, no channel is opened, and it is polled as without hints."""
    looks = []
    for hints in (True, False):
        async with a_floor(tmp_path / str(hints), hints=hints, life=NEVER) as floor:
            await floor.follows(3, queues=("",), track_for_s=300.0, audit=False)
            assert floor.calls() == []
            looks.append(floor.looks())
    assert looks[0] == looks[1]


# The channel


async def test_channel_is_left_clean(tmp_path: Path) -> None:
    """At the end the subscription is deleted and nobody listens; one channel was enough."""
    async with a_floor(tmp_path) as floor:
        await floor.follows()
        assert floor.calls() == ["channel_create", "subscription_add", "subscription_clear"]
        (channel,) = floor.channels()
        assert (channel.topics, channel.listener) == ({}, None)


async def test_stop_leaves_the_channel_clean(tmp_path: Path) -> None:
    """A run that is interrupted while it is followed deletes its subscription."""
    async with a_floor(tmp_path, life=NEVER) as floor:
        run, running = floor.opens(5), floor.running(track="closed")

        def tell(event: str, numbers: Any) -> None:
            if event == "tracked" and floor.hints.hears(BILLING):
                running.stop(Interrupted(130))

        running.progress = tell
        ending = await floor.office.driven(running.carry_on(run))
        assert isinstance(ending.problem, Interrupted)
        assert floor.calls()[-1] == "subscription_clear"
        assert floor.channels()[0].listener is None


async def test_announced_end_is_followed_by_a_new_websocket(tmp_path: Path) -> None:
    """A websocket whose end is announced is left for a new one of the same channel, and nobody is told."""
    async with a_floor(tmp_path, closing_after_s=70, closing_grace_s=10) as floor:
        await floor.follows()
        assert floor.calls().count("channel_create") == 1
        assert floor.calls().count("subscription_add") >= 3
        assert floor.histories_are_whole()
        assert floor.notes() == []


async def test_channel_that_another_took_is_left_to_him(tmp_path: Path) -> None:
    """When another websocket takes the channel, hints come by a new one, and nobody is told."""
    async with a_floor(tmp_path) as floor:
        run, running = floor.opens(20), floor.running(track="closed")
        carrying = asyncio.ensure_future(floor.office.driven(running.carry_on(run)))
        while not floor.hints.hears(BILLING):  # noqa: ASYNC110 - the loop's turns are what is waited for
            await asyncio.sleep(0)
        address = floor.office.sandbox.api_url.replace("http:", "ws:") + f"/channels/{floor.channels()[0].id}"
        async with ClientSession() as session, session.ws_connect(address):
            await carrying
        assert floor.calls().count("channel_create") == 2
        assert floor.notes() == []
        assert floor.histories_are_whole()


async def test_rejected_topics_are_polled_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where no topic is permitted, the missing permission is told once, and the run is polled to its end."""
    need = "some:workitem:view"
    async with a_floor(tmp_path, topic_permission=need, denied=(need,)) as floor:
        assert (await floor.follows(queues=(BILLING, ONBOARDING))).problem is None
        assert floor.calls().count("subscription_add") == 1
        assert floor.notes() == [f"no queue may be heard; it needs {need}"]
        assert floor.histories_are_whole()
    rejected = [record for record in caplog.records if record.getMessage() == "topic rejected"]
    assert [record.__dict__["missing"] for record in rejected] == [[need], [need]]


KINDS = ("status:401", "status:403", "status:404", "status:429", "status:503", "reset_after", "html")


@pytest.mark.parametrize("operation", ["channel_create", "subscription_add", "subscription_clear"])
@pytest.mark.parametrize("kind", KINDS)
async def test_refused_notifications_fail_no_run(tmp_path: Path, operation: str, kind: str) -> None:
    """Whatever the platform answers to the calls about notifications, the run ends well; trouble is told once."""
    async with a_floor(tmp_path) as floor:
        floor.office.sandbox.breaks(Fault.model_validate({"operation": operation, "kind": kind}))
        assert (await floor.follows(4)).problem is None
        assert floor.histories_are_whole()
        assert len(floor.notes()) == (operation != "subscription_clear")


async def test_long_wait_of_channels_holds_no_run(tmp_path: Path) -> None:
    """A day's Retry-After to the channel holds the run's own calls for a minute at most."""
    async with a_floor(tmp_path) as floor:
        floor.office.sandbox.breaks(Fault(operation="channel_create", kind="status:429", retry_after=86_400))
        assert (await floor.follows(4)).problem is None
        assert floor.office.pace.waits == [60.0]


async def test_websocket_elsewhere_is_not_called(tmp_path: Path) -> None:
    """A channel whose address is on another host is not listened to; that is told, and the run is polled to its end."""
    body = '{"id": "c", "connectUri": "wss://streaming.example.org/channels/c"}'
    async with a_floor(tmp_path) as floor:
        floor.office.sandbox.breaks(Fault(operation="channel_create", kind="html", body=body))
        assert (await floor.follows(4)).problem is None
        assert floor.notes() == ["the channel's address is none of this region's"]
        assert floor.calls() == ["channel_create"]
        assert floor.histories_are_whole()


async def test_a_channel_takes_a_thousand_queues(tmp_path: Path) -> None:
    """Of more queues than a channel takes, the first thousand are heard."""
    queues = [f"00000000-0000-4000-8000-{n:012}" for n in range(1001)]
    async with a_floor(tmp_path) as floor, floor.hints.listening(queues):
        while not (floor.hints.hears(queues[0]) or floor.hints.problem):  # noqa: ASYNC110 - the loop's turns are what is waited for
            await asyncio.sleep(0)
        assert floor.hints.hears(queues[999])
        assert not floor.hints.hears(queues[1000])
