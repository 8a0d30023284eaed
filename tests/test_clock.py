"""The machine's clock as the importer reads it."""

import shutil
import subprocess
import sys
from datetime import timedelta

import pytest

SLEPT = timedelta(days=1)
ASLEEP = ("unshare", "--time", "--boottime", str(int(SLEPT.total_seconds())))
"""What follows sees a machine that slept for a day since it was started: that needs the right to make a time namespace."""


def missing() -> str:
    """Why no machine can be made to have slept."""
    if shutil.which("unshare") is None:
        return "unshare is not installed"
    tried = subprocess.run([*ASLEEP, "true"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"no time namespace: {tried.stderr.strip()}"


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_clock_counts_the_time_in_which_the_machine_slept() -> None:
    """A lease runs out while the machine sleeps, so the clock that it is read from goes on meanwhile."""
    script = "import time; from importer.clock import SystemClock; print(SystemClock().monotonic() - time.monotonic())"
    said = subprocess.run([*ASLEEP, sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert float(said) >= SLEPT.total_seconds() - 1.0
