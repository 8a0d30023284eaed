"""The exception tree. Each class mirrors what a person can do about it, and has an exit code of its own.

    ImporterError                 1   (never raised itself)
    ├── UsageError                2   wrong usage, settings or an unreadable file: the person can mend it
    │   ├── SettingsError         2
    │   ├── FileRefused           2   carries the finding
    │   ├── NotWritten            2   a report has no place: folder read-only, disk full, name too long
    │   └── NoSuchDraft           2   no upload of that ID
    ├── Stale                     1   somebody changed an upload meanwhile; carries both values
    ├── DraftBusy                 1   an upload is being previewed just now
    ├── PlanRefused               4   approval missing or stale; plan, mapping or file altered; wrong environment
    ├── NotAuthorised             6   credentials or scope
    │   └── Forbidden             6   403: a scope or permission is missing
    ├── TargetDown                7   the service is unavailable; the run can be resumed
    │   ├── Unavailable           7   it does not answer as it should; it may soon
    │   ├── LongWait              7   it asks to wait longer than anyone wants to sit out; carries until when
    │   └── BudgetSpent           7   too many calls had to be repeated
    ├── TooManyFailures           5   the run was stopped because its rows fail; the rest is not sent
    ├── AlreadyRunning            8   another run holds the lock
    │   └── LeaseLost             8   another importer has taken this run over
    ├── LedgerError               1   the ledger is damaged, foreign, newer, or cannot be written
    └── Interrupted             130   a person or the system asked to stop (143 for SIGTERM)

One bad row is a value (a finding, an outcome); a world in which no row can succeed is one of these.
"""

from collections.abc import Sequence

from importer.core.findings import Finding


class ImporterError(Exception):
    """Something that the person in front of the screen should read: `str()` says what, `fix` says how to mend it."""

    exit_code = 1

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.fix = fix


class UsageError(ImporterError):
    """Wrong usage."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting is wrong, unknown or missing."""


class FileRefused(UsageError):
    """The file as a whole cannot be taken: `finding` says why, `others` what else was found about it."""

    def __init__(self, finding: Finding, others: Sequence[Finding] = ()) -> None:
        super().__init__(finding.message, finding.fix)
        self.finding = finding
        self.others = tuple(others)


class NotWritten(UsageError):
    """A report cannot be written where it should stand. What it tells is not lost: it can be written elsewhere."""


class NoSuchDraft(UsageError):
    """There is no such upload, or it was thrown away."""

    def __init__(self, draft: str) -> None:
        super().__init__(f"There is no upload {draft[:40]}.", "It may be past its days; upload the file again.")


class Stale(ImporterError):
    """Somebody changed an upload since this person saw it. Nothing was changed now."""

    def __init__(self, *, what: str, sent: str, now: str, who: str, revision: int) -> None:
        super().__init__(
            f"{who or 'Somebody'} changed this upload meanwhile: {what} says “{now}” now, you sent “{sent}”.",
            "Look at it again, and decide.",
        )
        self.what = what  # "Tasks!C17", "the columns"
        self.sent = sent  # what this person wanted
        self.now = now  # what stands there now
        self.who = who  # who made the last change
        self.revision = revision  # the current one


class DraftBusy(ImporterError):
    """An upload is being previewed, or made a plan, just now."""


class PlanRefused(ImporterError):
    """The plan may not be run: not approved, altered, used, or of another environment."""

    exit_code = 4


class NotAuthorised(ImporterError):
    """The credentials are missing or wrong, or a scope is missing."""

    exit_code = 6


class Forbidden(NotAuthorised):
    """The target refuses one kind of call; `code` is its own word for why, or a blank."""

    def __init__(self, message: str, fix: str = "", code: str = "") -> None:
        super().__init__(message, fix)
        self.code = code


class TargetDown(ImporterError):
    """The service cannot be reached or fails for every row. Nothing is lost; the run can be resumed."""

    exit_code = 7


class Unavailable(TargetDown):
    """The service fails, but a later call may succeed."""


class LongWait(TargetDown):
    """The service asks to wait for long; the run rests until then."""


class BudgetSpent(TargetDown):
    """So many calls had to be repeated that repeating more would only add to the trouble."""

    def __init__(self, last: str) -> None:
        super().__init__(
            f"Too many calls had to be repeated, the last one for this: {last}. The rest is not sent.",
            "Run importer resume when the service is well again.",
        )


class TooManyFailures(ImporterError):
    """Rows fail for a cause that is not in them, or more of them than were allowed. Nothing is lost."""

    exit_code = 5


class AlreadyRunning(ImporterError):
    """Another submission holds the ledger's lock."""

    exit_code = 8


class LeaseLost(AlreadyRunning):
    """Another importer has taken the run over while this one was held up, or may have by now."""

    def __init__(self, run: str, *, taken: bool = True) -> None:
        by = (
            "Another importer has" if taken else "This importer was held up for longer than its lease; another may have"
        )
        super().__init__(
            f"{by} taken over the run {run}. Nothing more is sent from here.",
            f"See importer status {run}; importer resume {run} carries on if nobody does.",
        )


class LedgerError(ImporterError):
    """The ledger cannot be trusted or written."""


class Interrupted(ImporterError):
    """Stopped by a signal or a person; everything is recorded and can be resumed."""

    def __init__(self, exit_code: int, message: str = "Interrupted.") -> None:
        super().__init__(message, "Nothing is lost.")
        self.exit_code = exit_code
