"""The seams: each Protocol is as narrow as its use. Implementations satisfy them by shape; wiring.py names them."""

from __future__ import annotations  # what the seams speak of is imported by who uses it: reading a file needs little

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol

from importer.core.file_limits import COMMAND_LINE, FileLimits

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from importer.core.approval import Approval, Person
    from importer.core.budget import RetryBudget
    from importer.core.custom_fields import CustomField
    from importer.core.facts import Content, Facts, LedgerFact, QueueFact, Reference, TaskFact
    from importer.core.findings import Finding
    from importer.core.lease import Holder, Lease
    from importer.core.limits import Limits
    from importer.core.outcomes import Answer, NotDone, Refused
    from importer.core.plan import Environment, PlanHead, PlanRow, Preview
    from importer.core.report import AuditEntry, ResultRow, RunFacts, StateChange
    from importer.core.rows import Row, Sheet
    from importer.core.screen import ScreenTask
    from importer.core.stages import Entry
    from importer.core.task import TaskRequest


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the person said about the file."""

    sheet: str | None = None  # a sheet's name; None: the first visible one
    screen: ScreenTask | None = None  # leaves out the cells of rows that are surely good: for `check`, which keeps none
    file_limits: FileLimits = COMMAND_LINE


@dataclass(slots=True)
class Reading:
    """A file being read: what is known at once, the rows as a stream, and what is known only at the end.

    Iterate `rows` once, to its end; then `findings` is complete. Raises FileRefused, from the constructor function or
    while iterating, when the file cannot be taken.
    """

    sheet: Sheet
    rows: Iterator[Row]
    findings: list[Finding] = field(default_factory=list)  # on the file as a whole: encoding, hidden rows, blank lines…


@dataclass(frozen=True, slots=True)
class OpenBook:
    """A person's workbook, open to be copied with something added: where in its zip file the sheet stands that was read."""

    file: BinaryIO
    sheet: str  # the part's name; names are compared without regard to case and kind of slash
    styles: str | None
    pictured: int  # columns that pictures and charts of the sheet reach, counted from A


class OpensBook(Protocol):
    """Opens a workbook that was read before, while the context lasts."""

    def __call__(self, path: Path, sheet: str | None) -> AbstractContextManager[OpenBook]:
        """`sheet` is the name of the one that was read. Raises FileRefused: it is no workbook, or broken."""
        ...


class Source(Protocol):
    """Reads one file format. Runs inside the child process; nothing here may open another file or a socket."""

    def __call__(self, file: BinaryIO, options: ReadOptions) -> Reading:
        """Begins to read an open, seekable file. Raises FileRefused."""
        ...


class Clock(Protocol):
    """Time, so that tests can turn it by hand."""

    def now(self) -> datetime:
        """The wall clock, aware, UTC: for what is stored and shown."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, count suspended time, and are alike in all processes: for lags and leases."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        ...


class Slot(Protocol):
    """The right to make one call."""

    def unused(self) -> None:
        """Gives the slot back: nothing was sent."""
        ...


class Pace(Protocol):
    """The cap on calls, for all processes of one OAuth client on this machine."""

    def slot(self) -> AbstractAsyncContextManager[Slot]:
        """Waits for the right to make one call; the call counts until a window after the context ends."""
        ...

    def throttled(self, wait_s: float) -> None:
        """A 429: nobody calls for `wait_s` seconds."""
        ...

    def told(self, allowed: int, count: int, reset_s: float) -> None:
        """The server's own count of this window. May only slow us."""
        ...


class Gauge(Protocol):
    """How the pace stands: for whoever watches a run. Asking changes nothing."""

    throttles: int  # answers of 429 since this process began

    def counted(self) -> int:
        """Calls of this OAuth client that count in the window now, those of other processes on this machine included."""
        ...

    def held_s(self) -> float:
        """So many seconds nobody calls, because the target asked for a pause; 0 where it did not."""
        ...


@dataclass(frozen=True, slots=True)
class AuditTrail:
    """A task's audit entries, paged to the true end. `denied` where a scope is missing.

    `states`: the platform's own record of all its states, where it keeps one; then no poll can have missed any.
    """

    entries: tuple[AuditEntry, ...]
    denied: str = ""
    states: tuple[StateChange, ...] = ()


