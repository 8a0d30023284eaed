"""What holds for every operation of the platform: tokens, limits, faults, the journal, the world on disk."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import OPERATIONS, Fault, Scenario, ScenarioError, load, parse
from importer.sandbox.server import Sandbox
from importer.sandbox.workitems import names, routes
from importer.sandbox.workitems.settings import WorkitemLife, WorkitemSettings
from importer.sandbox.workitems.worktypes import CALLBACK, CASE
from tests.harness.referee import read_journals
from tests.sandbox.conftest import UNLIMITED, Caller
from tests.sandbox.workitems.desk import BULK, QUERIES, WORKITEMS, code, fields, job, made, post, read, run, tags, where


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@pytest.fixture
def world(tmp_path: Path) -> Path:
    return tmp_path / "world.jsonl"


@pytest.fixture
async def sandbox(scenario: Scenario, clock: HandClock, journal: Path, world: Path) -> AsyncIterator[Sandbox]:
    """A sandbox that keeps a journal and a world."""
    async with Sandbox(scenario, seed=7, clock=clock, journal=journal, world=world) as sandbox:
        yield sandbox


def facts(journal: Path, kind: str) -> list[dict[str, Any]]:
    """The facts of one kind so far."""
    found = [json.loads(line) for line in journal.read_text("utf-8").splitlines()]
    return [fact for fact in found if fact["kind"] == kind]


def test_operations_have_the_names_that_scenarios_know() -> None:
    """Each operation's name is known to faults, and each name that faults know is an operation's."""
    assert sorted(each.name for each in routes.OPERATIONS) == sorted(names.OPERATION_NAMES)
    assert set(names.OPERATION_NAMES) < set(OPERATIONS)


# Tokens


@pytest.mark.parametrize(
    ("client_id", "secret", "status", "told"),
    [("stranger", "x", 400, "client not found"), (None, "wrong", 401, "authentication failed")],
)
async def test_token_refusals_tell_unknown_clients_from_wrong_secrets(
    caller: Caller, sandbox: Sandbox, client_id: str | None, secret: str, status: int, told: str
) -> None:
    """With platform_tokens an unknown client ID is a 400 and a wrong secret a 401; both are invalid_client."""
    sandbox.change(platform_tokens=True)
    answer = await caller.log_in(client_id, secret)
    assert answer == (status, {"error": "invalid_client", "description": told, "error_description": told})


async def test_token_requests_have_their_own_limit(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """Too many log-ins within a minute are a 400 invalid_request; a minute later one may log in again."""
    sandbox.change(tokens_per_minute=1)
    await caller.log_in()
    status, body = await caller.log_in()
    assert (status, body["error"]) == (400, "invalid_request")
    assert body["error_description"].startswith("rate limit exceeded;")
    clock.advance(60)
    assert (await caller.log_in())[0] == 200


# Limits and faults


async def test_rate_limit_has_the_platforms_body(caller: Caller, sandbox: Sandbox) -> None:
    """A 429 tells the seconds in its header and its message, in the platform's error body."""
    sandbox.change(limit={"calls": 1, "window_s": 3})
    await post(caller, "E-1")
    response = await caller.send("POST", WORKITEMS, json=fields("E-2"))
    body = await response.json()
    assert (response.status, response.headers["Retry-After"]) == (429, "3")
    assert (body["code"], body["messageParams"]) == ("too.many.requests.retry.after", {"seconds": "3"})


async def test_both_apis_share_one_limit(caller: Caller, sandbox: Sandbox) -> None:
    """Calls to tasks and to workitems are counted together."""
    sandbox.change(limit={"calls": 2, "window_s": 60})
    statuses = [(await caller.create("T-1"))[0], (await post(caller))[0], (await caller.create("T-2"))[0]]
    assert statuses == [201, 201, 429]


async def test_faults_are_aimed_at_operations(caller: Caller, sandbox: Sandbox) -> None:
    """A fault names an operation; its status comes in the platform's body, and other operations are spared."""
    sandbox.breaks(Fault(operation="workitem_get", kind="status:503", retry_after=7))
    workitem = await made(caller)
    response = await caller.send("GET", f"{WORKITEMS}/{workitem}")
    body = await response.json()
    assert (response.status, response.headers["Retry-After"]) == (503, "7")
    assert (body["code"], body["contextId"]) == ("service.unavailable", response.headers["ININ-Correlation-Id"])


