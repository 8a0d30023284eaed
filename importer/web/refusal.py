"""Refusal: why the page does not do what was asked, and what to do about it."""

from collections.abc import Mapping

from importer.core.errors import (
    AlreadyRunning,
    DraftBusy,
    FileRefused,
    ImporterError,
    LedgerError,
    NoSuchDraft,
    NotAuthorised,
    PlanRefused,
    Stale,
    TargetDown,
    UsageError,
)

STATUSES: tuple[tuple[type[ImporterError], int, str], ...] = (
    (NoSuchDraft, 404, "not.found"),
    (FileRefused, 422, "file.refused"),
    (UsageError, 400, "bad.request"),
    (Stale, 409, "stale"),
    (DraftBusy, 409, "busy"),
    (PlanRefused, 409, "plan.refused"),
    (AlreadyRunning, 409, "already.running"),
    (NotAuthorised, 502, "not.authorised"),
    (TargetDown, 503, "unavailable"),
    (LedgerError, 500, "ledger"),
)
"""The status and the code of each kind of trouble; the first that fits counts."""


class Refused(Exception):
    """A request that is not carried out: an HTTP status, what is wrong, and how to mend it."""

    def __init__(
        self,
        status: int,
        message: str,
        fix: str = "",
        *,
        code: str = "refused",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.fix = fix
        self.code = code
        self.headers = dict(headers or {})


def status_of(problem: ImporterError) -> tuple[int, str]:
    """The HTTP status and the code of a trouble."""
    return next(((status, code) for kind, status, code in STATUSES if isinstance(problem, kind)), (500, "failed"))
