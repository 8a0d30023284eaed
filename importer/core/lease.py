"""Lease: who may send the rows of a run, and until when. Decides; reads no clock and asks no process."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holder:
    """A process, told apart from any other of any time."""

    boot: str  # the system's start that it belongs to, or a blank where that cannot be told
    space: str  # the process-number space: a container has its own
    process: int
    started: str  # when it began, so that a number used again is another process

    def __str__(self) -> str:
        return f"process {self.process}"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one holder to send a run's rows. Times are seconds of a clock that counts suspended time."""

    token: str  # of this taking; a take-over makes a new one
    holder: Holder
    until_s: float
    lasts_s: float


@dataclass(frozen=True, slots=True)
class Free:
    """The run may be taken."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The run may be taken after so many seconds, if the lease is the same one then and was not renewed."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Held:
    """Its holder is at work."""


Standing = Free | Wait | Held


def standing(lease: Lease | None, me: Holder, now_s: float, flight_s: float, *, gone: bool) -> Standing:
    """What a process that wants to send may do about a run's lease.

    `gone`: the holder's process has surely ended. Else, a holder that did not renew may be frozen in the middle of a call, so the
    run is taken only after the lease's end and the longest time that a call may take (`flight_s`).
    """
    if lease is None or gone or lease.holder == me:
        return Free()
    # Another start of the system, or a lease from before the clock began anew: times cannot be compared, so watch it for a whole life.
    if lease.holder.boot != me.boot or lease.until_s - now_s > lease.lasts_s:
        return Wait(lease.lasts_s + flight_s)
    if now_s < lease.until_s:
        return Held()
    left = lease.until_s + flight_s - now_s
    return Wait(left) if left > 0 else Free()


def holds(lease: Lease, now_s: float) -> bool:
    """Whether the holder may still send: asked right before each call, after the claim is on disk."""
    return now_s < lease.until_s
