"""The preflight against the real sandbox: each line that is not fine has a world that causes it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from importer.core.health import Line, Sign, exit_code
from importer.flow.doctor import RATE_LIMIT, TASK_NEEDS, WORKITEM_NEEDS, WORKITEM_UNSEEN, Doctor, Need
from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import Fault, Limit, Scenario
from importer.sandbox.server import Sandbox
from importer.sandbox.workitems.services import Services
from importer.sandbox.workitems.settings import WorkitemSettings
from importer.targets.examination import Examination
from importer.targets.exchange import Credentials, Endpoints, Exchange
from importer.targets.transport import HttpTransport, Timeouts
from tests.flow.conftest import FreePace
from tests.targets.conftest import ForwardClock

SECRET = "canary-secret-4711"
RATE = (300, 60.0)
MISSING = Sign.WRONG, Sign.WARNING


def world(**settings: object) -> Scenario:
    """The sandbox's usual organisation without a rate limit, its platform set as told."""
    services = Services.model_validate({k: v for k, v in settings.items() if k in Services.model_fields})
    rest = {k: v for k, v in settings.items() if k in WorkitemSettings.model_fields}
    other = {k: v for k, v in settings.items() if k not in services.model_fields_set | rest.keys()}
    workitems = WorkitemSettings.model_validate(rest)
    return Scenario.model_validate({"limit": Limit(calls=0), "workitems": workitems, "services": services, **other})


async def examined(
    url: str, client: tuple[str, str], *, target: str = "workitems", rate: tuple[int, float] = RATE, ahead_s: float = 0
) -> dict[str, Line]:
    """The lines about a target by what they check; this machine's clock goes `ahead_s` before the service's."""
    hand = HandClock()
    hand.advance(ahead_s)
    clock = ForwardClock(hand)
    transport = HttpTransport(Timeouts(5.0, 5.0))
    exchange = Exchange(Endpoints(url, url), Credentials(*client), FreePace(clock), clock, transport)
    lines: dict[str, Line] = {}

    def tell(line: Line) -> None:
        assert line.check not in lines, f"{line.check} is told twice"
        lines[line.check] = line

    try:
        await Doctor(Examination(exchange, clock), rate, tell).examine(target)
    finally:
        await exchange.close()
    return lines


async def seen(
    scenario: Scenario, *, secret: str = "", client_id: str = "", target: str = "workitems",
    rate: tuple[int, float] = RATE, ahead_s: float = 0, service_ahead_s: float = 0, faults: Sequence[Fault] = (),
) -> dict[str, Line]:  # fmt: skip
    """The lines about a sandbox of that scenario, with its own credentials unless told."""
    hand = HandClock()
    hand.advance(service_ahead_s)
    async with Sandbox(scenario, seed=7, clock=hand) as sandbox:
        sandbox.breaks(*faults)
        client = client_id or sandbox.client_id, secret or sandbox.client_secret
        lines = await examined(sandbox.api_url, client, target=target, rate=rate, ahead_s=ahead_s)
        assert not sandbox.world.tasks
        assert not sandbox.world.workitems.workitems
    return lines


def signs(lines: dict[str, Line], *wanted: Sign) -> set[str]:
    """What has one of these signs."""
    return {check for check, line in lines.items() if line.sign in wanted}


# A healthy organisation


async def test_doctor_finds_nothing_in_a_healthy_organisation() -> None:
    """Where all is well no line is a warning or wrong, the exit code is 0, and what cannot be probed is told as such."""
    lines = await seen(world())
    assert signs(lines, *MISSING) == set()
    assert exit_code(lines.values()) == 0
    assert {f"permission {name}" for name in WORKITEM_UNSEEN} <= signs(lines, Sign.UNCHECKED)
    assert signs(lines, Sign.FINE) >= {
        "log-in", "organization", "OAuth client", "roles", "clock", "worktypes", "queues", "rate", "look-ups",
    }  # fmt: skip


async def test_doctor_names_organisation_client_roles_and_divisions() -> None:
    """Organisation and client are told by name and ID, each role by its ID with the divisions' names."""
    lines = await seen(world())
    assert "Example Contact Centre (" in lines["organization"].found
    assert lines["OAuth client"].found.startswith("Importer (")
    assert lines["roles"].found.endswith(" in Home, North")


