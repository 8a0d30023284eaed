"""Visitor: the person behind a request, as the guard found it."""

from dataclasses import dataclass, field

from aiohttp import web

from importer.core.approval import Person
from importer.web.route import Role


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person, what they may do, and what proves that a form was made for them."""

    person: Person
    roles: frozenset[Role]
    csrf: str = field(repr=False)
    key: str = field(default="", repr=False)  # whose event streams are counted together

    def may(self, *roles: Role) -> bool:
        """Whether the person has one of these roles."""
        return not self.roles.isdisjoint(roles)


VISITOR = web.RequestKey("visitor", Visitor)


def who(request: web.Request) -> Visitor:
    """The visitor. There always is one, but in handlers of PUBLIC routes."""
    return request[VISITOR]


def known(request: web.Request) -> Visitor | None:
    """The visitor, or None before logging in."""
    return request.get(VISITOR)
