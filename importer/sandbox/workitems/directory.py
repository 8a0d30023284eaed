"""The calls by which a spreadsheet's words become IDs: organisation, token, queues, skills, people, contacts."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from importer.sandbox.answers import CORRELATION, Answer, success
from importer.sandbox.life import seeded_id, timestamp
from importer.sandbox.workitems.divisions import DIVISIONS
from importer.sandbox.workitems.listings import DEFAULT_PAGE_SIZE, listing
from importer.sandbox.workitems.organization import Named, Organization, Queue, User
from importer.sandbox.workitems.platform import Operation, Platform, Request
from importer.sandbox.workitems.references import ContactRef
from importer.sandbox.workitems.refusal import USUAL, Refusal

QUEUE_VIEW, QUEUE_SEARCH = "routing:queue:view", "routing:queue:search"
VIEWS_PAGE_SIZE, VIEWS_PAGES, ALL_VIEWS_PAGE_SIZE = 100, 5, 500
CONTACTS_REACH = 1000
"""`pageNumber` times `pageSize` of contacts is at most this."""
ROUTING = "/api/v2/routing"
SEARCHED = {"email": "email", "name": "name", "state": "state"}
MADE = timestamp(1_700_000_000)


# The organisation and the token


def _organization(platform: Platform, request: Request) -> Answer:  # noqa: ARG001 - the seam's signature
    known = platform.directory
    told = {"id": known.id, "name": known.name, "state": "active", "defaultLanguage": "en-US", "version": 1}
    return success({**told, "selfUri": f"/api/v2/organizations/{known.id}"})


def _divisions(platform: Platform, request: Request) -> Answer:
    wanted, ids = request.one("name").casefold(), request.query.get("id", ())
    entities = [
        {**division.json(), "homeDivision": division.is_home}
        for division in platform.directory.divisions.values()
        if wanted in division.name.casefold() and (not ids or division.id in ids)
    ]
    return success(listing(request, "/api/v2/authorization/divisions", entities))


def _token(platform: Platform, request: Request) -> Answer:  # noqa: ARG001 - the seam's signature
    organization = {"id": platform.directory.id, "name": platform.directory.name}
    role = seeded_id("role", "importer")
    client = {
        "id": platform.identity.client_id,
        "name": "Importer",
        "authorizedGrantType": "CLIENT-CREDENTIALS",
        "scope": [],
        "roleDivisions": [{"roleId": role, "divisionId": each} for each in platform.directory.divisions],
        "state": "active",
        "organization": organization,
    }
    told = {"organization": organization, "homeOrganization": organization, "authorizedScope": []}
    return success({**told, "OAuthClient": client})


def _token_head(platform: Platform, request: Request) -> Answer:  # noqa: ARG001 - the seam's signature
    return _empty()


def _token_delete(platform: Platform, request: Request) -> Answer:
    platform.end_token(request.headers.get("Authorization", "").partition(" ")[2])
    return _empty()


def _empty() -> Answer:
    return Answer(200, b"", {CORRELATION: str(uuid.uuid4())})


# Queues


def _queue_list(platform: Platform, request: Request) -> Answer:
    queues = _chosen(request, _seen(platform, QUEUE_VIEW), by_name=_wildcard)
    return success(listing(request, f"{ROUTING}/queues", [_queue_json(queue) for queue in queues]))


def _queue_views(platform: Platform, request: Request) -> Answer:
    """The light list; its `name` is taken as that of the full one, the definition only says "Name"."""
    queues = _chosen(request, _seen(platform, QUEUE_SEARCH), by_name=_wildcard)
    views = [_queue_view(queue) for queue in queues]
    path = f"{ROUTING}/queues/divisionviews"
    return success(listing(request, path, views, most=VIEWS_PAGE_SIZE, last=VIEWS_PAGES))


def _queue_views_all(platform: Platform, request: Request) -> Answer:
    views = [_queue_view(queue) for queue in _sorted(request, _seen(platform, QUEUE_SEARCH))]
    return success(listing(request, f"{ROUTING}/queues/divisionviews/all", views, most=ALL_VIEWS_PAGE_SIZE))


def _queue_mine(platform: Platform, request: Request) -> Answer:  # noqa: ARG001 - the seam's signature
    raise Refusal(400, "not.a.user", "This request requires a user context.")


def _queue_get(platform: Platform, request: Request) -> Answer:
    return success(_queue_json(_queue(platform, request)))


def _queue_wrapup_codes(platform: Platform, request: Request) -> Answer:
    queue = _queue(platform, request)
    codes = [each for each in platform.directory.wrapup_codes.values() if each.id in queue.wrapup_codes]
    found = [each for each in codes if _wildcard(request.one("name"), each.name)]
    path = f"{ROUTING}/queues/{queue.id}/wrapupcodes"
    return success(listing(request, path, [_named_json(each, f"{ROUTING}/wrapupcodes") for each in found]))


def _queue(platform: Platform, request: Request) -> Queue:
    """The queue of the path; Refusal 400 for what is no UUID, 404 and 403 as the platform has them."""
    wanted = _uuid(request.arguments["id"])
    queue = platform.directory.queue(wanted)
    if queue is None:
        raise Refusal(404, "resource.not.found", "The resource could not be found.")
    if queue.division_id in hidden(platform, QUEUE_VIEW):
        message = "At least one of the required division permissions is missing."
        raise Refusal(403, "missing.division.permissions", message)
    return queue


def _seen(platform: Platform, permission: str) -> list[Queue]:
    closed = hidden(platform, permission)
    return [queue for queue in platform.directory.queues.values() if queue.division_id not in closed]


def hidden(platform: Platform, permission: str) -> frozenset[str]:
    """The IDs of the divisions in which the OAuth client lacks this permission."""
    denied = platform.scenario.workitems.denied_divisions.get(permission, ())
    return frozenset(division.id for division in platform.directory.divisions.values() if division.name in denied)


def _chosen(request: Request, queues: Iterable[Queue], by_name: Callable[[str, str], bool]) -> list[Queue]:
    wanted = request.one("name")
    ids = [_uuid(each) for each in request.query.get("id", ())]
    divisions = request.query.get("divisionId", ())
    return _sorted(
        request,
        [
            queue
            for queue in queues
            if (not wanted or by_name(wanted, queue.name))
            and (not ids or queue.id in ids)
            and (not divisions or "*" in divisions or queue.division_id in divisions)
        ],
    )


def _sorted(request: Request, queues: Iterable[Queue]) -> list[Queue]:
    """By name, as the definition has it."""
    return sorted(queues, key=lambda queue: queue.name.casefold(), reverse=request.one("sortOrder") == "desc")


def _queue_view(queue: Queue) -> dict[str, Any]:
    uri = f"{ROUTING}/queues/{queue.id}"
    return {"id": queue.id, "name": queue.name, "division": DIVISIONS[queue.division_id].json(), "selfUri": uri}


def _queue_json(queue: Queue) -> dict[str, Any]:
    return {
        **_queue_view(queue),
        "dateCreated": MADE,
        "dateModified": MADE,
        "memberCount": queue.members,
        "userMemberCount": queue.members,
        "joinedMemberCount": queue.joined,
        "scoringMethod": "TimestampAndPriority",
        "skillEvaluationMethod": "ALL",
        "enableManualAssignment": False,
    }


def _wildcard(wanted: str, name: str) -> bool:
    """Whether a name fits, its case aside; an asterisk at the start or the end stands for anything."""
    wanted, name = wanted.casefold(), name.casefold()
    core = wanted.strip("*")
    if wanted.startswith("*") and wanted.endswith("*"):
        return core in name
    if wanted.startswith("*"):
        return name.endswith(core)
    if wanted.endswith("*"):
        return name.startswith(core)
    return not wanted or name == wanted


# Skills, languages, wrap-up codes, labels


def _lists(
    kind: Callable[[Organization], Iterable[Named]], path: str, fits: Callable[[str, str], bool], *, stated: bool
) -> Callable[[Platform, Request], Answer]:
    """An operation that lists named things; `stated`: they carry their state."""

    def answer(platform: Platform, request: Request) -> Answer:
        wanted, ids = request.one("name"), request.query.get("id", ())
        found = [
            each
            for each in sorted(kind(platform.directory), key=lambda each: each.name.casefold())
            if (not wanted or fits(wanted, each.name)) and (not ids or each.id in ids)
        ]
        return success(listing(request, path, [_named_json(each, path, stated=stated) for each in found]))

    return answer


def _named_json(each: Named, path: str, *, stated: bool = False) -> dict[str, Any]:
    state = {"state": each.state} if stated else {}
    return {"id": each.id, "name": each.name, **state, "selfUri": f"{path}/{each.id}"}


def _starts(wanted: str, name: str) -> bool:
    return name.casefold().startswith(wanted.casefold())


# People and contacts


def _users_me(platform: Platform, request: Request) -> Answer:  # noqa: ARG001 - the seam's signature
    status = platform.scenario.services.users_me_status
    code, message = USUAL[status]
    if status == 400:
        code, message = "not.a.user", "This request requires a user context."
    raise Refusal(status, code, message)


def _users_search(platform: Platform, request: Request) -> Answer:
    """All criteria must fit. EXACT alone is known here, on e-mail, name and state; case does not matter."""
    body = request.json()
    criteria = body.get("query")
    if not isinstance(criteria, list) or not criteria:
        raise Refusal(400, "constraint.validation", "query must have at least one criterion")
    found = [user for user in platform.directory.users.values() if all(_fits(user, each) for each in criteria)]
    size, number = _counted(body, "pageSize", DEFAULT_PAGE_SIZE), _counted(body, "pageNumber", 1)
    shown = found[(number - 1) * size : number * size]
    told = {"total": len(found), "pageCount": -(-len(found) // size), "pageSize": size, "pageNumber": number}
    return success({**told, "types": ["users"], "results": [_user_json(user) for user in shown]})


def _fits(user: User, criterion: object) -> bool:
    if not isinstance(criterion, dict) or criterion.get("type") != "EXACT":
        raise Refusal(400, "bad.request", "the sandbox knows criteria of the type EXACT alone")
    fields, values = criterion.get("fields"), criterion.get("values") or [criterion.get("value")]
    if not fields or not isinstance(fields, list) or not set(fields) <= SEARCHED.keys():
        raise Refusal(400, "bad.request", "the sandbox searches users by email, name and state alone")
    wanted = [str(value).casefold() for value in values]
    return any(str(getattr(user, SEARCHED[field])).casefold() in wanted for field in fields)


def _counted(body: dict[str, Any], name: str, default: int) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Refusal(400, "invalid.value", "{name} must be a whole number from 1 on", {"name": name})
    return value


def _user_json(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "name": user.name,
        "division": DIVISIONS[user.home].json(),
        "email": user.email,
        "username": user.email,
        "state": user.state,
        "version": 1,
        "selfUri": f"/api/v2/users/{user.id}",
    }


def _contacts(platform: Platform, request: Request) -> Answer:
    """Contacts that have each of the keywords in their names or address; all of them without keywords."""
    number, size = request.whole("pageNumber", 1), request.whole("pageSize", DEFAULT_PAGE_SIZE)
    if number * size > CONTACTS_REACH:
        message = "pageNumber * pageSize must be at most {most}"
        raise Refusal(400, "bad.request", message, {"most": CONTACTS_REACH})
    words = request.one("q").casefold().split()
    shown = [_contact_json(contact) for contact in platform.directory.contacts.values()]
    found = [each for each in shown if all(word in _searched(each) for word in words)]
    return success(listing(request, "/api/v2/externalcontacts/contacts", found))


def _searched(contact: dict[str, Any]) -> str:
    return f"{contact['firstName']} {contact['lastName']} {contact['workEmail']}".casefold()


def _contact_get(platform: Platform, request: Request) -> Answer:
    contact = platform.directory.contact(_uuid(request.arguments["id"]))
    if contact is None:
        raise Refusal(404)
    return success(_contact_json(contact))


def _contact_json(contact: ContactRef) -> dict[str, Any]:
    division = {"division": DIVISIONS[contact.division_id].json()} if contact.division_id else {}
    return {
        "id": contact.id,
        "firstName": contact.first_name,
        "lastName": contact.last_name,
        "workEmail": f"{contact.first_name}.{contact.last_name}@example.com".lower(),
        "type": "Curated",
        **division,
        "selfUri": f"/api/v2/externalcontacts/contacts/{contact.id}",
    }


def _uuid(text: str) -> str:
    """An ID in lower case; Refusal 400 for what is no UUID."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise Refusal(400, "invalid.id", "A non-UUID value was specified for an ID field.") from None


