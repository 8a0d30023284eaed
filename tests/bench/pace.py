"""How much of a cap is used, and how many answers of 429 it costs: the whole submit path against the sandbox.

    python -m tests.bench.pace           # 300 calls per 4 s, on sliding and fixed windows, medians of 3

The sandbox's own log of calls is the referee. A window counts from the first POST on; the share is that of POSTs in the
whole windows before the last POST.
"""

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

CALLS, WINDOW_S, WINDOWS = 300, 4.0, 4
ROUNDS = 3


def scenario(folder: Path, kind: str) -> Path:
    """A world that takes so many calls in a window, and no more."""
    path = folder / f"{kind}.toml"
    path.write_text(f'[limit]\ncalls = {CALLS}\nwindow_s = {WINDOW_S}\nkind = "{kind}"\n')
    return path


def rows(folder: Path) -> Path:
    """Enough rows for the windows."""
    path = folder / "rows.csv"
    with path.open("w", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(["External ID", "Queue", "Description"])
        sheet.writerows([f"PACE-{number:06}", "Billing", "pace"] for number in range(CALLS * WINDOWS + CALLS // 2))
    return path


def one(kind: str, number: int, folder: Path) -> tuple[float, int]:
    """The share of the cap that was used, and the answers of 429."""
    command = [sys.executable, "-m", "importer.sandbox", "--scenario", str(scenario(folder, kind))]
    server = subprocess.Popen([*command, "--until-stdin-closes"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdout is not None
    assert server.stdin is not None
    ready = json.loads(server.stdout.readline())
    state = folder / f"{kind}-{number}"
    environment = {
        **os.environ, "GENESYS_API_URL": ready["api_url"], "GENESYS_LOGIN_URL": ready["login_url"],
        "GENESYS_CLIENT_ID": ready["client_id"], "GENESYS_CLIENT_SECRET": ready["client_secret"],
        "IMPORTER_STATE_DIR": str(state),
    }  # fmt: skip
    run = [sys.executable, "-m", "importer.cli", "run", str(rows(folder)), "--yes", "--track", "none"]
    run += ["--rate", f"{CALLS}/{WINDOW_S:g}s", "--concurrency", "16", "--out", str(state / "reports")]
    subprocess.run(run, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with urllib.request.urlopen(f"{ready['api_url']}/sandbox/calls") as answer:
        told = json.load(answer)
    calls: list[dict[str, Any]] = told["calls"] if isinstance(told, dict) else told
    server.stdin.close()
    server.wait()
    return share(calls), sum(call["status"] == 429 for call in calls)


def share(calls: list[dict[str, Any]]) -> float:
    """Calls of any kind in the whole windows from the first POST to the last, against what the cap allows there."""
    posts: list[float] = [call["arrived"] for call in calls if call["operation"] == "create"]
    begin = posts[0]
    whole = int((posts[-1] - begin) / WINDOW_S)
    used = sum(begin <= call["arrived"] < begin + whole * WINDOW_S for call in calls)
    return float(used / (whole * CALLS))


def main() -> None:
    """Prints a line for each kind of window."""
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("sliding", "fixed"):
            figures = [one(kind, number, Path(folder)) for number in range(ROUNDS)]
            shares = [used for used, _ in figures]
            listed = ", ".join(f"{100 * used:.1f}" for used in shares)
            sys.stdout.write(
                f"{kind:8} windows: {100 * statistics.median(shares):.1f} % of {CALLS} per {WINDOW_S:g} s used "
                f"({listed}), {sum(refused for _, refused in figures)} answers of 429\n"
            )


if __name__ == "__main__":
    main()
