"""The local preview endpoint: the same verdicts as a spreadsheet's, clear errors, no side effects."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiohttp import ClientSession

from importer.sandbox.scenario import Fault, Limit, Scenario
from importer.sandbox.server import Sandbox
from tests.web import house

FINE = {"external_id": "E-1", "queue": "billing", "description": "one", "priority": 7}


class Door:
    """The endpoint and a caller of it."""

    def __init__(self, session: ClientSession, sandbox: Sandbox, url: str) -> None:
        self.session = session
        self.sandbox = sandbox
        self.url = url

    async def asks(self, body: Any, **options: Any) -> tuple[int, Any]:
        """POST /api/preview with a JSON body."""
        async with self.session.post(f"{self.url}/api/preview", json=body, **options) as answer:
            return answer.status, await answer.json()


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Door]:
    """A door to a sandbox, both on port 0."""
    async with Sandbox(Scenario(limit=Limit(calls=0), index_lag_s=0)) as sandbox, ClientSession() as session:
        async with house.opened(folder, sandbox=sandbox) as page:
            yield Door(session, sandbox, page.base)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    """A door for one test."""
    async with opened(tmp_path) as found:
        yield found


async def test_one_request_gets_one_answer(door: Door) -> None:
    """One task request gets one verdict, with the five promised fields."""
    status, answer = await door.asks(FINE)
    assert status == 200
    assert answer["valid"] is True
    assert (answer["duplicate"], answer["warnings"], answer["suggestedId"], answer["findings"]) == (False, [], None, [])


async def test_list_gets_a_list_and_tells_repeats(door: Door) -> None:
    """A list gets a list in the same order; the second of two equal external IDs is a duplicate."""
    status, answers = await door.asks([FINE, {**FINE, "priority": 150}])
    assert status == 200
    assert [each["duplicate"] for each in answers] == [False, True]
    assert {each["code"] for each in answers[1]["findings"]} == {"V304", "D401"}


async def test_founding_spellings_are_taken(door: Door) -> None:
    """A payload as the founding document spells it is judged like any other."""
    body = {
        "type": "email", "description": "d", "state": "new", "routingData": {"queueId": "Claims", "priority": 3},
        "customAttributes": {"externalId": "O'Brien", "source": "x", "language": "de"},
    }  # fmt: skip
    status, answer = await door.asks(body)
    assert (status, answer["valid"]) == (200, True)


async def test_preview_has_no_side_effects(door: Door) -> None:
    """Asking creates no task."""
    await door.asks([FINE] * 3)
    assert door.sandbox.journal()["committed"] == 0


async def test_existing_task_is_suggested(door: Door) -> None:
    """Where the task exists already, its ID is given."""
    headers = {"Authorization": f"Bearer {await _token(door)}"}
    queue = next(queue for queue in door.sandbox.world.queues.values() if queue.name == "Billing")
    task = {
        "type": "email", "description": "one", "state": "new", "routingData": {"queueId": queue.id, "priority": 7},
        "customAttributes": {"externalId": "E-1", "source": "api-integration"},
    }  # fmt: skip
    async with door.session.post(f"{door.sandbox.api_url}/api/v2/tasks", json=task, headers=headers) as created:
        task_id = (await created.json())["id"]
    _, answer = await door.asks(FINE)
    assert (answer["duplicate"], answer["suggestedId"]) == (True, task_id)


async def _token(door: Door) -> str:
    from aiohttp import encode_basic_auth

    known = encode_basic_auth(door.sandbox.client_id, door.sandbox.client_secret)
    url, form = f"{door.sandbox.login_url}/oauth/token", {"grant_type": "client_credentials"}
    async with door.session.post(url, data=form, headers={"Authorization": known}) as answer:
        return str((await answer.json())["access_token"])


@pytest.mark.parametrize(
    ("data", "status"),
    [(b"{bad", 400), (b"[]", 400), (b'[{"colour": 1}]', 400), (b'{"priority": NaN}', 400), (b" " * 2_000_000, 413)],
)
async def test_bad_body_is_told(door: Door, data: bytes, status: int) -> None:
    """Bad JSON, unknown fields and too much of it get an error body that says what to do."""
    headers = {"Content-Type": "application/json"}
    async with door.session.post(f"{door.url}/api/preview", data=data, headers=headers) as answer:
        body = await answer.json()
    assert (answer.status, body["status"]) == (status, status)
    assert body["message"]
    assert body["fix"]


async def test_form_of_another_page_is_refused(door: Door) -> None:
    """A form post, which any page in a browser could send, is refused."""
    async with door.session.post(f"{door.url}/api/preview", data={"a": "b"}) as answer:
        assert answer.status == 415


async def test_foreign_host_is_refused(door: Door) -> None:
    """A Host header that is not this machine's is refused."""
    async with door.session.get(f"{door.url}/api/schema", headers={"Host": "evil.test"}) as answer:
        assert answer.status == 403


async def test_unreachable_target_is_told(tmp_path: Path) -> None:
    """A target that has trouble gives 503 and the reason."""
    async with opened(tmp_path) as door:
        door.sandbox.breaks(Fault(operation="token", kind="status:401", every=1))
        status, answer = await door.asks(FINE)
    assert status == 502
    assert "log-in was refused" in answer["message"]


async def test_schema_describes_what_is_taken(door: Door) -> None:
    """The schema is valid, takes a fine request and refuses one without a queue."""
    async with door.session.get(f"{door.url}/api/schema") as answer:
        schema = await answer.json(content_type=None)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(FINE, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"external_id": "E"}, schema)
