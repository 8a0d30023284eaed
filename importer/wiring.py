"""Wiring: the one place that names implementations. Heavy modules are imported inside, by the commands that need them."""

import hashlib
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.core.errors import AlreadyRunning, ImporterError, SettingsError
from importer.core.limits import Limits
from importer.folders import private_folder, private_opener
from importer.hosts import masked, may_fetch
from importer.settings import Settings

if TYPE_CHECKING:
    import ssl

    from filelock import FileLock

    from importer.approvals.approvers import Approvers
    from importer.approvals.log import ApprovalLog
    from importer.core.approval import Person
    from importer.core.plan import Environment
    from importer.flow.doctor import Examiner
    from importer.flow.lease import Who
    from importer.ledgers.lock import SubmissionLock
    from importer.ledgers.plans import PlanFolder
    from importer.ports import Clock, Gauge, Hints, Ledger, Target
    from importer.targets.exchange import Exchange
    from importer.targets.pace import SharedPace
    from importer.targets.transport import HttpTransport

SANDBOX_START_S = 30.0


Runs = Callable[[Coroutine[Any, Any, Any]], Any]


@dataclass(frozen=True, slots=True)
class Connection:
    """A target, ready to be called, and the environment that it stands for."""

    target: "Target"
    environment: "Environment"
    run: Runs  # on the one event loop that all its calls share
    another: "Callable[[], Target] | None" = None  # for work beside the first: its own log-in and budget, the same pace
    gauge: "Gauge | None" = None  # how the pace stands, where that can be told


@dataclass(frozen=True, slots=True)
class Examining:
    """A target, ready to be examined."""

    examiner: "Examiner"
    environment: "Environment"
    run: Runs


def limits(settings: Settings) -> Limits:
    """What the target accepts; asks nobody."""
    from importer.targets.limits import LIMITS

    name = settings.text("target")
    if name not in LIMITS:
        raise SettingsError(f"The target {name} is unknown.", f"Use one of: {', '.join(LIMITS)}.")
    return replace(LIMITS[name], time_zone=settings.time_zone)


def clock() -> "Clock":
    """The machine's clock."""
    from importer.clock import SystemClock

    return SystemClock()


def begin_log(settings: Settings) -> None:
    """Log events go to the state folder, the settings in force first. Raises SettingsError where it cannot be written."""
    import logging

    from importer.logs import begin

    try:
        begin(settings.state_dir / "logs")
    except OSError as problem:
        raise SettingsError(
            f"The state folder {settings.state_dir} cannot be written: {problem.strerror}.", "Check --state-dir."
        ) from problem
    known = {name: f"{masked(value.value)} ({value.origin})" for name, value in settings.values.items()}
    logging.getLogger(__name__).info("settings", extra=known)


def ledger(settings: Settings) -> "Ledger":
    """The ledger in the state folder. Raises LedgerError."""
    from importer.ledgers.sqlite import SqliteLedger

    return SqliteLedger(settings.state_dir / "ledger.sqlite")


def ledger_share(settings: Settings) -> str | None:
    """The kind of network share that the state folder lies on, if it does."""
    from importer.ledgers.share import share_of

    return share_of(settings.state_dir)


def plans(settings: Settings) -> "PlanFolder":
    """The plans in the state folder."""
    from importer.ledgers.plans import PlanFolder

    return PlanFolder(settings.state_dir / "plans")


def submission_lock(settings: Settings) -> "SubmissionLock":
    """The lock of this ledger and OAuth client (or sandbox)."""
    from importer.ledgers.lock import SubmissionLock

    key = "sandbox" if settings.sandbox else "|".join((settings.endpoints[0], settings.credentials[0]))
    return SubmissionLock(settings.state_dir / "locks", hashlib.sha256(key.encode()).hexdigest()[:16])


def page_lock(settings: Settings) -> "SubmissionLock":
    """The lock of the page's server: one of a state folder."""
    from importer.ledgers.lock import SubmissionLock

    return SubmissionLock(
        settings.state_dir / "locks",
        "page",
        "Another importer serve has this state folder",
        "Use its page, end it, or choose another folder with --state-dir.",
    )


def report_lock(settings: Settings, run: str) -> "FileLock":
    """The lock under which the reports of a run are written; a few runs share one, so that no file is left for each. Raises OSError."""
    from filelock import FileLock

    folder = settings.state_dir / "locks"
    private_folder(folder)
    return FileLock(folder / f"reports-{zlib.crc32(run.encode()) % 16:x}.lock", mode=0o600)


def who() -> "Who":
    """This process, as leases know it."""
    from importer.flow.lease import Who
    from importer.machine import is_gone, myself

    return Who(myself(), is_gone)


def approvals(settings: Settings) -> "ApprovalLog":
    """The log of approvals in the state folder."""
    return _approvals(settings.state_dir / "approvals")


@cache
def _approvals(folder: Path) -> "ApprovalLog":
    """One for a folder: it remembers which lines it has verified."""
    from importer.approvals.log import ApprovalLog

    return ApprovalLog(folder)


def approvers(settings: Settings) -> "Approvers":
    """Whose decisions count that were made in another state folder."""
    from importer.approvals.approvers import Approvers

    return Approvers(settings.state_dir / "approvals")


def person() -> "Person":
    """Who sits in front of the screen: as the system itself knows it, whatever the environment says."""
    from importer.core.approval import Person
    from importer.machine import login

    return Person(*login())


