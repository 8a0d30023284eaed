"""serve and sandbox: commands that answer others."""

from collections.abc import Mapping as Table
from pathlib import Path
from typing import Any

from importer.cli.screen import tell
from importer.settings import load


def serve(port: int, flags: Table[str, Any], profile: str | None) -> int:
    """`importer serve`."""
    from importer.web.server import serve as served
    from importer.wiring import connected, ledger

    settings = load(flags, profile)
    book = ledger(settings)
    try:
        with connected(settings) as connection:
            return served(port, connection, book)
    finally:
        book.close()


def sandbox(port: int, seed: int | None, scenario: str | None, world: Path | None, journal: Path | None) -> int:
    """`importer sandbox`."""
    from importer.sandbox.server import SandboxOptions
    from importer.sandbox.server import serve as served

    tell("the sandbox runs until Ctrl-C; set GENESYS_API_URL, GENESYS_LOGIN_URL and the credentials below")
    return served(SandboxOptions(port=port, seed=seed, scenario=scenario, world=world, journal=journal))