@dataclass(frozen=True, slots=True)
class References:
    """What rows name beside their queues: by field and text as written; and all names, for suggestions, by field."""

    found: Mapping[tuple[str, str], tuple[Reference, ...]] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """A bulk job as the target shows it: not begun, at work, over; void where it was ended before it began.

    Gone where nothing can be said of it.
    """

    id: str
    state: Literal["idle", "working", "over", "void", "gone"]


class Bulk(Protocol):
    """Creates many tasks by one job. A job that was prepared does nothing until it is started, and runs once."""

    size: int  # tasks a job at most

    def fits(self, payload: str) -> bool:
        """Whether this payload can be part of a job."""
        ...

    async def prepare(self, payloads: Sequence[str]) -> str | Refused:
        """A new job that does nothing yet: its ID; or why the target takes these payloads together in none."""
        ...

    async def start(self, job: str, claim: Callable[[], Awaitable[bool]]) -> NotDone | Refused | None:
        """Has a job begin; may be repeated. `claim` as in Target.create. NotDone where it cannot begin now, Refused where never.

        Raises Unavailable where it is not known whether it has begun: `read` tells.
        """
        ...

    async def read(self, job: str) -> Job:
        """How far a job is."""
        ...

    async def answers(self, job: str, payloads: Sequence[str]) -> Sequence[Answer | None]:
        """What became of each payload of a job that is over, in their order; None where it cannot be told yet."""
        ...

    async def discard(self, job: str) -> bool:
        """Deletes a job that was not started. False where it has begun after all."""
        ...


class Hints(Protocol):
    """News that tasks may have changed: when to look, never what became of them. Any of it may be late, wrong or lost."""

    @property
    def problem(self) -> str:
        """Why nothing is heard at the moment; a blank where there is no trouble."""
        ...

    def place(self, payload: Mapping[str, Any]) -> str:
        """Where a payload's task may be heard of; a blank: nowhere."""
        ...

    def listening(self, places: Sequence[str]) -> AbstractAsyncContextManager[None]:
        """Listens while the context lasts, as far as that is possible; its troubles are never raised."""
        ...

    def hears(self, place: str) -> bool:
        """Whether a change there would be told now."""
        ...

    def news(self) -> Collection[str]:
        """IDs of tasks that may have changed since this was asked last; and places, where any task may have."""
        ...