async def test_doctor_sends_every_advice_with_what_is_not_fine() -> None:
    """Whatever is a warning or wrong says what to do; what is fine has nothing to do."""
    lines = await seen(world(denied_permissions=("workitems:workitem:view", "audits:audit:view")), rate=(6000, 60.0))
    assert signs(lines, *MISSING)
    for line in lines.values():
        assert bool(line.advice) == (line.sign in MISSING) or line.sign is Sign.UNCHECKED, line


# Log-in


async def test_doctor_tells_a_wrong_secret() -> None:
    """A wrong secret is wrong with exit code 6; nothing else is asked."""
    lines = await seen(world(), secret="wrong")
    assert signs(lines, Sign.WRONG) == {"log-in"}
    assert "401" in lines["log-in"].found
    assert "GENESYS_CLIENT_SECRET" in lines["log-in"].advice
    assert signs(lines, Sign.UNCHECKED) == {"the rest"}
    assert exit_code(lines.values()) == 6


BUSY = '{"error": "invalid_request", "description": "x", "error_description": "rate limit exceeded; try later"}'


async def test_doctor_tells_an_unknown_client() -> None:
    """A client that the region does not know is wrong with exit code 6, and the region is named as what to check."""
    lines = await seen(world(platform_tokens=True), client_id="somebody-else")
    assert lines["log-in"].sign is Sign.WRONG
    assert "client not found" in lines["log-in"].found
    assert "region" in lines["log-in"].advice
    assert exit_code(lines.values()) == 6


async def test_doctor_waits_where_log_ins_are_limited() -> None:
    """A log-in host that is asked too often is waited for, and that is a warning."""
    lines = await seen(world(), faults=[Fault(operation="token", kind="status:400", body=BUSY, times=2)])
    assert lines["log-in"].sign is Sign.WARNING
    assert "repeated 2×" in lines["log-in"].found
    assert exit_code(lines.values()) == 0


async def test_doctor_tells_a_service_that_is_down() -> None:
    """A log-in host in trouble is wrong with exit code 7, and nothing speaks of a run to resume."""
    lines = await seen(world(), faults=[Fault(operation="token", kind="status:503")])
    assert lines["log-in"].sign is Sign.WRONG
    assert "resume" not in lines["log-in"].advice
    assert exit_code(lines.values()) == 7


async def test_doctor_stops_where_the_service_goes_down() -> None:
    """What was learned before is told, then the failure with exit code 7, then that the rest was not asked."""
    lines = await seen(world(), faults=[Fault(operation="worktype_query", kind="status:503")])
    assert lines["log-in"].sign is Sign.FINE
    assert lines["permissions"].sign is Sign.WRONG
    assert list(lines)[-1] == "the rest"
    assert exit_code(lines.values()) == 7


# Clock


@pytest.mark.parametrize(("ahead_s", "service_ahead_s", "word"), [(90, 0, "ahead of"), (0, 90, "behind")])
async def test_doctor_tells_a_clock_that_is_off(ahead_s: float, service_ahead_s: float, word: str) -> None:
    """More than 60 s between this machine's clock and the service's Date is a warning that says which is ahead."""
    lines = await seen(world(), ahead_s=ahead_s, service_ahead_s=service_ahead_s)
    assert lines["clock"].sign is Sign.WARNING
    assert word in lines["clock"].found


async def test_doctor_bears_a_clock_that_is_a_little_off() -> None:
    """A minute is borne."""
    assert (await seen(world(), ahead_s=58))["clock"].sign is Sign.FINE


# Permissions


@pytest.mark.parametrize("need", [need for need in WORKITEM_NEEDS if ":" in need.name], ids=lambda need: need.name)
async def test_doctor_names_each_missing_permission(need: Need) -> None:
    """A missing permission is told by its name: wrong, with exit code 6, where no run can do without it, else a warning."""
    lines = await seen(world(denied_permissions=(need.name,)))
    line = lines[f"permission {need.name}"]
    assert line.sign is (Sign.WRONG if need.must else Sign.WARNING)
    assert "missing.permissions" in line.found
    assert "role" in line.advice
    assert exit_code(lines.values()) == (6 if need.must else 0)


