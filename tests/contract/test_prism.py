"""Prism, another reader of the platform's definition, accepts what was recorded."""

import asyncio
import json
import os
import shutil
import signal
import socket
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.contract import definition
from tests.contract.caller import calling
from tests.contract.examples import GOOD
from tests.contract.judge import Asked, Pair
from tests.contract.recorder import HOST
from tests.contract.rules import ID
from tests.contract.test_sandbox import audits, bulk, look_up, make_and_change, notifications, search

PRISM = "@stoplight/prism-cli@5"
START_S = 240

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(shutil.which("npx") is None, reason="Prism comes by npm, which is not here"),
]


@asynccontextmanager
async def prism(folder: Path) -> AsyncIterator[str]:
    """Prism as a mock of the definition; yields its URL. Skips where npm cannot fetch it."""
    file = folder / "definition.json"
    file.write_text(json.dumps(definition.restored(definition.document())), "utf-8")
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    command = ("npx", "--yes", PRISM, "mock", "-h", HOST, "-p", str(port), str(file))
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT, start_new_session=True)
    assert process.stdout is not None
    reader = asyncio.ensure_future(_until(process.stdout, b"Prism is listening"))
    drain: asyncio.Future[bytes] | None = None
    try:
        said, found = await asyncio.wait_for(reader, START_S)
        if not found:
            pytest.skip(f"Prism did not start: {said.decode(errors='replace')[-500:]}")
        # What it goes on to say would fill the pipe.
        drain = asyncio.ensure_future(process.stdout.read())
        yield f"http://{HOST}:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        await process.wait()
        if drain is not None:
            await drain


async def _until(stream: asyncio.StreamReader, words: bytes) -> tuple[bytes, bool]:
    said = b""
    while line := await stream.readline():
        said += line
        if words in line:
            return said, True
    return said, False


async def refused(url: str, asked: Sequence[Asked]) -> list[str]:
    """What Prism refuses of the requests that the definition knows, in words."""
    found = []
    async with ClientSession() as session:
        for each in asked:
            headers = {name: each.headers[name] for name in ("authorization", "content-type") if name in each.headers}
            address = f"{url}{each.path}" + (f"?{each.query}" if each.query else "")
            async with session.request(
                each.method, address, data=each.body or None, headers=headers, allow_redirects=False
            ) as answer:
                told = await answer.text()
            if answer.status >= 400:
                found.append(f"{each.method} {each.path}: {answer.status} {told[:300]}")
    return found


def known(pairs: Sequence[Pair]) -> list[Asked]:
    """Requests of operations that the definition has."""
    operations = definition.operations()
    return [
        pair.asked
        for pair in pairs
        if any(each.method == pair.asked.method and each.arguments(pair.asked.path) for each in operations)
        or any(each.method == pair.asked.method and each.path == pair.asked.path for each in operations)
    ]


async def test_prism_accepts_a_conversation(tmp_path: Path) -> None:
    """Every request of a whole conversation that the definition knows is accepted by Prism; bad ones are not."""
    async with calling() as caller:
        await look_up(caller)
        await search(caller, await make_and_change(caller))
        await bulk(caller)
        await audits(caller)
        await notifications(caller)
        asked = known(caller.recorder.pairs)
    assert len(asked) > 80
    async with prism(tmp_path) as url:
        assert await refused(url, asked) == []
        create = next(each for each in asked if each.path.endswith("/workitems"))
        for bad in ({"name": "No type"}, {**GOOD["WorkitemCreate"], "queueId": "Claims"}):
            body = json.dumps(bad).encode()
            assert await refused(url, [Asked("POST", create.path, "", create.headers, body)])
        assert await refused(url, [Asked("GET", f"{create.path}/{ID}", "", {}, b"")])