@contextmanager
def connected(settings: Settings) -> Iterator[Connection]:
    """The target that the settings name; with `--sandbox`, a sandbox process that ends with this one."""
    limits(settings)
    with _located(settings) as place, _exchanging(settings, place) as (exchange, transport, pace, run):
        target = _target(settings, exchange, transport, place.client_id)

        def another() -> "Target":
            return _target(settings, exchange.beside(), transport, place.client_id)

        yield Connection(target, place.environment, run, another, pace)
        run(target.close())


@contextmanager
def examining(settings: Settings) -> "Iterator[Examining]":
    """What `importer doctor` asks of the target that the settings name."""
    from importer.targets.examination import Examination

    with _located(settings) as place, _exchanging(settings, place) as (exchange, _, _, run):
        yield Examining(Examination(exchange, clock()), place.environment, run)
        run(exchange.close())


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a target is, and who asks it."""

    api_url: str
    login_url: str
    client_id: str
    secret: str = field(repr=False)
    environment: "Environment"


@contextmanager
def _located(settings: Settings) -> Iterator[_Place]:
    from importer.core.plan import Environment

    target = settings.text("target")
    if not settings.sandbox:
        api_url, login_url = settings.endpoints
        client_id, secret = settings.credentials
        yield _Place(api_url, login_url, client_id, secret, Environment(target, origin_of(api_url), client_id))
        return
    # The founding API is what the sandbox is like without a scenario.
    scenario = () if target == "tasks" else ("--scenario", target)
    with sandbox_process(settings.state_dir / "sandbox", *scenario) as ready:
        environment = Environment(target, f"sandbox:{ready['world']}", ready["client_id"])
        client_id, secret = ready["client_id"], ready["client_secret"]
        yield _Place(ready["api_url"], ready["login_url"], client_id, secret, environment)


def origin_of(api_url: str) -> str:
    """Scheme, host and port."""
    from urllib.parse import urlsplit

    parts = urlsplit(api_url)
    return f"{parts.scheme}://{parts.netloc}".lower()


@contextmanager
def _exchanging(settings: Settings, place: _Place) -> "Iterator[tuple[Exchange, HttpTransport, SharedPace, Runs]]":
    import asyncio

    from importer.machine import boot
    from importer.targets.exchange import Credentials, Endpoints, Exchange
    from importer.targets.pace import CallLog, Rate, SharedPace
    from importer.targets.transport import HttpTransport, Timeouts

    time = clock()
    rate = Rate(*settings.rate)
    key = f"{place.environment.origin}|{place.client_id}"
    calls = CallLog(settings.state_dir / "pace.sqlite", key, rate, boot())
    pace = SharedPace(calls, rate, time, settings.seconds("longest_wait"))
    endpoints = Endpoints(place.api_url, place.login_url)
    trusted = (
        trust(settings) if any(url.lower().startswith("https:") for url in (endpoints.api, endpoints.login)) else None
    )
    transport = HttpTransport(Timeouts(total_s=settings.seconds("timeout")), trusted)
    exchange = Exchange(endpoints, Credentials(place.client_id, place.secret), pace, time, transport)
    try:
        with asyncio.Runner() as runner:
            yield exchange, transport, pace, runner.run
    finally:
        calls.close()


def _target(settings: Settings, exchange: "Exchange", transport: "HttpTransport", client_id: str) -> "Target":
    if settings.text("target") == "tasks":
        from importer.targets.tasks import TasksTarget

        return TasksTarget(exchange)
    from importer.targets.workitems.target import WorkitemsTarget

    def elsewhere(url: str) -> bool:
        return may_fetch(url, exchange.endpoints.api, settings.allowed_hosts)

    return WorkitemsTarget(
        exchange,
        clock(),
        client_id,
        time_zone=settings.time_zone,
        may_fetch=elsewhere,
        hints=_hints(settings, exchange, transport),
    )


def _hints(settings: Settings, exchange: "Exchange", transport: "HttpTransport") -> "Hints | None":
    if not settings.notifications:
        return None
    from importer.targets.workitems.notifications import Notifications

    return Notifications(exchange, clock(), transport, exchange.endpoints.api)


def trust(settings: Settings) -> "ssl.SSLContext":
    """Whose certificates are taken. Raises SettingsError for a file that holds none."""
    from importer.targets.transport import trusting

    file = settings.ca_file
    try:
        return trusting(file)
    except (OSError, ValueError) as problem:  # SSLError is an OSError
        raise SettingsError(
            f"{settings.values['ca_file'].origin}: {file} holds no certificates that can be read: {problem}.",
            "Give a file in PEM form with the certificate of your authority (-----BEGIN CERTIFICATE-----).",
        ) from problem


@contextmanager
def sandbox_process(folder: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """A sandbox of its own process, its world kept in `folder`. It ends when this process does, however that happens."""
    private_folder(folder)
    command = [sys.executable, "-m", "importer.sandbox", "--port", "0", "--until-stdin-closes"]
    command += ["--world", str(folder / "world.jsonl"), *arguments]
    # The sandbox makes its own credentials: real ones have no business in a child's environment.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GENESYS")}
    with open(folder / "sandbox.log", "wb", opener=private_opener) as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise _not_started(folder, process.wait(SANDBOX_START_S))
        yield json.loads(line)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _not_started(folder: Path, code: int) -> ImporterError:
    words = (folder / "sandbox.log").read_text("utf-8", "replace").strip().splitlines()
    reason = words[-1] if words else f"exit code {code}"
    if "use" in reason or "lock" in reason:
        return AlreadyRunning(f"The sandbox's world is in use: {reason}", "Wait, or use another --state-dir.")
    return SettingsError(f"The sandbox did not start: {reason}", f"See {folder / 'sandbox.log'}.")
