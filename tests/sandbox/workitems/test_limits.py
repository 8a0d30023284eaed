"""The limits that the organisation tells."""

import pytest

from importer.sandbox.scenario import Limit, Scenario
from importer.sandbox.workitems.services import Services
from importer.sandbox.workitems.settings import WorkitemSettings
from tests.sandbox.conftest import UNLIMITED, Caller

NAMESPACES = "/api/v2/organizations/limits/namespaces"
TOKEN_RATE = "client.credentials.token.rate.per.minute"


async def limits(caller: Caller, path: str) -> dict[str, int]:
    """Value by key."""
    status, told = await caller.call("GET", f"{NAMESPACES}/{path}")
    assert status == 200
    assert {each["namespace"] for each in told["entities"]} == {path.partition("/")[0]}
    return {each["key"]: each["value"] for each in told["entities"]}


@pytest.mark.parametrize("namespace", ["platform.api", "task.management", "audit", "notifications", "routing"])
async def test_namespace_tells_effective_limits_and_defaults(caller: Caller, namespace: str) -> None:
    """Each namespace has effective values for all of its default keys."""
    assert (await limits(caller, namespace)).keys() == (await limits(caller, f"{namespace}/defaults")).keys()


@pytest.mark.parametrize("scenario", [Scenario(limit=Limit(calls=50, window_s=10))])
async def test_rate_that_is_told_is_the_rate_that_holds(caller: Caller) -> None:
    """The rate per minute is that of the sandbox's own limit; the default is the platform's 300."""
    assert (await limits(caller, "platform.api"))[TOKEN_RATE] == 300
    caller.sandbox.change(limit={"calls": 100})
    assert (await limits(caller, "platform.api"))[TOKEN_RATE] == 600
    assert (await limits(caller, "platform.api/defaults"))[TOKEN_RATE] == 300


@pytest.mark.parametrize("scenario", [Scenario(limit=UNLIMITED, workitems=WorkitemSettings(created_per_day=123))])
async def test_daily_limit_that_is_told_is_the_one_that_holds(caller: Caller) -> None:
    """The number of workitems per day is the scenario's."""
    assert 123 in (await limits(caller, "task.management")).values()


@pytest.mark.parametrize(
    "scenario", [Scenario(limit=UNLIMITED, services=Services(limits={"task.management": {"a.key": 7}}))]
)
async def test_any_limit_can_be_told(caller: Caller) -> None:
    """A scenario adds limits by namespace and key."""
    assert (await limits(caller, "task.management"))["a.key"] == 7


async def test_unknown_namespace_is_not_found(caller: Caller) -> None:
    """A namespace that there is not is a 404."""
    assert (await caller.call("GET", f"{NAMESPACES}/none"))[0] == 404


@pytest.mark.parametrize("scenario", [Scenario(limit=UNLIMITED, services=Services(limits_are_told=False))])
async def test_limits_can_be_withheld(caller: Caller) -> None:
    """Where limits are not told, each namespace is a 403."""
    assert (await caller.call("GET", f"{NAMESPACES}/platform.api"))[0] == 403


async def test_limits_are_documented(caller: Caller) -> None:
    """The documentation lists each namespace with the defaults of its keys."""
    _, docs = await caller.call("GET", "/api/v2/organizations/limits/docs")
    told = {each["name"]: {one["key"]: one["defaultValue"] for one in each["limits"]} for each in docs["namespaces"]}
    assert told["platform.api"] == await limits(caller, "platform.api/defaults")
