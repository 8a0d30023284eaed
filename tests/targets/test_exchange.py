"""The exchange at a server that misbehaves: what it reads, what it refuses, and what it never tells."""

import asyncio
import gzip
import logging
import traceback

import pytest
from aiohttp import web

from importer.core.errors import ImporterError, NotAuthorised, TargetDown
from importer.core.outcomes import Lost, NotDone
from importer.targets.exchange import Credentials, Endpoints, Exchange
from importer.targets.transport import ANSWER_CAP, HttpTransport, Timeouts
from tests.flow.conftest import FreePace
from tests.targets.conftest import SECRET, TOKEN, Stands


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_exchange_follows_no_redirect(stands: Stands, status: int) -> None:
    """A redirect is not followed: a POST is lost, a GET ends as trouble, and credentials go nowhere else."""
    elsewhere: list[str] = []

    async def other(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        elsewhere.append(request.path)
        return web.json_response({})

    async with stands(other) as thief:

        async def redirects(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
            return web.Response(status=status, headers={"Location": thief.url + "/stolen"})

        async with stands(redirects) as stand:
            answer = await stand.target.create("{}", "E-1", yes)
            assert isinstance(answer, Lost)
            with pytest.raises(TargetDown):
                await stand.exchange.get("/api/v2/tasks", needs="task:view")
    assert elsewhere == []


async def test_exchange_cuts_a_large_answer(stands: Stands) -> None:
    """An answer beyond the cap is not read to its end, and counts as lost."""

    async def large(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return web.Response(body=b'{"id": "' + b"x" * (ANSWER_CAP + 1) + b'"}', content_type="application/json")

    async with stands(large) as stand:
        answer = await stand.target.create("{}", "E-1", yes)
        assert isinstance(answer, Lost)
        assert "larger" in answer.problem


async def test_exchange_asks_for_no_compression(stands: Stands) -> None:
    """Every call says that it wants the body as it is, and a bomb in gzip is cut off like any large answer."""

    async def bomb(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        packed = gzip.compress(b" " * 50_000_000)
        return web.Response(body=packed, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})

    async with stands(bomb) as stand:
        assert isinstance(await stand.target.create("{}", "E-1", yes), Lost)
        assert {each.headers["Accept-Encoding"] for each in stand.seen} == {"identity"}


async def test_exchange_gives_up_a_call_that_hangs(stands: Stands) -> None:
    """A POST without an answer is lost when its time is over; it is not sent again."""
    done = asyncio.Event()

    async def hangs(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        await done.wait()
        return web.json_response({})

    async with stands(hangs, patience_s=0.3) as stand:
        answer = await stand.target.create("{}", "E-1", yes)
        done.set()
        assert isinstance(answer, Lost)
        assert "time-out" in answer.problem
        assert len(stand.calls()) == 1


async def test_exchange_gives_up_a_body_that_trickles(stands: Stands) -> None:
    """An answer that never ends is lost when its time is over, though bytes keep coming."""

    async def trickles(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while request.transport is not None and not request.transport.is_closing():
            await response.write(b" ")
            await asyncio.sleep(0)
        return response

    async with stands(trickles, patience_s=0.3) as stand:
        assert isinstance(await stand.target.create("{}", "E-1", yes), Lost)


async def test_exchange_knows_that_no_connection_means_not_done(stands: Stands, unused_tcp_port: int) -> None:
    """Where nobody listens, a POST is certainly not done."""

    async def fine(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return web.json_response({})

    async with stands(fine) as stand:
        nowhere = Endpoints(f"http://127.0.0.1:{unused_tcp_port}", stand.url)
        exchange = Exchange(
            nowhere, Credentials("me", SECRET), FreePace(stand.clock), stand.clock, HttpTransport(Timeouts(0.3, 0.3))
        )
        assert isinstance(await exchange.post("/api/v2/tasks", "{}", {}, yes), NotDone)
        await exchange.close()


async def test_exchange_sends_nothing_without_a_claim(stands: Stands) -> None:
    """A claim that says no leaves the call unmade."""

    async def fine(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return web.json_response({"id": "T"})

    async with stands(fine) as stand:
        assert await stand.target.create("{}", "E-1", no) is None
        assert stand.calls() == []


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_exchange_tells_wrong_credentials_without_showing_them(
    status: int, caplog: pytest.LogCaptureFixture, stands: Stands
) -> None:
    """A refused log-in is told as a matter of credentials, once, and no text anywhere has secret or token."""
    caplog.set_level(logging.DEBUG)

    async def refuses(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return web.json_response({"error": "invalid_client"}, status=status)

    async with stands(refuses) as stand:
        endpoints = Endpoints(stand.url, stand.url + "/other")
        credentials = Credentials("me", SECRET)
        exchange = Exchange(endpoints, credentials, FreePace(stand.clock), stand.clock, HttpTransport())
        with pytest.raises(NotAuthorised) as problem:
            await exchange.log_in(())
        await exchange.close()
        assert len(stand.calls()) == 1
    told = "".join(traceback.format_exception(problem.value)) + repr(problem.value) + problem.value.fix
    assert SECRET not in told + repr(credentials) + repr(exchange) + caplog.text


async def test_exchange_shows_no_token_in_any_failure(stands: Stands, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a server does, neither secret nor token is in an exception, an answer or a log."""
    caplog.set_level(logging.DEBUG)
    answers: list[web.Response] = [
        web.Response(status=401),
        web.Response(status=401),
        web.Response(status=403, text="<html>"),
        web.Response(status=302, headers={"Location": "http://x.invalid"}),
        web.Response(status=500, text="oops"),
    ]

    async def odd(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return answers.pop(0)

    told = ""
    async with stands(odd) as stand:
        while answers:
            try:
                told += repr(await stand.target.create("{}", "E-1", yes))
            except ImporterError as problem:
                told += "".join(traceback.format_exception(problem)) + problem.fix
    assert SECRET not in told + caplog.text
    assert TOKEN not in told + caplog.text


@pytest.mark.parametrize("expires_in", [0, -5, None, "soon", True, 1e308, 10**400, -(10**400)])
async def test_exchange_bears_any_expiry(stands: Stands, expires_in: object) -> None:
    """A token whose lifetime makes no sense still serves the call that it was fetched for."""

    async def fine(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        if request.path.endswith("/oauth/token"):
            return web.json_response({"access_token": TOKEN, "expires_in": expires_in})
        return web.json_response({"id": "T", "state": "new"}, status=201)

    async with stands(fine) as stand:
        endpoints = Endpoints(stand.url, stand.url + "/other")
        exchange = Exchange(endpoints, Credentials("me", SECRET), FreePace(stand.clock), stand.clock, HttpTransport())
        await exchange.log_in(("task:create",))
        await exchange.post("/api/v2/tasks", "{}", {}, yes)
        await exchange.close()
        assert len(stand.seen) <= 3


async def test_exchange_asks_the_claim_again_before_it_repeats_a_call(stands: Stands) -> None:
    """After a 401 the claim is asked once more: where it says no by then (a lease was lost), nothing is sent again."""

    async def refuses(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return web.json_response({}, status=401)

    asked: list[bool] = []

    async def once() -> bool:
        asked.append(not asked)
        return asked[-1]

    async with stands(refuses) as stand:
        assert await stand.target.create("{}", "E-1", once) is None
        assert asked == [True, False]
        assert len(stand.calls()) == 1
