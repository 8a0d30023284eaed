"""Premises: what a preflight looks at before it asks anybody: settings, hosts and the folders of this machine."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from importer.core.errors import ImporterError, LedgerError, SettingsError, UsageError
from importer.core.health import Line, fine, unchecked, warning, wrong
from importer.folders import private_folder
from importer.hosts import REGIONS, masked
from importer.settings import Settings
from importer.wiring import ledger_share, trust

TOKEN = "GENESYSCLOUD_ACCESS_TOKEN"  # noqa: S105 - the name of a variable, no token
CHECKED = (
    "rate",
    "concurrency",
    "track",
    "canary",
    "bulk",
    "server_check",
    "time_zone",
    "audit",
    "require_approval",
    "on_drift",
)
DURATIONS = ("index_lag", "timeout", "longest_wait", "outage_wait", "lease", "approval_expires")


def looked_over(settings: Settings) -> Iterator[Line]:
    """One line after the other; where one of them is wrong, the target cannot be asked."""
    yield from _settings(settings)
    yield from _hosts(settings)
    yield from _credentials(settings)
    yield from _folders(settings)
    yield _ledger(settings.state_dir / "ledger.sqlite")


def _settings(settings: Settings) -> Iterator[Line]:
    try:
        for name in CHECKED:
            getattr(settings, name)
        settings.max_failures(0)
        settings.four_eyes()
        for name in DURATIONS:
            settings.seconds(name)
        if settings.ca_file is not None:
            trust(settings)
    except SettingsError as problem:
        yield _wrong("settings", problem)


def _hosts(settings: Settings) -> Iterator[Line]:
    if settings.sandbox:
        yield fine("hosts", "the built-in sandbox, on this machine alone")
        return
    try:
        api_url, login_url = settings.endpoints
    except SettingsError as problem:
        yield _wrong("hosts", problem)
        return
    safe = (
        "https, certificates are verified"
        if api_url.lower().startswith("https:")
        else "not encrypted, on this machine alone"
    )
    yield fine("hosts", f"{_region(api_url)}API {masked(api_url)}, log-in {masked(login_url)}; {safe}")


def _region(api_url: str) -> str:
    host = api_url.partition("://")[2].lower().removeprefix("api.")
    name = next((name for name, domain in REGIONS.items() if domain == host), None)
    return f"region {name}: " if name else ""


def _credentials(settings: Settings) -> Iterator[Line]:
    if settings.sandbox:
        return
    if os.environ.get(TOKEN):
        advice = "A token cannot be renewed in mid-run: set the client's ID and secret instead."
        yield unchecked("access token", f"{TOKEN} is set and not used", advice)
    try:
        client_id, _ = settings.credentials
    except ImporterError as problem:
        yield _wrong("credentials", problem)
    else:
        yield fine("credentials", f"of the OAuth client {client_id}, from the environment")


def _folders(settings: Settings) -> Iterator[Line]:
    yield _writable("state folder", settings.state_dir, "Choose another folder with --state-dir or IMPORTER_STATE_DIR.")
    yield from ledger_folder(settings.state_dir, ledger_share(settings))
    yield _writable("reports folder", Path(settings.text("out")).absolute(), "Choose another folder with --out.")


def ledger_folder(folder: Path, share: str | None) -> Iterator[Line]:
    """A warning where the folder lies on a network share of that kind."""
    if share is not None:
        advice = "Import from one machine alone, or choose a folder of this machine (--state-dir)."
        yield warning("ledger folder", f"{folder} lies on a network share ({share}), where locks may not hold", advice)
    else:
        yield fine("ledger folder", "on a disk of this machine, as far as the system tells")


def _writable(check: str, folder: Path, advice: str) -> Line:
    """Whether a file can be made there; the folder is made first, as any command would."""
    try:
        private_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
    except OSError as problem:
        return wrong(check, f"{folder} cannot be written: {problem.strerror}", advice, UsageError.exit_code)
    return fine(check, f"{folder} can be written; {free / 2**30:,.1f} GiB are free")


def _ledger(path: Path) -> Line:
    from importer.ledgers.checkup import verified

    if not path.exists():
        return fine("ledger", "none yet; the first run makes it")
    try:
        problems = [f"{check.name}: {check.problems[0]}" for check in verified(path) if check.problems]
    except LedgerError as problem:
        return _wrong("ledger", problem)
    if problems:
        advice = "Keep the file, and see importer ledger verify: nothing is sent with a damaged ledger."
        return wrong("ledger", f"{path} is damaged ({problems[0]})", advice, LedgerError.exit_code)
    return fine("ledger", f"{path} says what was written")


def _wrong(check: str, problem: ImporterError) -> Line:
    return wrong(check, str(problem), problem.fix, problem.exit_code)
