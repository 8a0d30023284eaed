"""A sandbox on port 0 with a clock turned by hand, and a person who calls it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, encode_basic_auth

from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import Limit, Scenario
from importer.sandbox.server import Sandbox

UNLIMITED = Limit(calls=0)


def body(queue_id: str, external_id: str = "E-1", **changes: Any) -> dict[str, Any]:
    """A payload that keeps the schema, with top-level fields replaced by `changes`."""
    payload: dict[str, Any] = {
        "type": "email",
        "description": "Customer invoice discrepancy",
        "state": "new",
        "routingData": {"queueId": queue_id, "priority": 50},
        "customAttributes": {"externalId": external_id, "source": "api-integration"},
    }
    return {**payload, **changes}


class Caller:
    """A client without any cleverness: one method, one call."""

    def __init__(self, sandbox: Sandbox, session: ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session
        self.headers: dict[str, str] = {}

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Status and JSON body of one call."""
        response = await self.send(method, path, **options)
        return response.status, await response.json()

    async def send(self, method: str, path: str, **options: Any) -> ClientResponse:
        """The response of one call, its body read; `headers` come on top of the token's."""
        headers = {**self.headers, **options.pop("headers", {})}
        url = self.sandbox.api_url + path
        async with self.session.request(method, url, headers=headers, allow_redirects=False, **options) as response:
            await response.read()
            return response

    async def log_in(self, client_id: str | None = None, secret: str | None = None) -> tuple[int, Any]:
        """Fetch a token, with the right credentials unless told, and keep it for the calls that follow."""
        known = encode_basic_auth(client_id or self.sandbox.client_id, secret or self.sandbox.client_secret)
        form = {"grant_type": "client_credentials"}
        status, answer = await self.call("POST", "/oauth/token", headers={"Authorization": known}, data=form)
        if status == 200:
            self.headers = {"Authorization": f"Bearer {answer['access_token']}"}
        return status, answer

    async def create(self, external_id: str = "E-1", queue: str = "Claims", **options: Any) -> tuple[int, Any]:
        """Create a task in the queue of that name."""
        return await self.call("POST", "/api/v2/tasks", json=body(self.queue_id(queue), external_id), **options)

    async def find(self, query: str, **page: str) -> tuple[int, Any]:
        """Search tasks."""
        return await self.call("GET", "/api/v2/tasks", params={"query": query, **page})

    def queue_id(self, name: str) -> str:
        """The ID of the queue of that name."""
        return next(queue.id for queue in self.sandbox.world.queues.values() if queue.name == name)


@pytest.fixture
def clock() -> HandClock:
    """A clock that stands still until it is turned."""
    return HandClock()


@pytest.fixture
def scenario() -> Scenario:
    """A world without a rate limit; tests replace it with `pytest.mark.parametrize` or `change`."""
    return Scenario(limit=UNLIMITED)


@pytest.fixture
async def sandbox(scenario: Scenario, clock: HandClock) -> AsyncIterator[Sandbox]:
    """A running sandbox of seed 7."""
    async with Sandbox(scenario, seed=7, clock=clock) as sandbox:
        yield sandbox


@pytest.fixture
async def caller(sandbox: Sandbox) -> AsyncIterator[Caller]:
    """A caller who has logged in."""
    async with ClientSession() as session:
        caller = Caller(sandbox, session)
        await caller.log_in()
        yield caller
