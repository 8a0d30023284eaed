"""rules: how the rows of a run are sent. Values only; none of it changes what is sent."""

from dataclasses import dataclass

from importer.core.policy import Resend


@dataclass(frozen=True, slots=True)
class Rules:
    """What a person may set, and what reconcile sets. Times are seconds."""

    lag_s: float  # how long the target's index may lag
    concurrency: int
    flight_s: float = 0.0  # how long another process's call may be under way: two OAuth clients may share a ledger
    outage_s: float = 300.0  # how long an outage is waited out
    lease_s: float = 30.0  # how long the run is this process's after each renewal of its lease
    bulk: bool = True  # rows are sent by jobs of many, where the target has such jobs
    canary: int = 0  # so many rows must be created before the rest is sent
    max_failures: int | None = None  # more failed rows than that stop the run
    sends: bool = True  # False: reconcile, which only looks rows up
    resend: Resend = Resend.LIMITED
    suspects: bool = False  # the ledger is an older copy: ready rows may have been sent