async def test_fault_after_the_commit_leaves_a_workitem(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """A create that is answered with a 500 may have been done."""
    sandbox.breaks(Fault(operation="workitem_create", kind="error_after", status=500))
    assert await code(post(caller)) == (500, "internal.server.error")
    clock.advance(5)
    assert await tags(caller) == ["E-1"]


async def test_fault_same_page_repeats_a_cursors_page(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """A query that ignores its cursor answers the first page again."""
    for n in range(3):
        await made(caller, f"E-{n}")
    clock.advance(5)
    asked = {"filters": [where("typeId", CASE.id)], "pageSize": 1}
    _, first = await caller.call("POST", f"{WORKITEMS}/query", json=asked)
    sandbox.breaks(Fault(operation="workitem_query", kind="same_page"))
    _, again = await caller.call("POST", f"{WORKITEMS}/query", json={**asked, "after": first["after"]})
    assert again["entities"] == first["entities"]


async def test_faults_of_a_row_are_counted_for_tags(caller: Caller, sandbox: Sandbox) -> None:
    """With faults_per_row each tag is hit so often and no more."""
    sandbox.change(faults_per_row=1, faults=[{"operation": "workitem_create", "kind": "status:503"}])
    statuses = [(await post(caller, tag))[0] for tag in ("E-1", "E-1", "E-2", "E-2")]
    assert statuses == [503, 201, 503, 201]


async def test_fault_of_an_unknown_operation_is_refused() -> None:
    """A name that nothing has is an error with the nearest one."""
    with pytest.raises(ScenarioError, match="did you mean 'workitem_get'"):
        parse('[[faults]]\noperation = "workitem_gte"\nkind = "html"\n')


async def test_wrong_method_is_refused(caller: Caller) -> None:
    """A known path with another method is a 405 that tells those which it has."""
    response = await caller.send("PUT", WORKITEMS)
    assert (response.status, response.headers["Allow"]) == (405, "POST")


# The journal of what really happened


async def test_journal_tells_a_create(caller: Caller, journal: Path) -> None:
    """A create is noted with tag and hash when it was read, and as committed with the workitem's ID."""
    sent = fields("E-1")
    _, body = await caller.call("POST", WORKITEMS, json=sent)
    read_, committed = facts(journal, "read")[-1], facts(journal, "committed")[-1]
    assert (read_["external_id"], read_["sha256"]) == ("E-1", hashlib.sha256(json.dumps(sent).encode()).hexdigest())
    assert (committed["n"], committed["task_id"], committed["external_id"]) == (read_["n"], body["id"], "E-1")


async def test_journal_tells_a_bulk_job(caller: Caller, journal: Path) -> None:
    """The POST is noted with its tags and commits nothing; the PATCH commits each workitem."""
    await run(caller, await job(caller, fields("E-1"), fields("E-2")))
    (asked,) = facts(journal, "read")
    assert (asked["external_id"], asked["external_ids"]) == (None, ["E-1", "E-2"])
    committed = facts(journal, "committed")
    assert [each["external_id"] for each in committed] == ["E-1", "E-2"]
    (patch,) = (each for each in facts(journal, "arrived") if each["operation"] == "bulk_add_patch")
    assert {each["n"] for each in committed} == {patch["n"]}


async def test_journal_of_workitems_is_read_by_the_referee(caller: Caller, journal: Path) -> None:
    """The referee finds the creates with their tags, and every workitem, those of bulk jobs too, as a commit."""
    await made(caller, "E-1")
    await run(caller, await job(caller, fields("E-2"), fields("E-3")))
    calls, commits, whole_world = read_journals([journal])
    assert [call.external_id for call in calls if call.external_id is not None] == ["E-1"]
    assert [commit.external_id for commit in commits] == ["E-1", "E-2", "E-3"]
    assert [commit.task_id for commit in commits] == [each["id"] for each in caller.sandbox.journal()["tasks"]]
    assert whole_world


async def test_journal_counts_calls_by_operation(caller: Caller, sandbox: Sandbox) -> None:
    """Calls of a row can be counted."""
    workitem = await made(caller)
    await read(caller, workitem)
    await read(caller, workitem)
    assert sandbox.journal()["calls"] == {"token": 1, "workitem_create": 1, "workitem_get": 2}
    assert sandbox.journal()["committed"] == 1


# The world on disk


async def test_world_comes_back_as_it_was(
    caller: Caller, sandbox: Sandbox, clock: HandClock, world: Path, scenario: Scenario
) -> None:
    """Workitems with their lives and changes, and jobs of both kinds, are the same after a restart."""
    await made(caller, "E-1")
    sandbox.change(workitems={"life": {"timeout": 1, "declined": 0, "closed_terminates": "never"}})
    changed = await made(caller, "E-2", typeId=CALLBACK.id)
    clock.advance(0.25)
    await caller.call("PATCH", f"{WORKITEMS}/{changed}", json={"priority": 5, "externalTag": "E-2b"})
    ended = await made(caller, "E-3")
    await caller.call("POST", f"{WORKITEMS}/{ended}/terminate", json={})
    idle, gone, done = [await job(caller, fields(f"J-{n}")) for n in range(3)]
    await caller.send("DELETE", f"{BULK}/{gone}")
    await run(caller, done)
    _, asked = await caller.call("POST", QUERIES, json={"filters": []})
    clock.advance(60)
    paths = [f"{BULK}/{idle}", f"{BULK}/{done}", f"{BULK}/{done}/results", f"{QUERIES}/{asked['id']}/results"]
    before = [await caller.call("GET", path) for path in (*paths, f"{BULK}/{gone}")]
    told = sandbox.journal()["tasks"]
    copy = world.with_name("copy.jsonl")
    copy.write_bytes(world.read_bytes())
    async with Sandbox(scenario, clock=clock, world=copy) as again, ClientSession() as session:
        assert again.journal()["tasks"] == told
        twin = Caller(again, session)
        await twin.log_in()
        after = [await twin.call("GET", path) for path in (*paths, f"{BULK}/{gone}")]
        assert after[:-1] == before[:-1]
        assert (before[-1][0], after[-1][0]) == (404, 404)
        assert await made(twin, "new") not in {each["id"] for each in told}
        assert await job(twin, fields("new")) not in {idle, gone, done}


# Scenarios


@pytest.mark.parametrize("name", ["workitems", "workitems-live", "workitems-odd", "workitems-flaky"])
def test_built_in_scenarios_of_workitems_load(name: str) -> None:
    """Each says what it is, refuses log-ins as the platform does, and knows no uniqueness."""
    scenario = load(name)
    assert (bool(scenario.description), scenario.platform_tokens, scenario.unique) == (True, True, False)


def test_odd_scenario_answers_each_open_question_the_other_way() -> None:
    """IN refused, results shuffled, 404 after a create, empty pages, routing by a queue alone."""
    odd, plain = load("workitems-odd").workitems, WorkitemSettings()
    for name in ("in_external_tag", "results_shuffled", "status_404_after_create_s", "empty_pages", "client_is_user"):
        assert getattr(odd, name) != getattr(plain, name)
    assert odd.life.queue_routes != WorkitemLife().queue_routes


def test_settings_of_workitems_are_merged() -> None:
    """A change of one setting leaves the others of its table, at every depth."""
    before = Scenario(limit=UNLIMITED).changed({"workitems": {"empty_pages": 2, "life": {"timeout": 1}}})
    after = before.changed({"workitems": {"life": {"declined": 0}}})
    assert (after.workitems.empty_pages, after.workitems.life.timeout, after.workitems.life.declined) == (2, 1, 0)


def test_unknown_setting_of_workitems_is_refused() -> None:
    """A misspelt setting is an error with the nearest one."""
    with pytest.raises(ScenarioError, match="did you mean 'empty_pages'"):
        parse("[workitems]\nempty_page = 1\n")
