"""serve and sandbox: commands that answer others."""

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Table
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.cli.screen import say, say_json, tell
from importer.settings import Settings, load

if TYPE_CHECKING:
    from importer.web.doorbook import DoorBook


def serve(port: int, flags: Table[str, Any], profile: str | None, *, browser: bool) -> int:
    """`importer serve`."""
    from importer.desk.desk import Desk
    from importer.web.offer import offered
    from importer.web.server import serve as served
    from importer.wiring import begin_log, connected, ledger, page_lock, submission_lock

    settings = load(flags, profile)
    offer = offered(settings, port)
    lock = submission_lock(settings)
    begin_log(settings)
    book = ledger(settings)
    try:
        with page_lock(settings).held("importer serve"), connected(settings) as connection:
            return served(
                offer, Desk(settings, book, lock, attended=True, identity=offer.mode), connection, browser=browser
            )
    finally:
        book.close()


def user_add(name: str, roles: Sequence[str], flags: Table[str, Any], profile: str | None, *, link: bool) -> int:
    """`importer serve user add`: prints the link, once."""
    from importer.core.errors import UsageError
    from importer.web.route import Role

    unknown = next((each for each in roles if each not in set(Role)), None)
    if unknown is not None:
        raise UsageError(f"There is no role {unknown[:40]}.", f"Use one or more of: {', '.join(Role)}.")
    settings = load(flags, profile)
    with _door_book(settings) as book:
        token = book.add(name, [Role(each) for each in roles], link=link)
    if token:
        say(f"{_base(settings)}/login?token={token}")
        tell(
            "This link is shown once, and it is a key: give it to that person alone. Its end: importer serve user revoke"
        )
    else:
        say(f"{name} may come in by way of the proxy (--identity header)")
    return 0


def user_list(flags: Table[str, Any], profile: str | None, format_: str) -> int:
    """`importer serve user list`."""
    from importer.cli.look import json_wanted

    as_json = json_wanted(format_)
    with _door_book(load(flags, profile)) as book:
        people = book.people()
    if as_json:
        records = [
            {"name": each.name, "roles": sorted(each.roles), "link": each.has_link, "made": each.made.isoformat()}
            for each in people
        ]
        say_json({"schema": "importer.people/1", "people": records})
        return 0
    for each in people:
        by = "link" if each.has_link else "proxy"
        say(f"{each.name}\t{', '.join(sorted(each.roles))}\tby {by}\tsince {each.made:%Y-%m-%d}")
    if not people:
        say("nobody; importer serve user add NAME --role preparer")
    return 0


def user_revoke(name: str, flags: Table[str, Any], profile: str | None) -> int:
    """`importer serve user revoke`."""
    with _door_book(load(flags, profile)) as book:
        ended = book.revoke(name)
    say(f"{name} may not come in any more; {ended} {'session' if ended == 1 else 'sessions'} ended")
    return 0


@contextmanager
def _door_book(settings: Settings) -> "Iterator[DoorBook]":
    from importer.web.doorbook import DoorBook
    from importer.web.server import page_folder
    from importer.wiring import clock

    book = DoorBook(page_folder(settings.state_dir), clock())
    try:
        yield book
    finally:
        book.close()


def _base(settings: Settings) -> str:
    """What a link begins with; without --public-url, where a server on this machine listens by default."""
    from importer.web.urls import checked_public

    given = settings.given("public_url")
    return checked_public(str(given)) if given else "http://127.0.0.1:8765"


def sandbox(port: int, seed: int | None, scenario: str | None, world: Path | None, journal: Path | None) -> int:
    """`importer sandbox`."""
    from importer.sandbox.server import SandboxOptions
    from importer.sandbox.server import serve as served

    tell("the sandbox runs until Ctrl-C; set GENESYS_API_URL, GENESYS_LOGIN_URL and the credentials below")
    return served(SandboxOptions(port=port, seed=seed, scenario=scenario, world=world, journal=journal))
