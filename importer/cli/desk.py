"""Desk: what the sending commands work with, and how a run is carried on from a terminal."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from collections.abc import Mapping as Table
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from importer.cli import screen
from importer.cli.look import json_wanted
from importer.core.errors import Interrupted
from importer.desk import desk as shared
from importer.desk.desk import proven, rows_to_send, running
from importer.settings import Settings, load

if TYPE_CHECKING:
    from importer.flow.run import Ending, Running
    from importer.wiring import Connection


@dataclass(slots=True)
class Desk(shared.Desk):
    """What a sending command works with."""

    as_json: bool = False


def at(desk: Desk, settings: Settings) -> Desk:
    """The same desk with other settings."""
    return Desk(settings, desk.book, desk.lock, attended=desk.attended, as_json=desk.as_json)


@contextlib.contextmanager
def opened(flags: Table[str, Any], profile: str | None, format_: str) -> Iterator[Desk]:
    from importer.wiring import begin_log, ledger, submission_lock

    as_json = json_wanted(format_)
    settings = load(flags, profile)
    proven(settings)
    lock = submission_lock(settings)
    begin_log(settings)
    book = ledger(settings)
    _warn_of_share(settings)
    try:
        yield Desk(settings, book, lock, attended=sys.stderr.isatty(), as_json=as_json)
    finally:
        book.close()


def _warn_of_share(settings: Settings) -> None:
    from importer.wiring import ledger_share

    share = ledger_share(settings)
    if share is not None:
        screen.tell(
            f"▲ The ledger lies on a network share ({share}), where locks may not hold: import from one machine alone, "
            "or choose a folder of this machine (--state-dir)."
        )


def carried_on(desk: Desk, run_id: str, connection: "Connection", *, only_follow: bool = False) -> "Ending":
    """Submits, tracks and audits; Ctrl-C and SIGTERM end it cleanly."""
    from importer.flow.run import Ending

    if desk.settings.notifications and connection.target.hints is None:
        screen.tell(f"· The target {connection.target.name} has no notifications: its tasks are polled.")

    async def carried(carrier: "Running") -> "Ending":
        if not only_follow:
            return await carrier.carry_on(run_id)
        ending = Ending(run_id)
        await carrier.follow(run_id, ending)
        return ending

    return _stoppable(desk, run_id, connection, carried)


def reconciled(desk: Desk, run_id: str, connection: "Connection", *, resend: bool) -> "Ending":
    """Looks up what is unknown; Ctrl-C and SIGTERM end it cleanly."""
    return _stoppable(desk, run_id, connection, lambda carrier: carrier.reconcile(run_id, resend=resend))


def _stoppable(
    desk: Desk, run_id: str, connection: "Connection", work: "Callable[[Running], Coroutine[Any, Any, Ending]]"
) -> "Ending":
    progress = screen.ProgressLine(quiet=desk.as_json)
    carrier = running(desk, connection, progress, rows_to_send(desk.book, run_id))

    async def stoppable() -> "Ending":
        with _signals(carrier.stop):
            return await work(carrier)

    try:
        ending: Ending = connection.run(stoppable())
        return ending
    finally:
        progress.end()


@contextlib.contextmanager
def _signals(stop: Callable[[Interrupted], None]) -> Any:
    """The first signal ends cleanly, the second at once."""
    loop = asyncio.get_running_loop()
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143}

    def stopped(number: signal.Signals) -> None:
        for each in codes:
            loop.remove_signal_handler(each)
            signal.signal(each, _leave)
        screen.tell("\nstopping: calls in flight may land; once more to leave at once")
        stop(Interrupted(codes[number]))

    with contextlib.suppress(NotImplementedError):  # Windows has no such handlers; Ctrl-C ends at once there
        for number in codes:
            loop.add_signal_handler(number, stopped, number)
    try:
        yield
    finally:
        with contextlib.suppress(NotImplementedError):
            for number in codes:
                loop.remove_signal_handler(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _leave(number: int, _: object) -> None:
    """Ends the process where it stands, as a kill would: the ledger is made for that, and an exception on its way out is not."""
    os.write(2, b"Interrupted. Nothing is lost; carry on with: importer resume\n")
    os._exit(128 + number)