def _named(kind: str) -> Callable[[Organization], Sequence[Named]]:
    return lambda known: list(getattr(known, kind).values())


OPERATIONS: tuple[Operation, ...] = (
    Operation("organization", "GET", "/api/v2/organizations/me", None, _organization),
    Operation("divisions", "GET", "/api/v2/authorization/divisions", None, _divisions),
    Operation("token_get", "GET", "/api/v2/tokens/me", None, _token),
    Operation("token_head", "HEAD", "/api/v2/tokens/me", None, _token_head),
    Operation("token_delete", "DELETE", "/api/v2/tokens/me", None, _token_delete),
    Operation("queue_list", "GET", f"{ROUTING}/queues", QUEUE_VIEW, _queue_list),
    Operation("queue_views", "GET", f"{ROUTING}/queues/divisionviews", QUEUE_SEARCH, _queue_views),
    Operation("queue_views_all", "GET", f"{ROUTING}/queues/divisionviews/all", QUEUE_SEARCH, _queue_views_all),
    Operation("queue_mine", "GET", f"{ROUTING}/queues/me", None, _queue_mine),
    Operation("queue_get", "GET", f"{ROUTING}/queues/{{id}}", QUEUE_VIEW, _queue_get),
    Operation(
        "queue_wrapup_codes", "GET", f"{ROUTING}/queues/{{id}}/wrapupcodes", "routing:queue:view", _queue_wrapup_codes
    ),
    Operation(
        "skills",
        "GET",
        f"{ROUTING}/skills",
        "routing:skill:view",
        _lists(_named("skills"), f"{ROUTING}/skills", _starts, stated=True),
    ),
    Operation(
        "languages",
        "GET",
        f"{ROUTING}/languages",
        None,
        _lists(_named("languages"), f"{ROUTING}/languages", _starts, stated=True),
    ),
    Operation(
        "wrapup_codes",
        "GET",
        f"{ROUTING}/wrapupcodes",
        "routing:wrapupCode:view",
        _lists(_named("wrapup_codes"), f"{ROUTING}/wrapupcodes", _wildcard, stated=False),
    ),
    Operation(
        "utilization_labels",
        "GET",
        f"{ROUTING}/utilization/labels",
        "routing:utilization:view",
        _lists(_named("labels"), f"{ROUTING}/utilization/labels", _wildcard, stated=False),
    ),
    Operation("users_me", "GET", "/api/v2/users/me", None, _users_me),
    Operation("users_search", "POST", "/api/v2/users/search", "directory:user:view", _users_search),
    Operation("contacts", "GET", "/api/v2/externalcontacts/contacts", "externalContacts:contact:view", _contacts),
    Operation(
        "contact_get", "GET", "/api/v2/externalcontacts/contacts/{id}", "externalContacts:contact:view", _contact_get
    ),
)
