"""Somebody who calls the sandbox through a recorder, with no more help than a token: plain requests, plain answers."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import ClientSession, encode_basic_auth

from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import Limit, Scenario, load
from importer.sandbox.server import Sandbox
from tests.contract.definition import Json
from tests.contract.judge import Breach
from tests.contract.recorder import Recorder

START = 1_800_000_000.0
ROOT = "/api/v2/taskmanagement"
ITEMS = f"{ROOT}/workitems"


class Caller:
    """Calls a sandbox whose clock is turned by hand; whatever is said goes through `recorder`."""

    def __init__(self, sandbox: Sandbox, clock: HandClock, recorder: Recorder, session: ClientSession) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.recorder = recorder
        self._session = session
        self.headers: dict[str, str] = {}

    async def log_in(self, secret: str | None = None, client_id: str | None = None) -> tuple[int, Any]:
        """Fetches a token and keeps it."""
        known = encode_basic_auth(client_id or self.sandbox.client_id, secret or self.sandbox.client_secret)
        form = {"grant_type": "client_credentials"}
        async with self._session.post(
            f"{self.recorder.url}/oauth/token", data=form, headers={"Authorization": known}
        ) as answer:
            told = await answer.json()
        if answer.status == 200:
            self.headers = {"Authorization": f"Bearer {told['access_token']}"}
        return answer.status, told

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        """Status and JSON of one call, None where there is none; bytes are sent as they are, all else as JSON.

        An answer that is not JSON is given as its bytes: it is the judge's to say so.
        """
        options: dict[str, Any] = {"headers": dict(self.headers), "allow_redirects": False}
        options["params"] = [(name, each) for name, value in query.items() for each in _texts(value)]
        if body is not None:
            options["data"] = body if isinstance(body, bytes) else json.dumps(body).encode()
            options["headers"]["Content-Type"] = "application/json"
        async with self._session.request(method, self.recorder.url + path, **options) as answer:
            content = await answer.read()
        try:
            return answer.status, json.loads(content) if content else None
        except ValueError:
            return answer.status, content

    async def good(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The JSON of a call that must succeed."""
        status, told = await self.call(method, path, body, **query)
        assert status < 400, (method, path, status, told)
        return told

    async def worktype(self, name: str) -> Json:
        """The worktype of that name."""
        body = {"filters": [{"name": "name", "type": "String", "operator": "EQ", "values": [name]}]}
        (found,) = (await self.good("POST", f"{ROOT}/worktypes/query", body))["entities"]
        told: Json = found
        return told

    async def create(self, worktype: str = "Case", **fields: Any) -> Json:
        """A new workitem."""
        type_id = (await self.worktype(worktype))["id"]
        told: Json = await self.good("POST", ITEMS, {"name": "Invoice 4711", "typeId": type_id, **fields})
        return told

    def ahead(self, **time: float) -> str:
        """A date-time so far ahead of the sandbox's clock: `days=1`, `hours=2`."""
        at = datetime.fromtimestamp(self.clock.now(), UTC) + timedelta(**time)
        return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"

    def answer_breaches(self) -> list[str]:
        """What the sandbox broke so far, in words; each once."""
        return list(dict.fromkeys(str(breach) for breach in self.breaches() if breach.side == "answer"))

    def breaches(self) -> list[Breach]:
        """What anybody broke so far."""
        return self.recorder.breaches()

    async def events(self, connect_uri: str, seconds: float) -> list[Any]:
        """What a websocket brings while so much time passes, up to the answer to a ping."""
        async with self._session.ws_connect(connect_uri) as socket:
            await self.clock.until_asleep(1)
            self.clock.advance(seconds)
            await self.clock.until_asleep(1)
            await socket.send_json({"message": "ping"})
            events = []
            while (event := await socket.receive_json())["eventBody"].get("message") != "pong":
                events.append(event)
            return events


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, (list, tuple)) else [value]
    return [str(each).lower() if isinstance(each, bool) else str(each) for each in values]


@asynccontextmanager
async def calling(start: float = START, base: str = "", **settings: Any) -> AsyncIterator[Caller]:
    """A caller of a fresh sandbox with these settings of a scenario and no rate limit; logged in.

    `start` is the time of its clock, in seconds since 1970; `base` names a built-in scenario to begin with.
    """
    clock = HandClock(start)
    scenario = load(base) if base else Scenario(limit=Limit(calls=0), platform_tokens=True)
    scenario = scenario.changed(settings)
    async with Sandbox(scenario, seed=7, clock=clock) as sandbox, Recorder(sandbox.api_url) as recorder:
        async with ClientSession() as session:
            caller = Caller(sandbox, clock, recorder, session)
            await caller.log_in()
            yield caller
