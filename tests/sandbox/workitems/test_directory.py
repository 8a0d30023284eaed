"""The calls by which words become IDs."""

from typing import Any

import pytest

from importer.sandbox.queues import DEFAULT_QUEUES, queue_id
from importer.sandbox.scenario import QueueSpec, Scenario
from importer.sandbox.workitems.divisions import DIVISIONS, HOME, NORTH
from importer.sandbox.workitems.names import OPERATION_NAMES
from importer.sandbox.workitems.references import contact_id, user_id, wrapup_code_id
from importer.sandbox.workitems.routes import OPERATIONS
from importer.sandbox.workitems.services import Services
from importer.sandbox.workitems.settings import WorkitemSettings
from importer.sandbox.workitems.worktypes import worktype_id
from tests.sandbox.conftest import UNLIMITED, Caller
from tests.sandbox.workitems.conftest import WORKITEMS, made

QUEUES = "/api/v2/routing/queues"
NOBODY = "00000000-0000-4000-8000-000000000000"
EXTRA = tuple(QueueSpec(name=f"Extra {n}") for n in range(20))
NORTH_IS_CLOSED = WorkitemSettings(
    denied_divisions={"routing:queue:view": ("North",), "routing:queue:search": ("North",)}
)


async def names(caller: Caller, path: str, **query: Any) -> list[str]:
    """The names on a page."""
    status, page = await caller.call("GET", path, params=query)
    assert status == 200
    return [each["name"] for each in page["entities"]]


async def search(caller: Caller, *criteria: dict[str, Any]) -> tuple[int, Any]:
    """Search users."""
    return await caller.call("POST", "/api/v2/users/search", json={"query": list(criteria)})


def exact(email: str) -> dict[str, Any]:
    """A criterion on the e-mail address."""
    return {"type": "EXACT", "fields": ["email"], "value": email}


def test_operations_can_be_named_in_faults() -> None:
    """The names by which faults are aimed are those of the operations, no more and no less."""
    assert sorted(operation.name for operation in OPERATIONS) == sorted(OPERATION_NAMES)


async def test_organization_has_an_id_and_a_name(caller: Caller) -> None:
    """The organisation tells who it is."""
    status, organization = await caller.call("GET", "/api/v2/organizations/me")
    assert status == 200
    assert organization["id"]
    assert organization["name"]


async def test_divisions_say_which_is_home(caller: Caller) -> None:
    """All divisions are listed; exactly one is home."""
    _, page = await caller.call("GET", "/api/v2/authorization/divisions")
    assert {each["id"]: each["homeDivision"] for each in page["entities"]} == {
        each.id: each is HOME for each in DIVISIONS.values()
    }


async def test_token_tells_its_client_and_its_divisions(caller: Caller) -> None:
    """A token tells organisation, client, and IDs of roles and divisions, but no permission and no scope."""
    _, token = await caller.call("GET", "/api/v2/tokens/me")
    assert token["OAuthClient"]["id"] == caller.sandbox.client_id
    assert {each["divisionId"] for each in token["OAuthClient"]["roleDivisions"]} == set(DIVISIONS)
    assert token["authorizedScope"] == []
    assert "permission" not in str(token).lower()


async def test_token_can_be_revoked(caller: Caller) -> None:
    """A token that was revoked is a 401 from then on."""
    assert (await caller.send("DELETE", "/api/v2/tokens/me")).status == 200
    assert (await caller.call("GET", "/api/v2/tokens/me"))[0] == 401


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Billing", ["Billing"]),
        ("billing*", ["Billing", "Billing and Payments"]),
        ("*Desk", ["Night Desk", "VIP Desk"]),
        ("*port*", ["IT Support", "Product Support", "Technical Support"]),
        ("port", []),
    ],
)
async def test_queue_name_is_exact_but_for_asterisks(caller: Caller, name: str, found: list[str]) -> None:
    """A queue's name is compared as a whole unless an asterisk leads or trails it."""
    assert await names(caller, QUEUES, name=name) == found