class Target(Protocol):
    """An API that takes tasks. Every method raises NotAuthorised or TargetDown when no row can succeed."""

    name: str
    limits: Limits
    budget: RetryBudget  # what may be repeated; one for a run
    bulk: Bulk | None  # where many tasks can be created by one job
    recorded: bool  # whether all states of a task can be read afterwards, with its audit entries
    hints: Hints | None  # where it tells when to look at tasks, and that is wanted

    @property
    def look_up(self) -> str:
        """How existing tasks are looked up, as far as it was found out at run time; a blank: always in one way."""
        ...

    def payload(self, request: TaskRequest, facts: Facts) -> dict[str, Any]:
        """What would be sent for a request, but for what is added when the run opens. Names that are not known stay names."""
        ...

    def scope(self, payload: Mapping[str, Any]) -> str:
        """Where tasks with a payload's external ID are looked for; a blank: everywhere."""
        ...

    def opened(self, payload: Mapping[str, Any], run: str, created_at: datetime) -> str:
        """The payload with run and creation time added, as the JSON text that is sent; frozen from here on."""
        ...

    def content(self, payload: Mapping[str, Any]) -> Content:
        """What a task is compared by, from its payload."""
        ...

    async def log_in(self, scopes: Sequence[str]) -> None:
        """Fetches a token and checks that it carries the scopes, where the answer lists any."""
        ...

    async def queues(self, named: Sequence[str]) -> Mapping[str, tuple[QueueFact, ...]]:
        """The queues by the names or IDs given; an empty tuple for one that does not exist."""
        ...

    async def queue_names(self) -> tuple[str, ...]:
        """The names of all queues, for suggestions."""
        ...

    async def organization(self) -> str:
        """The ID of the organisation that answers; a blank where the target does not tell."""
        ...

    def forget(self) -> None:
        """What was looked up before is out of date: it is asked for again."""
        ...

    async def vocabulary(self) -> Limits:
        """The limits, with the headings that only the target can tell: its own fields."""
        ...

    async def choices(self) -> tuple[Mapping[str, Sequence[str]], Sequence[CustomField]]:
        """For a template: all names by field, as far as they may be read, and the target's own fields."""
        ...

    async def references(self, requests: Sequence[TaskRequest]) -> References:
        """What these requests name beside their queues. What was asked for before is not asked for again."""
        ...

    async def find(
        self, external_ids: Sequence[str], scope: str = "", *, fresh: bool = True
    ) -> Mapping[str, tuple[TaskFact, ...]]:
        """The tasks by external ID, exact matches only; what is not found is left out. `scope`: see there.

        Not `fresh`: what was known some minutes ago will do; never for what a resend rests on.
        """
        ...

    async def create(self, payload: str, external_id: str, claim: Callable[[], Awaitable[bool]]) -> Answer | None:
        """One POST. `claim` runs when the slot is granted, right before the send; None where it said no."""
        ...

    async def probe(self) -> bool:
        """One harmless read, not repeated: whether the service is at work."""
        ...

    async def states(self, task_ids: Sequence[str], scope: str = "") -> Mapping[str, str]:
        """The states by task ID; what is not found is left out. `scope`: see there."""
        ...

    async def begin_audits(self, since: datetime) -> None:
        """Told before tasks' audit entries are asked for: none of these tasks is older than `since`."""
        ...

    async def audits(self, task_id: str) -> AuditTrail:
        """All audit entries of a task."""
        ...

    async def close(self) -> None:
        """Closes connections."""
        ...


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as the ledger keeps it."""

    run: str
    preview: Preview
    opened_at: str  # RFC 3339, UTC
    state: str  # "open" or "done"
    note: str
    settings: Mapping[str, Any]
    approval: Approval | None
    out: str  # the folder of its reports
    chain: str = ""  # the head of the log of approvals under which it was opened; a blank where none was needed


@dataclass(frozen=True, slots=True)
class TakenBy:
    """Another run's row holds this external ID: created (with its task ID) or in doubt (without)."""

    run: str
    task_id: str | None
    calls: int = 0  # begun so far for the rows in doubt


@dataclass(frozen=True, slots=True)
class Claim:
    """What came of a claim. Where there is a call, it is durable with all rows that it names but those taken: send."""

    call: int | None
    taken: Mapping[int, TakenBy] = field(default_factory=dict)  # by position


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended, for the record: the answer in a word or two, when, and the platform's ID of it."""

    call: int
    answer: str
    at: str  # RFC 3339, UTC
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call whose answer was never recorded: what kind it was, and the positions of the rows that it named."""

    call: int
    kind: str  # "create", or "bulk JOB"
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A call that creates, as the record has it: what kind it was, which lines it named, and how it ended, if that is known."""

    call: int
    kind: str  # "create", or "bulk JOB"
    began_at: str  # RFC 3339, UTC
    ended_at: str | None
    answer: str | None
    correlation_id: str | None
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RunRow:
    """A row as a run opens with it; `payload` is the frozen JSON text of a ready row."""

    row: PlanRow
    payload: str | None


