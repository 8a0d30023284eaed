"""The door of the platform's operations: token, size, permission, then the operation; and what the journal tells."""

from collections.abc import Mapping, Sequence
from typing import Any

from importer.sandbox.answers import Answer
from importer.sandbox.life import timestamp
from importer.sandbox.workitems import shown
from importer.sandbox.workitems.platform import Platform, Request
from importer.sandbox.workitems.refusal import Refusal
from importer.sandbox.workitems.routes import OPERATIONS, Found, Routes, WrongMethod
from importer.sandbox.workitems.world import Workitem


class Door:
    """Takes calls to a platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._routes = Routes(OPERATIONS)

    def find(self, method: str, path: str) -> Found | WrongMethod | None:
        """What a method and a path mean; None for a path that is not one of the platform's."""
        return self._routes.find(method, path)

    def answer(
        self,
        found: Found,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        now: float,
        *,
        known: bool,
    ) -> Answer:
        """Carry out a call as of `now`; `known` says whether its token counts. Whatever it commits is committed then."""
        request = Request(found.arguments, _multiple(query), headers, body, now, self.platform.identity.client_id)
        try:
            self._admit(found, headers, body, known=known)
            return found.operation.answer(self.platform, request)
        except Refusal as refusal:
            return refusal.answer()
        except OSError as problem:
            return Refusal(
                500, message="The world could not be written: {problem}", params={"problem": problem}
            ).answer()

    def _admit(self, found: Found, headers: Mapping[str, str], body: bytes, *, known: bool) -> None:
        settings = self.platform.scenario.workitems
        if "Authorization" not in headers:
            told = "No authentication bearer token specified in authorization header."
            raise Refusal(401, "authentication.required", told)
        if not known:
            raise Refusal(401)
        if len(body) > settings.request_bytes_max:
            raise Refusal(413, params={"maximum": settings.request_bytes_max})
        permission = found.operation.permission
        if permission in settings.denied_permissions:
            message = (
                "Unable to perform the requested action. You are missing the following permission(s): {permissions}"
            )
            raise Refusal(403, "missing.permissions", message, {"permissions": permission})

    def told(self, now: float) -> list[dict[str, Any]]:
        """All workitems with all states that they have been in, for the journal."""
        return [self._told(item, now) for item in self.platform.world.workitems.values()]

    def _told(self, item: Workitem, now: float) -> dict[str, Any]:
        versions = item.versions(now)
        return {
            "id": item.id,
            "externalId": item.external_tag,
            "createdAt": timestamp(item.created_at),
            "states": [
                {
                    "version": each.number,
                    "state": each.values["assignmentState"],
                    "statusCategory": each.values["statusCategory"],
                    "statusId": each.values["statusId"],
                    "at": timestamp(each.at),
                }
                for each in versions
            ],
            "audits": len(versions),
            "task": shown.workitem(item, versions[-1], self.platform),
        }


def _multiple(query: Mapping[str, str]) -> dict[str, Sequence[str]]:
    """Each parameter with all its values; what the server hands over may have several under one name."""
    values = getattr(query, "getall", None)
    return {key: tuple(values(key)) if values else (query[key],) for key in query}