async def test_queues_are_paged_and_sorted(caller: Caller) -> None:
    """Pages of the size asked for follow each other, by name, and together are all queues."""
    pages = [await names(caller, QUEUES, pageSize="7", pageNumber=str(n)) for n in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [7, 7, 3, 0]
    assert [name for page in pages for name in page] == sorted((spec.name for spec in DEFAULT_QUEUES), key=str.casefold)


@pytest.mark.parametrize("scenario", [Scenario(limit=UNLIMITED, queues=EXTRA)])
async def test_page_of_queues_has_25_unless_told(caller: Caller) -> None:
    """A page that is not told its size has 25, and says how many there are."""
    _, page = await caller.call("GET", QUEUES)
    assert (len(page["entities"]), page["pageSize"], page["total"], page["pageCount"]) == (25, 25, 37, 2)
    assert "pageNumber=2" in page["nextUri"]


async def test_queues_can_be_chosen_by_id_and_division(caller: Caller) -> None:
    """Several IDs and a division narrow the list."""
    ids = [("id", queue_id("Claims")), ("id", queue_id("Billing"))]
    _, page = await caller.call("GET", QUEUES, params=ids)
    assert [each["name"] for each in page["entities"]] == ["Billing", "Claims"]
    _, page = await caller.call("GET", QUEUES, params=[*ids, ("divisionId", NORTH.id)])
    assert [each["name"] for each in page["entities"]] == ["Claims"]


async def test_queue_tells_members_but_no_capacity(caller: Caller) -> None:
    """A queue has counts of members and a division; it has no status and no capacity."""
    _, queue = await caller.call("GET", f"{QUEUES}/{queue_id('Claims')}")
    assert (queue["memberCount"], queue["joinedMemberCount"]) == (21, 14)
    assert queue["division"]["id"] == NORTH.id
    assert not queue.keys() & {"status", "state", "maxMembers", "members", "capacity"}


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [(NOBODY, 404, "resource.not.found"), ("Claims", 400, "invalid.id"), ("me", 400, "not.a.user")],
)
async def test_queue_that_cannot_be_had_says_why(caller: Caller, wanted: str, status: int, code: str) -> None:
    """An unknown queue is a 404, what is no ID a 400, and a client has no queues of its own."""
    answer = await caller.call("GET", f"{QUEUES}/{wanted}")
    assert (answer[0], answer[1]["code"]) == (status, code)


async def test_queue_that_is_added_is_found_at_once(caller: Caller) -> None:
    """A queue that the sandbox is given while it runs is in the directory, and takes workitems."""
    caller.sandbox.service.put_queue(QueueSpec(name="Brand New", members=3))
    _, page = await caller.call("GET", QUEUES, params={"name": "Brand New"})
    assert [each["memberCount"] for each in page["entities"]] == [3]
    assert (await made(caller, queueId=page["entities"][0]["id"]))["queue"]["id"] == page["entities"][0]["id"]


@pytest.mark.parametrize("scenario", [Scenario(limit=UNLIMITED, workitems=NORTH_IS_CLOSED)])
@pytest.mark.parametrize("path", [QUEUES, f"{QUEUES}/divisionviews", f"{QUEUES}/divisionviews/all"])
async def test_queues_of_a_closed_division_are_not_listed(caller: Caller, path: str) -> None:
    """Where the client lacks the permission in a division, its queues are left out."""
    assert "Claims" not in await names(caller, path, pageSize="100")


@pytest.mark.parametrize("scenario", [Scenario(limit=UNLIMITED, workitems=NORTH_IS_CLOSED)])
async def test_queue_of_a_closed_division_is_forbidden(caller: Caller) -> None:
    """A queue in a division without permission is a 403, not a 404."""
    status, error = await caller.call("GET", f"{QUEUES}/{queue_id('Claims')}")
    assert (status, error["code"]) == (403, "missing.division.permissions")


@pytest.mark.parametrize("query", [{"pageSize": "101"}, {"pageNumber": "6"}])
async def test_division_views_have_bounds(caller: Caller, query: dict[str, str]) -> None:
    """The light list gives at most 100 a page and 5 pages."""
    assert (await caller.call("GET", f"{QUEUES}/divisionviews", params=query))[0] == 400


async def test_all_division_views_fit_one_page(caller: Caller) -> None:
    """The list of all light views gives up to 500 a page."""
    assert len(await names(caller, f"{QUEUES}/divisionviews/all", pageSize="500")) == len(DEFAULT_QUEUES)
    assert (await caller.call("GET", f"{QUEUES}/divisionviews/all", params={"pageSize": "501"}))[0] == 400


async def test_skill_name_is_a_prefix(caller: Caller) -> None:
    """Skills are found by how their names start."""
    assert await names(caller, "/api/v2/routing/skills", name="Claims") == ["Claims Handling", "Claims Review"]
    assert await names(caller, "/api/v2/routing/skills", name="Handling") == []


@pytest.mark.parametrize("scenario", [Scenario(limit=UNLIMITED, services=Services(inactive_skills=("Returns",)))])
async def test_skill_can_be_inactive(caller: Caller) -> None:
    """An inactive skill is listed with its state."""
    _, page = await caller.call("GET", "/api/v2/routing/skills", params={"name": "Re"})
    assert [(each["name"], each["state"]) for each in page["entities"]] == [("Returns", "inactive")]


