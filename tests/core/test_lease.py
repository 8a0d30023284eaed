"""Who may send a run's rows."""

from dataclasses import replace

import pytest

from importer.core.lease import Free, Held, Holder, Lease, Standing, Wait, holds, standing

ME = Holder("boot", "space", 1, "100")
OTHER = Holder("boot", "space", 2, "200")
LEASE = Lease("token", OTHER, 130.0, 30.0)
FLIGHT_S = 35.0


@pytest.mark.parametrize(
    ("lease", "now", "gone", "expected"),
    [
        (None, 0.0, False, Free()),
        (LEASE, 100.0, True, Free()),
        (LEASE, 129.9, False, Held()),
        (LEASE, 130.0, False, Wait(FLIGHT_S)),
        (LEASE, 150.0, False, Wait(15.0)),
        (LEASE, 165.0, False, Free()),
        (replace(LEASE, until_s=9000.0), 100.0, False, Wait(30.0 + FLIGHT_S)),  # of a clock that began anew meanwhile
        (replace(LEASE, holder=ME), 100.0, False, Free()),
        (replace(LEASE, holder=replace(OTHER, boot="another")), 100.0, False, Wait(30.0 + FLIGHT_S)),
    ],
)
def test_standing_of_a_lease(lease: Lease | None, now: float, gone: bool, expected: Standing) -> None:
    """A take-over waits for the lease's end and then for a call's longest time, unless the holder has surely ended."""
    assert standing(lease, ME, now, FLIGHT_S, gone=gone) == expected


def test_holder_may_send_until_the_lease_ends() -> None:
    """At its end a lease is over, so that the next holder's wait covers every call of the first."""
    assert holds(LEASE, 129.999)
    assert not holds(LEASE, 130.0)
