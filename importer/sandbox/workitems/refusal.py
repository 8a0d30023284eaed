"""How the platform says no: its error body, with the codes of its definition. Pure but for the random context IDs."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from importer.sandbox.answers import CORRELATION, JSON, Answer, encoded

USUAL: dict[int, tuple[str, str]] = {
    400: ("bad.request", "The request could not be understood by the server due to malformed syntax."),
    401: ("bad.credentials", "Invalid login credentials."),
    403: ("not.authorized", "You are not authorized to perform the requested action."),
    404: ("not.found", "The requested resource was not found."),
    405: ("method.not.allowed", "The requested method is not allowed."),
    408: ("client.timeout", "The client did not produce a request within the server timeout limit."),
    409: ("request.conflict", "The request conflicts with the current state of the target resource."),
    413: ("request.entity.too.large", "The request is over the size limit. Maximum bytes: {maximum}"),
    415: ("unsupported.media.type", "Unsupported Media Type - Unsupported or incorrect media type."),
    422: ("schema.error.invalid.instance", "Invalid schema instance."),
    429: ("too.many.requests", "Rate limit exceeded the maximum [{calls}] requests within [{seconds}] seconds"),
    500: ("internal.server.error", "The server encountered an unexpected condition."),
    503: ("service.unavailable", "Service Unavailable - The server is currently unavailable."),
    504: ("request.timeout", "The request timed out."),
}
"""Code and message of each status where nothing more is known."""
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Detail:
    """One entry of `details`; what is empty is left out."""

    code: str
    field: str = ""
    entity_id: str = ""
    entity_name: str = ""

    def json(self) -> dict[str, str]:
        table = {
            "errorCode": self.code,
            "fieldName": self.field,
            "entityId": self.entity_id,
            "entityName": self.entity_name,
        }
        return {key: value for key, value in table.items() if value}


@dataclass(frozen=True, slots=True)
class LimitHit:
    """The `limit` of an error body."""

    key: str
    namespace: str
    value: int


@dataclass(slots=True)
class Refusal(Exception):
    """The platform says no; `message` is the template, its `{places}` filled from `params`."""

    status: int
    code: str = ""
    message: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    details: tuple[Detail, ...] = ()
    limit: LimitHit | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def told(self) -> str:
        """The message with its places filled."""
        return self._filled({key: str(value) for key, value in self.params.items()})

    def _filled(self, params: Mapping[str, str]) -> str:
        return _PLACE.sub(lambda place: params.get(place[1], place[0]), self._template())

    def _template(self) -> str:
        return self.message or USUAL.get(self.status, ("", f"status {self.status}"))[1]

    def answer(self) -> Answer:
        """The error body; `contextId` is the correlation ID of the header too."""
        usual = USUAL.get(self.status, ("error", f"status {self.status}"))
        params = {key: str(value) for key, value in self.params.items()}
        context = str(uuid.uuid4())
        body: dict[str, Any] = {
            "message": self._filled(params),
            "code": self.code or usual[0],
            "status": self.status,
            "messageWithParams": self._template(),
            "messageParams": params,
            "contextId": context,
            "details": [detail.json() for detail in self.details],
            "errors": [],
        }
        if self.limit is not None:
            told = {"key": self.limit.key, "namespace": self.limit.namespace, "value": self.limit.value}
            body["limit"] = told
        return Answer(self.status, encoded(body), {"Content-Type": JSON, CORRELATION: context, **self.headers})