@pytest.mark.parametrize("path", ["languages", "wrapupcodes", "utilization/labels"])
async def test_other_words_are_listed(caller: Caller, path: str) -> None:
    """Languages, wrap-up codes and labels are listed by name, and found by it."""
    every = await names(caller, f"/api/v2/routing/{path}")
    assert every == sorted(every, key=str.casefold)
    assert every[0] in await names(caller, f"/api/v2/routing/{path}", name=every[0])
    assert await names(caller, f"/api/v2/routing/{path}", name="Nothing") == []


async def test_queue_has_some_of_the_wrap_up_codes(caller: Caller) -> None:
    """The codes of a queue are a part of all; a trailing asterisk finds them by their start."""
    path = f"{QUEUES}/{queue_id('Claims')}/wrapupcodes"
    here, every = await names(caller, path), await names(caller, "/api/v2/routing/wrapupcodes")
    assert set(here) < set(every)
    assert await names(caller, path, name="Resolved*") == ["Resolved", "Resolved Later"]
    _, page = await caller.call("GET", path, params={"name": "Resolved"})
    assert [each["id"] for each in page["entities"]] == [wrapup_code_id("Resolved")]


async def test_user_is_found_by_the_exact_address(caller: Caller) -> None:
    """An e-mail address finds its user, whatever its case; a part of one finds nobody."""
    _, found = await search(caller, exact("User1@Example.com"))
    assert [each["id"] for each in found["results"]] == [user_id("user1@example.com")]
    assert (await search(caller, exact("user1@example")))[1]["total"] == 0


@pytest.mark.parametrize(("n", "status"), [(1, 201), (11, 403), (12, 403)])
async def test_user_may_be_without_permission_in_a_division(caller: Caller, n: int, status: int) -> None:
    """A claim, in the division beside home, can be given to user 1; user 11 may work at home alone, user 12 nowhere."""
    body = {"name": "A claim", "typeId": worktype_id("Claim"), "assigneeId": user_id(f"user{n}@example.com")}
    answer = await caller.call("POST", WORKITEMS, json=body)
    assert answer[0] == status
    assert status == 201 or answer[1]["code"] == "assignee.missing.any.division.permissions"


async def test_user_search_takes_several_values(caller: Caller) -> None:
    """One criterion may carry several addresses; pages are asked for in the body."""
    emails = [f"user{n}@example.com" for n in range(1, 6)]
    body = {"query": [{"type": "EXACT", "fields": ["email"], "values": emails}], "pageSize": 2, "pageNumber": 3}
    _, found = await caller.call("POST", "/api/v2/users/search", json=body)
    assert [each["email"] for each in found["results"]] == ["user5@example.com"]
    assert (found["total"], found["pageCount"]) == (5, 3)


async def test_user_search_needs_a_criterion(caller: Caller) -> None:
    """A search for nothing is a 400."""
    assert (await search(caller))[0] == 400


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_client_credentials_are_no_user(caller: Caller, status: int) -> None:
    """`users/me` is refused; how, can be set."""
    caller.sandbox.change(services={"users_me_status": status})
    assert (await caller.call("GET", "/api/v2/users/me"))[0] == status


async def test_external_contact_is_read_by_id(caller: Caller) -> None:
    """A contact is read by its ID; one in no division has none; an unknown one is a 404."""
    path = "/api/v2/externalcontacts/contacts"
    _, hana = await caller.call("GET", f"{path}/{contact_id('Hana Home')}")
    _, uma = await caller.call("GET", f"{path}/{contact_id('Uma Free')}")
    assert (hana["firstName"], hana["division"]["id"]) == ("Hana", HOME.id)
    assert "division" not in uma
    assert (await caller.call("GET", f"{path}/{NOBODY}"))[0] == 404


async def test_external_contacts_are_found_by_keywords(caller: Caller) -> None:
    """All keywords must be in a contact's name or address."""
    _, page = await caller.call("GET", "/api/v2/externalcontacts/contacts", params={"q": "home hugo"})
    assert [each["firstName"] for each in page["entities"]] == ["Hugo"]


async def test_external_contacts_reach_a_thousand(caller: Caller) -> None:
    """`pageNumber` times `pageSize` is at most 1,000."""
    for number, status in (("10", 200), ("11", 400)):
        query = {"pageSize": "100", "pageNumber": number}
        assert (await caller.call("GET", "/api/v2/externalcontacts/contacts", params=query))[0] == status
