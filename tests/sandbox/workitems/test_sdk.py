"""The official Python SDK, pointed at the sandbox by its base address alone, does what an importer does."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import Scenario
from importer.sandbox.server import Sandbox
from importer.sandbox.workitems.services import Services
from importer.sandbox.workitems.settings import WorkitemSettings
from importer.sandbox.workitems.worktypes import worktype_id
from tests.sandbox import workitems
from tests.sandbox.conftest import UNLIMITED

PROGRAM = Path(workitems.__file__).parent / "sdk_session.py"
TAG = "SDK-1"
SCENARIO = Scenario(
    limit=UNLIMITED,
    workitems=WorkitemSettings(empty_pages=1),
    services=Services(workitem_audits=True, audit_large=3),
)
ENTRIES = sorted([["Workitem", "Create"]] * 4 + [["BulkJob", "Create"], ["BulkJob", "Update"]])
"""What our client did in the session: one workitem, a job of three, and its run."""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each step of one session with the SDK gave. The SDK watches the home directory, so it gets an empty one."""
    return asyncio.run(_session(tmp_path_factory.mktemp("home")))


async def _session(home: Path) -> dict[str, Any]:
    async with Sandbox(SCENARIO, seed=7, clock=HandClock()) as sandbox:
        given = {
            "host": sandbox.api_url,
            "client_id": sandbox.client_id,
            "client_secret": sandbox.client_secret,
            "worktype": worktype_id("Case"),
            "tag": TAG,
        }
        environment = {**os.environ, "HOME": str(home), "USERPROFILE": str(home)}
        pipe = asyncio.subprocess.PIPE
        program = await asyncio.create_subprocess_exec(
            sys.executable, str(PROGRAM), stdin=pipe, stdout=pipe, env=environment
        )
        output, _ = await program.communicate(json.dumps(given).encode())
        return {"client_id": sandbox.client_id, **json.loads(output)}


def test_sdk_logs_in_where_its_base_address_leads(session: dict[str, Any]) -> None:
    """The SDK finds the log-in on the same host and gets a token, which tells whose it is."""
    assert session["token"] == {"token": True, "me": session["client_id"]}


def test_sdk_creates_a_workitem(session: dict[str, Any]) -> None:
    """The SDK reads the answer of a creation into its model, times and references included."""
    made = session["create"]
    assert (made["name"], made["external_tag"], made["priority"]) == ("Made by the SDK", TAG, 5)
    assert (made["status_category"], made["assignment_state"]) == ("Open", "Idle")
    assert (made["type"]["id"], made["date_created"]) == (worktype_id("Case"), "2027-01-15 08:00:00+00:00")


def test_sdk_reads_a_workitem_with_names(session: dict[str, Any]) -> None:
    """A workitem read back is the one created; the references that are expanded have names."""
    made, read = session["create"], session["get"]
    assert (read["id"], read["external_tag"]) == (made["id"], TAG)
    assert (read["type"]["name"], read["status"]["name"]) == ("Case", "Open")


def test_sdk_runs_a_bulk_job(session: dict[str, Any]) -> None:
    """A job is made Idle, is queued, succeeds, and its results name what was created."""
    names = [f"Bulk {n}" for n in range(3)]
    assert session["bulk"] == {"states": ["Idle", "Queued", "Succeeded"], "successful": 3, "names": names}


def test_sdk_follows_the_cursor_of_a_query(session: dict[str, Any]) -> None:
    """By following the cursor through an empty page all workitems are found, each once."""
    assert session["query"] == {"tags": [TAG, *(f"{TAG}-{n}" for n in range(3))], "pages": 3}


def test_sdk_reads_a_history(session: dict[str, Any]) -> None:
    """The history has every version, newest first, and the states that the workitem passed through."""
    history = session["history"]
    assert history["versions"] == list(range(len(history["versions"]), 0, -1))
    assert (history["states"][0], history["states"][-1]) == ("Terminated", "Idle")


def test_sdk_queries_audits(session: dict[str, Any]) -> None:
    """An asynchronous query goes from Queued to Succeeded, and its cursor leads through all entries."""
    audit = session["audit"]
    assert (audit["states"], audit["entries"]) == (["Queued", "Succeeded"], ENTRIES)
    assert "Workitem" in audit["listed"]


def test_sdk_downloads_large_results(session: dict[str, Any]) -> None:
    """Where results are a redirect to another host, the SDK gets them from there, without its token."""
    assert session["download"] == ENTRIES


def test_sdk_queries_audits_in_realtime(session: dict[str, Any]) -> None:
    """A realtime query gives the same entries at once."""
    assert session["realtime"] == {"total": len(ENTRIES), "entries": ENTRIES}
