"""Site: the sandbox's service behind a simulated network. What it writes down is the truth that a run is judged by."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

from multidict import CIMultiDict

from importer.core.outcomes import Lost, NotDone
from importer.sandbox.answers import Answer, error
from importer.sandbox.api import Credentials
from importer.sandbox.service import Service, Visit
from importer.sandbox.world import Identity, World
from importer.targets.transport import Reply, Request, json_of
from tests.simulation.timeline import START, Timeline
from tests.simulation.weather import Trouble, Weather

CLIENT = Credentials("simulated", "no secret")


class ServerClock:
    """See sandbox.clock.Clock: the timeline's, set wrong by some seconds."""

    def __init__(self, timeline: Timeline, skew_s: float) -> None:
        self._timeline = timeline
        self._skew_s = skew_s

    def now(self) -> float:
        return START.timestamp() + self._timeline.monotonic() + self._skew_s

    def monotonic(self) -> float:
        return self._timeline.monotonic()

    def advance(self, seconds: float) -> None:
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Sent:
    """A call as it left a process."""

    at: float
    number: int
    what: str  # method, path and query
    body: bytes
    key: str  # the idempotency key


@dataclass(frozen=True, slots=True)
class Told:
    """An answer that asks to wait, as it reached a process."""

    at: float
    seconds: float


@dataclass(slots=True)
class Exchanged:
    """One call under way. `answer` is called at most once, while the client is there."""

    number: int
    request: Request
    answer: Callable[[Reply | Lost | NotDone], None]
    present: Callable[[], bool]  # whether the client still waits
    trouble: Trouble | None