async def test_doctor_lists_no_queues_without_their_permission() -> None:
    """Without routing:queue:view queues are not judged, and are not told to be missing."""
    lines = await seen(world(denied_permissions=("routing:queue:view",)))
    assert {"queues", "divisions"} <= signs(lines, Sign.UNCHECKED)


@pytest.mark.parametrize(("name", "flag"), [("bulkAddJob:view", "--no-bulk"), ("bulkAddJobResults:view", "--no-bulk")])
async def test_doctor_says_what_does_without_a_permission(name: str, flag: str) -> None:
    """Where a run can do without a missing permission, the option for it is named."""
    lines = await seen(world(denied_permissions=(f"workitems:{name}",)))
    assert flag in lines[f"permission workitems:{name}"].advice


async def test_doctor_names_the_missing_permission_for_audits() -> None:
    """Without audits:audit:view there is a warning, and no service is judged."""
    lines = await seen(world(denied_permissions=("audits:audit:view",)))
    assert lines["permission audits:audit:view"].sign is Sign.WARNING
    assert {"audits", "audits, realtime"} <= signs(lines, Sign.UNCHECKED)


# Worktypes, queues and divisions


async def test_doctor_tells_a_worktype_whose_division_has_no_queue() -> None:
    """A worktype in a division without a queue that can be seen is a warning that names both."""
    lines = await seen(world(denied_divisions={"routing:queue:view": ("North",)}))
    assert lines["divisions"].sign is Sign.WARNING
    assert "(North)" in lines["divisions"].found


async def test_doctor_tells_that_no_worktype_can_be_seen() -> None:
    """Without a worktype nothing can be created: wrong, with exit code 6."""
    lines = await seen(world(denied_divisions={"workitems:worktype:view": ("Home", "North")}))
    assert lines["worktypes"].sign is Sign.WRONG
    assert lines["divisions"].sign is Sign.UNCHECKED
    assert exit_code(lines.values()) == 6


async def test_doctor_tells_that_no_queue_can_be_seen() -> None:
    """Without a queue a run is possible, with a warning."""
    lines = await seen(world(denied_divisions={"routing:queue:view": ("Home", "North")}))
    assert lines["queues"].sign is Sign.WARNING
    assert lines["divisions"].sign is Sign.UNCHECKED


async def test_doctor_tells_a_region_without_work_automation() -> None:
    """Where the platform has no such path, worktypes are wrong, with exit code 7."""
    lines = await seen(world(), faults=[Fault(operation="worktype_query", kind="status:404")])
    assert lines["worktypes"].sign is Sign.WRONG
    assert exit_code(lines.values()) == 7


@pytest.mark.parametrize(("takes", "sign"), [(True, Sign.FINE), (False, Sign.UNCHECKED)])
async def test_doctor_finds_out_whether_tags_are_looked_up_together(takes: bool, sign: Sign) -> None:
    """Whether IN works with externalTag is asked, not assumed."""
    assert (await seen(world(in_external_tag=takes)))["look-ups"].sign is sign


# Limits and audits


@pytest.mark.parametrize(
    ("rate", "limit", "sign"),
    [((300, 60.0), 300, Sign.FINE), ((301, 60.0), 300, Sign.WARNING), ((5, 1.0), 240, Sign.WARNING), ((10, 1.0), 600, Sign.FINE)],
)  # fmt: skip
async def test_doctor_compares_the_rate_with_the_tokens_limit(rate: tuple[int, float], limit: int, sign: Sign) -> None:
    """A rate beyond the limit in force is a warning that names the limit."""
    lines = await seen(world(limits={"platform.api": {RATE_LIMIT: limit}}), rate=rate)
    assert lines["rate"].sign is sign
    assert f"allowed {limit}" in lines["rate"].found
    assert (f"{limit}/min" in lines["rate"].advice) == (sign is Sign.WARNING)


