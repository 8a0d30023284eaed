"""How fast `importer check` is, beside pandas + a pydantic model a row, in one run: medians of 3, peak memory of all processes.

python -m tests.bench.check csv      # 1,000,000 rows, 178 bytes each
python -m tests.bench.check xlsx     # 100,000 rows
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from importer.samples import make_file

ROWS = {"csv": 1_000_000, "xlsx": 100_000}
ROUNDS = 3


def measured(command: list[str]) -> tuple[float, float]:
    """Wall seconds, and MB at the peak: the sum over the process and its children, sampled every 20 ms."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, sum(map(_resident_mb, [process.pid, *_children(process.pid)])))

    watcher = threading.Thread(target=watch)
    watcher.start()
    process.wait()
    seconds = time.perf_counter() - began
    done.set()
    watcher.join()
    return seconds, peak


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 1e6


def main(kind: str) -> None:
    """Prints one line a program and the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        path = make_file(Path(folder) / f"tasks.{kind}", ROWS[kind], bad=0.05)
        size = path.stat().st_size / 1e6
        sys.stdout.write(f"{ROWS[kind]:,} rows, {size:.0f} MB, {os.cpu_count()} processors, medians of {ROUNDS}\n")
        ours = [sys.executable, "-m", "importer.cli", "check", str(path)]
        peer = [sys.executable, "-m", "tests.bench.peer", str(path)]
        results: dict[str, list[tuple[float, float]]] = {"importer check": [], "pandas + model a row": []}
        for _ in range(ROUNDS):
            for name, command in (("importer check", ours), ("pandas + model a row", peer)):
                results[name].append(measured(command))
    medians = {}
    for name, figures in results.items():
        medians[name] = statistics.median(seconds for seconds, _ in figures)
        peak = max(mb for _, mb in figures)
        spread = ", ".join(f"{seconds:.2f}" for seconds, _ in figures)
        sys.stdout.write(f"{name:22} {medians[name]:6.2f} s  ({spread})  peak {peak:,.0f} MB\n")
    ratio = medians["pandas + model a row"] / medians["importer check"]
    sys.stdout.write(f"ratio {ratio:.1f}\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "csv")