class Site:
    """The server and the way to it. Its state: the service, the calls sent, the waits told, the journal."""

    def __init__(self, timeline: Timeline, weather: Weather) -> None:
        self.timeline = timeline
        self.weather = weather
        self.world = World(Identity.seeded(weather.seed), weather.scenario)
        self.service = Service(self.world, CLIENT, ServerClock(timeline, weather.skew_s))
        self.sent: list[Sent] = []
        self.told: list[Told] = []
        self.journal: list[str] = []
        self._dice = random.Random(f"network {weather.seed}")
        self._troubled = True

    def clears(self) -> None:
        """No more faults of any kind."""
        self.service.set_faults(())
        self._troubled = False

    def note(self, text: str) -> None:
        """A line of the journal."""
        self.journal.append(f"{self.timeline.monotonic():12.6f} {text}")

    def made(self) -> list[tuple[str, str]]:
        """External ID and ID of every task and workitem, oldest first."""
        tasks = [(str(each.external_id), each.id) for each in self.world.tasks.values()]
        return tasks + [(str(each.external_tag), each.id) for each in self.world.workitems.workitems.values()]

    # A call

    def takes(
        self, request: Request, answer: Callable[[Reply | Lost | NotDone], None], present: Callable[[], bool]
    ) -> None:
        """A call leaves a process; `answer` gets what becomes of it, once, unless `present` says that it is gone."""
        number = len(self.sent) + 1
        path = str(request.url.raw_path_qs)
        body = _bytes(request.body)
        key = request.headers.get("Idempotency-Key", "") or _tag(request.method, path, body)
        self.sent.append(Sent(self.timeline.monotonic(), number, f"{request.method} {path}", body, key))
        trouble = self.weather.network.troubles.get(number) if self._troubled else None
        self.note(f"#{number} {request.method} {path[:90]} {key}{f' ({trouble})' if trouble else ''}")
        call = Exchanged(number, request, answer, present, trouble)
        if trouble == "refused":
            self._later(self._leg("up_s"), call, NotDone("no connection to the server"))
            return
        self.timeline.after(self.weather.patience_s, partial(self._given_up, call))
        if trouble == "cut":
            self._later(self._leg("up_s"), call, Lost("the answer was lost: connection reset"))
            return
        self.timeline.after(self._leg("up_s"), partial(self._arrived, call))

    def _leg(self, name: str) -> float:
        return self._dice.uniform(*getattr(self.weather.network, name))

    def _given_up(self, call: Exchanged) -> None:
        if call.present():
            self.note(f"#{call.number} given up")
            call.answer(Lost("the answer was lost: time-out", timed_out=True))

    def _arrived(self, call: Exchanged) -> None:
        url = call.request.url
        visit, answer = self.service.arrive(call.request.method, url.path)
        if answer is not None:
            self._departs(call, visit, answer)
            return
        fault = visit.fault
        kind = fault.kind if fault else ""
        if call.trouble == "overdue":  # the client has gone by then
            seconds = self.weather.patience_s + 0.3
            self.timeline.after(seconds, partial(self._processed, call, visit))
        elif kind == "reset_before":
            self._departs(call, visit, error(500))
        elif fault and kind == "reset_late":
            self.service.postpone(visit, url.query, _named(call.request), _bytes(call.request.body))
            self._departs(call, visit, error(500))
        elif fault and kind == "hang":
            self.timeline.after(fault.seconds, partial(self._unless_gone, call, visit))
        else:
            self.timeline.after(self._leg("served_s"), partial(self._processed, call, visit))

    def _unless_gone(self, call: Exchanged, visit: Visit) -> None:
        """As the sandbox's server does: a client that leaves takes its call along."""
        if call.present():
            self._processed(call, visit)

    def _processed(self, call: Exchanged, visit: Visit) -> None:
        before = len(self.made())
        answer = self.service.process(visit, call.request.url.query, _named(call.request), _bytes(call.request.body))
        if made := self.made()[before:]:
            self.note(f"#{call.number} committed {' '.join(task_id[:8] for _, task_id in made)}")
        if visit.fault and visit.fault.kind == "hang_after":
            self.timeline.after(visit.fault.seconds, partial(self._departs, call, visit, answer))
        else:
            self._departs(call, visit, answer)

    def _departs(self, call: Exchanged, visit: Visit, answer: Answer) -> None:
        kind = visit.fault.kind if visit.fault else ""
        down_s = self._leg("down_s") + (self.weather.patience_s if call.trouble == "deaf" else 0.0)
        if kind.startswith("reset_") or kind == "short":
            self._later(down_s, call, Lost("the answer was lost: connection reset"), kind)
            return
        headers = CIMultiDict(self.service.depart(visit, answer))
        headers["Date"] = formatdate(self.service.clock.now(), usegmt=True)
        self._later(down_s, call, Reply(answer.status, json_of(answer.body), headers), kind)

    def _later(self, seconds: float, call: Exchanged, answer: Reply | Lost | NotDone, kind: str = "") -> None:
        self.timeline.after(seconds, partial(self._reaches, call, answer, kind))

    def _reaches(self, call: Exchanged, answer: Reply | Lost | NotDone, kind: str) -> None:
        words = f"{answer.status}" if isinstance(answer, Reply) else type(answer).__name__
        if not call.present():
            self.note(f"#{call.number} {words} {kind}: nobody waits")
            return
        if isinstance(answer, Reply) and answer.status in (429, 503):
            wait_s = _wait_s(answer.headers)
            words += f" Retry-After {answer.headers.get('Retry-After')!r}"
            if wait_s and not self.timeline.is_held_up:  # else it is read later than it came
                self.told.append(Told(self.timeline.monotonic(), wait_s))
        self.note(f"#{call.number} {words} {kind}".rstrip())
        call.answer(answer)


def _tag(method: str, path: str, body: bytes) -> str:
    """The external tag of a single workitem that is to be created; a blank for any other call."""
    single = (method, path) == ("POST", "/api/v2/taskmanagement/workitems")
    return str(json.loads(body).get("externalTag", "")) if single else ""


def _named(request: Request) -> CIMultiDict[str]:
    return CIMultiDict(request.headers)


def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else urlencode(body or {}).encode()


def _wait_s(headers: Any) -> float:
    """What the server truly asks for; 0 where it makes no sense. Written anew, so that no mistake is shared."""
    text = str(headers.get("Retry-After", ""))
    if text.isdigit():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - parsedate_to_datetime(headers["Date"])).total_seconds(), 0.0)
    except ValueError:
        return 0.0