@pytest.mark.parametrize(("rate", "sign"), [((300, 60.0), Sign.UNCHECKED), ((10, 1.0), Sign.WARNING)])
async def test_doctor_goes_by_the_documents_where_no_limit_is_told(rate: tuple[int, float], sign: Sign) -> None:
    """Where the limits cannot be read, a rate beyond 300 a minute is a warning."""
    lines = await seen(world(limits_are_told=False), rate=rate)
    assert lines["rate"].sign is sign
    assert {"limits platform.api", "limits task.management", "limits audit"} <= signs(lines, Sign.UNCHECKED)


async def test_doctor_prints_the_limits_in_force() -> None:
    """Each limit of workitems is told by its key, as the platform names it."""
    lines = await seen(world(limits={"task.management": {"some.new.limit": 1234}}))
    assert "some.new.limit 1,234" in lines["limits task.management"].found


@pytest.mark.parametrize(("audited", "sign"), [(True, Sign.FINE), (False, Sign.UNCHECKED)])
async def test_doctor_tells_whether_workitems_are_audited(audited: bool, sign: Sign) -> None:
    """Both service mappings are asked; where workitems are not in them, the history is named as what counts."""
    lines = await seen(world(workitem_audits=audited))
    for name in ("audits", "audits, realtime"):
        assert lines[name].sign is sign
        assert ("history" in lines[name].advice) == (not audited)


# The founding API


async def test_doctor_finds_nothing_in_a_healthy_tasks_target() -> None:
    """Where all scopes are listed nothing is wrong."""
    lines = await seen(world(), target="tasks")
    assert signs(lines, *MISSING) == set()
    assert {"log-in", "scopes", "clock", "scope task:create"} <= signs(lines, Sign.FINE)


@pytest.mark.parametrize("scope", ["queue:view", "task:view", "audit:view", "task:create"])
async def test_doctor_names_each_missing_scope(scope: str) -> None:
    """A scope that is missing is told by its name: wrong where no run can do without it, else a warning."""
    scopes = {need.name for need in TASK_NEEDS} | {"task:create"}
    lines = await seen(world(scopes=tuple(scopes - {scope})), target="tasks")
    must = scope != "audit:view"
    assert lines[f"scope {scope}"].sign is (Sign.WRONG if must else Sign.WARNING)
    assert exit_code(lines.values()) == (6 if must else 0)


async def test_doctor_says_that_scopes_are_not_listed() -> None:
    """Where the log-in lists no scopes, what cannot be probed is not checked."""
    lines = await seen(world(scope_told=False), target="tasks")
    assert {"scopes", "scope task:create"} <= signs(lines, Sign.UNCHECKED)


# Answers that no sandbox gives


@asynccontextmanager
async def answering(answer: Callable[[str], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """A server that logs everyone in and answers each path as told."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/oauth/token":
            return web.json_response({"access_token": "canary-token-0815"})
        return await answer(request.path)

    runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


ODD: list[object] = [{}, {"entities": None}, {"entities": [None, 5, {}]}, {"services": "x"}, {"OAuthClient": []}]


@pytest.mark.parametrize("body", ODD, ids=str)
async def test_doctor_bears_answers_that_make_no_sense(body: object) -> None:
    """Whatever shape the answers have, the doctor tells its lines to the end."""

    async def odd(path: str) -> web.Response:
        await asyncio.sleep(0)
        return web.json_response(body)

    async with answering(odd) as url:
        lines = await examined(url, ("me", SECRET))
    assert "audits, realtime" in lines
    assert lines["roles"].sign is Sign.WARNING


async def test_doctor_says_that_a_token_tells_nothing() -> None:
    """Where tokens/me cannot be read there is a warning, and everything else is asked all the same."""

    async def refusing(path: str) -> web.Response:
        await asyncio.sleep(0)
        return web.json_response({"code": "not.authorized"}, status=403)

    async with answering(refusing) as url:
        lines = await examined(url, ("me", SECRET))
    assert lines["organization"].sign is Sign.WARNING
    assert lines["permission workitems:workitem:view"].sign is Sign.WRONG
    assert "audits, realtime" in lines
