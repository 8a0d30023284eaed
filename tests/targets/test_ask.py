"""A POST that only reads: repeated like a GET, under the same pace, budget and log-in. And what a log-in host answers."""

import pytest
from aiohttp import web

from importer.core.budget import LEAST, REPEAT_COSTS, RetryBudget
from importer.core.errors import BudgetSpent, Forbidden, NotAuthorised, Unavailable
from importer.targets.exchange import READ_TRIES, Credentials, Endpoints, Exchange
from importer.targets.transport import HttpTransport, Timeouts
from tests.flow.conftest import FreePace
from tests.targets.conftest import SECRET, TOKEN, Answering, Stand, Stands

PATH = "/api/v2/taskmanagement/workitems/query"
BODY = '{"pageSize": 1}'


def answering(*replies: web.Response) -> Answering:
    """One after the other; the last one to all that come later."""
    left = list(replies)

    async def answer(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        reply = left.pop(0) if len(left) > 1 else left[0]
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)

    return answer


def says(status: int, **body: object) -> web.Response:
    """An answer in JSON."""
    return web.json_response(body, status=status)


async def test_ask_sends_the_text_as_json_with_the_token(stands: Stands) -> None:
    """A query arrives as it was given, as JSON, with the token; its answer comes back whole."""
    async with stands(answering(says(200, entities=[]))) as stand:
        reply = await stand.exchange.ask(PATH, BODY, needs="workitems:workitem:view")
        (call,) = stand.calls()
    assert (reply.status, reply.body) == (200, {"entities": []})
    assert (call.method, call.path, call.body) == ("POST", PATH, BODY.encode())
    assert (call.headers["Content-Type"], call.headers["Authorization"]) == ("application/json", f"Bearer {TOKEN}")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
async def test_ask_is_repeated_while_the_service_has_trouble(stands: Stands, status: int) -> None:
    """A query that met trouble is sent again, the same text, until it is answered; the budget pays for it."""
    async with stands(answering(says(status), says(status), says(200, count=3))) as stand:
        assert (await stand.exchange.ask(PATH, BODY, needs="x")).body == {"count": 3}
        assert [call.body for call in stand.calls()] == [BODY.encode()] * 3
        assert stand.exchange.budget.spent == 2


async def test_ask_gives_up_a_service_that_stays_in_trouble(stands: Stands) -> None:
    """After READ_TRIES answers of trouble the service counts as unavailable."""
    async with stands(answering(says(500))) as stand:
        with pytest.raises(Unavailable):
            await stand.exchange.ask(PATH, BODY, needs="x")
        assert len(stand.calls()) == READ_TRIES


async def test_ask_repeats_nothing_that_the_budget_cannot_pay(stands: Stands) -> None:
    """With an empty budget a query in trouble is told at once and sent no second time."""
    async with stands(answering(says(500))) as stand:
        stand.exchange.budget = RetryBudget(rows=LEAST)
        stand.exchange.budget.tokens = REPEAT_COSTS - 1
        with pytest.raises(BudgetSpent):
            await stand.exchange.ask(PATH, BODY, needs="x")
        assert len(stand.calls()) == 1


async def test_ask_names_the_permission_that_a_403_is_about(stands: Stands) -> None:
    """A query that is refused says which permission it needs."""
    async with stands(answering(says(403, code="missing.permissions", message="no"))) as stand:
        with pytest.raises(Forbidden, match="workitems:workitem:view"):
            await stand.exchange.ask(PATH, BODY, needs="workitems:workitem:view")
        assert len(stand.calls()) == 1


async def test_ask_logs_in_again_after_a_401(stands: Stands) -> None:
    """A query that met an old token is sent once more with a new one."""
    async with stands(answering(says(401), says(200, count=0))) as stand:
        assert (await stand.exchange.ask(PATH, BODY, needs="x")).status == 200
        assert len(stand.seen) - len(stand.calls()) == 2


@pytest.mark.parametrize("status", [400, 404, 409, 422])
async def test_ask_hands_back_what_is_an_answer(stands: Stands, status: int) -> None:
    """An answer that says no is an answer: it is handed back and not asked for again."""
    async with stands(answering(says(status, code="invalid.query"))) as stand:
        assert (await stand.exchange.ask(PATH, BODY, needs="x")).status == status
        assert len(stand.calls()) == 1


def logging_in(stand: Stand) -> Exchange:
    """An exchange whose log-ins the stand answers as told."""
    endpoints = Endpoints(stand.url, stand.url + "/login")
    transport = HttpTransport(Timeouts(0.3, 0.3))
    return Exchange(endpoints, Credentials("me", SECRET), FreePace(stand.clock), stand.clock, transport)


@pytest.mark.parametrize(
    ("status", "told", "names"),
    [(400, "client not found", "GENESYS_CLIENT_ID"), (401, "authentication failed", "GENESYS_CLIENT_SECRET")],
)
async def test_log_in_tells_an_unknown_client_from_a_wrong_secret(
    stands: Stands, status: int, told: str, names: str
) -> None:
    """400 means that the client is unknown, 401 that the secret is wrong: what is told names the one to check."""
    body = {"error": "invalid_client", "description": told, "error_description": told}
    async with stands(answering(says(status, **body))) as stand:
        exchange = logging_in(stand)
        with pytest.raises(NotAuthorised, match=f"{status}: invalid_client, {told}") as problem:
            await exchange.log_in(())
        await exchange.close()
        assert len(stand.seen) == 1
    assert problem.value.fix.startswith(f"Check {names}")


async def test_log_in_waits_where_too_many_log_ins_were_made(stands: Stands) -> None:
    """The platform's 400 for too many log-ins is waited out like a 429, and longer each time."""
    limited = says(400, error="invalid_request", error_description="rate limit exceeded; try again later")
    async with stands(answering(limited, limited, says(200, access_token=TOKEN, expires_in=60))) as stand:
        exchange = logging_in(stand)
        before = stand.clock.monotonic()
        await exchange.log_in(())
        await exchange.close()
        assert len(stand.seen) == 3
        assert stand.clock.monotonic() - before >= 1.0 + 2.0
