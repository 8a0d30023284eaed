"""Tokens and scopes."""

import pytest
from aiohttp import encode_basic_auth

from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import ALL_SCOPES, Scenario
from tests.sandbox.conftest import UNLIMITED, Caller


async def test_token_answer_keeps_the_contract(caller: Caller) -> None:
    """The right credentials give a bearer token, its lifetime in seconds and its scopes."""
    status, answer = await caller.log_in()
    assert (status, answer["token_type"], answer["expires_in"]) == (200, "bearer", 86399)
    assert answer["scope"].split() == list(ALL_SCOPES)


async def test_token_answer_may_hold_back_its_scopes(caller: Caller) -> None:
    """A scenario can leave the scopes out of the answer."""
    caller.sandbox.change(scope_told=False)
    assert "scope" not in (await caller.log_in())[1]


@pytest.mark.parametrize(("client_id", "secret"), [("other", None), (None, "wrong")])
async def test_token_needs_the_right_credentials(caller: Caller, client_id: str | None, secret: str | None) -> None:
    """A wrong ID or secret is a 401 in the log-in's own words."""
    status, answer = await caller.log_in(client_id, secret)
    assert (status, answer["error"]) == (401, "invalid_client")
    assert answer["description"]


@pytest.mark.parametrize("authorization", ["", "Basic", "Basic ???", "Bearer abc"])
async def test_token_needs_basic_authorization(caller: Caller, authorization: str) -> None:
    """Anything but readable Basic credentials is a 401."""
    form = {"grant_type": "client_credentials"}
    options = {"headers": {"Authorization": authorization}, "data": form}
    assert (await caller.call("POST", "/oauth/token", **options))[0] == 401


async def test_token_needs_the_client_credentials_grant(caller: Caller) -> None:
    """Another grant type is a 400."""
    known = encode_basic_auth(caller.sandbox.client_id, caller.sandbox.client_secret)
    options = {"headers": {"Authorization": known}, "data": {"grant_type": "password"}}
    status, answer = await caller.call("POST", "/oauth/token", **options)
    assert (status, answer["error"]) == (400, "unsupported_grant_type")


async def test_token_expires_with_the_clock(caller: Caller, clock: HandClock) -> None:
    """A token is good until its lifetime is over, then every call is a 401 until the next log-in."""
    caller.sandbox.change(token_lifetime_s=100)
    await caller.log_in()
    clock.advance(99)
    assert (await caller.call("GET", "/api/v2/queues"))[0] == 200
    clock.advance(1)
    status, error = await caller.call("GET", "/api/v2/queues")
    assert (status, error["code"]) == (401, "bad.credentials")
    await caller.log_in()
    assert (await caller.call("GET", "/api/v2/queues"))[0] == 200


async def test_tokens_expire_on_demand(caller: Caller) -> None:
    """All tokens given out so far can be made invalid at once."""
    caller.sandbox.tokens_expire()
    assert (await caller.create())[0] == 401
    assert caller.sandbox.journal()["committed"] == 0


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("queue:view", "GET", "/api/v2/queues"),
        ("queue:view", "GET", "/api/v2/queues/x"),
        ("task:view", "GET", "/api/v2/tasks/x"),
        ("task:view", "GET", "/api/v2/tasks?query=x"),
        ("task:create", "POST", "/api/v2/tasks"),
        ("audit:view", "GET", "/api/v2/audits?entityId=x"),
    ],
)
async def test_scope_that_is_missing_is_named(caller: Caller, scope: str, method: str, path: str) -> None:
    """A token without the scope of an endpoint gets a 403 there that names the scope."""
    caller.sandbox.change(scopes=[other for other in ALL_SCOPES if other != scope])
    await caller.log_in()
    status, error = await caller.call(method, path)
    assert status == 403
    assert scope in error["message"]


@pytest.mark.parametrize("scenario", [Scenario(limit=UNLIMITED, scopes=())])
async def test_scope_list_may_be_empty(caller: Caller) -> None:
    """A client without any scope can log in and do nothing."""
    assert (await caller.log_in())[1]["scope"] == ""
    assert (await caller.call("GET", "/api/v2/queues"))[0] == 403