class Ledger(Protocol):
    """The durable record. Every method that writes returns when the write is on disk. Raises LedgerError."""

    def open_run(self, record: RunRecord, rows: Iterable[RunRow]) -> None:
        """Records the run and every row of it in one transaction. Raises PlanRefused if the plan ran already."""
        ...

    def run(self, run: str) -> RunRecord | None:
        """A run by ID or by an unambiguous beginning of it."""
        ...

    def runs(self) -> list[RunRecord]:
        """All runs, oldest first."""
        ...

    def run_of_plan(self, plan: str) -> str | None:
        """The run that carried out a plan."""
        ...

    def counts(self, run: str) -> dict[str, int]:
        """The books of a run."""
        ...

    def being_sent(self, run: str) -> int:
        """How many rows are in a call whose answer is not recorded: on their way while their sender is at work, else unknown."""
        ...

    def counts_by_state(self, run: str) -> dict[str, int]:
        """How many of the tasks that a run created were last seen in each state; a blank: in none yet."""
        ...

    def result_rows(self, run: str) -> Iterator[ResultRow]:
        """Every row read, in file order."""
        ...

    def run_facts(self, run: str) -> RunFacts:
        """What the reports say above the rows."""
        ...

    def unsettled(self, run: str) -> int:
        """How many rows are ready, sending, in doubt or unknown."""
        ...

    def earlier(self, environment: Environment, external_ids: Sequence[str], run: str = "") -> dict[str, LedgerFact]:
        """What other runs in this environment created or hold in doubt, by external ID."""
        ...

    async def entries(self, run: str, stages: Sequence[str], after: int, limit: int) -> list[Entry]:
        """Rows in these stages with a position beyond `after`, in file order."""
        ...

    def trusted(self, *, though_older: bool = False, adopt: bool = False) -> None:
        """Before anything is sent: the file says what was written, is the newest and of this machine, and has room.

        `though_older` lets an older copy of itself pass, `adopt` one of another machine. Raises LedgerError, naming the check.
        """
        ...

    def is_older_copy(self) -> bool:
        """Whether the counter outside the file knows of writes that the file does not."""
        ...

    def accept_as_newest(self, restored_at: str = "") -> None:
        """What may have been sent since was looked up: the counter follows the file from now on.

        `restored_at` (RFC 3339, UTC): plans made before are not run any more, for they may have run unknown to this copy.
        """
        ...

    def restored_at(self) -> str:
        """When an older copy was last taken for the newest; a blank where none was."""
        ...

    def lease(self, run: str) -> Lease | None:
        """Who may send a run's rows."""
        ...

    async def take_lease(self, run: str, holder: Holder, until_s: float, lasts_s: float, over: Lease | None) -> Lease:
        """Takes a run, in the place of exactly the lease `over`. Raises LeaseLost where it has changed meanwhile.

        From then on this ledger object writes rows of the run under this lease or not at all (LeaseLost).
        """
        ...

    async def renew_lease(self, run: str, until_s: float) -> None:
        """Holds the run for longer. Raises LeaseLost."""
        ...

    async def release_lease(self, run: str) -> None:
        """Gives the run back."""
        ...

    async def claim(
        self, entries: Sequence[Entry], at: str, *, kind: str = "create", over_doubt: int | None = None
    ) -> Claim:
        """Records one call that names these rows of one run, and them as SENDING, but for those that another run's row holds.

        `over_doubt` ignores rows of other runs that are in doubt, if no more calls than these were begun for them: what was
        looked up tells nothing of a call that began since. Raises LeaseLost.
        """
        ...

    async def put(
        self,
        entry: Entry,
        states: Sequence[StateChange] = (),
        audits: Sequence[AuditEntry] = (),
        end: CallEnd | None = None,
    ) -> None:
        """Records an entry; `states`, where given, replace its history, `audits` its audit entries; `end` ends a call with it."""
        ...

    async def end_call(self, run: str, end: CallEnd) -> None:
        """Records that a call has ended, without any change of its rows."""
        ...

    def open_calls(self, run: str) -> Sequence[OpenCall]:
        """Calls whose answer was never recorded, oldest first."""
        ...

    def calls(self, run: str) -> Iterator[Call]:
        """All calls of a run that create, oldest first."""
        ...

    async def states(self, run: str, position: int) -> list[StateChange]:
        """An entry's state history."""
        ...

    async def set_state(self, run: str, state: str, note: str) -> None:
        """Records whether a run is open or done, and why it stopped."""
        ...

    def close(self) -> None:
        """Closes the file; waits for writes under way."""
        ...


class PlanDraft(Protocol):
    """A plan being written. Rows are added in file order; nothing is visible until it is finished."""

    def add(self, row: PlanRow) -> None:
        """One row."""
        ...

    def finish(self, head: PlanHead, *, source: str, made_at: datetime, preparer: Person) -> Preview:
        """Seals the plan under its digest and a new ID. Durable when it returns."""
        ...

    def discard(self) -> None:
        """Throws it away."""
        ...


class Writer(Protocol):
    """Writes one report of a run into a folder and returns the file's path."""

    def __call__(self, facts: RunFacts, counts: Mapping[str, int], rows: Callable[[], Iterator[ResultRow]]) -> Any: ...


Progress = Callable[[str, Mapping[str, Any]], None]
"""Told an event and its numbers; never raises, never blocks."""
