"""Approvals as a user's processes: who decides, what is refused and why, and what changed since the plan."""

import json
import os
import pwd
import urllib.request
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from importer.core.plan import short
from importer.schemas import schema
from tests.harness.bench import Place, World
from tests.harness.warm import Order, Warm

SENT = ("--track", "none")


@pytest.fixture
def place(tmp_path: Path, world: World, warmed: Warm) -> Place:
    """A folder with a file of six rows; three of them go to a queue of this test's own."""
    made = Place.made(tmp_path / tmp_path.name[-12:], world, warmed, 6)
    queue = f"Claims {made.folder.name}"
    turns(world, queue, "open")
    lines = (made.folder / "tasks.csv").read_text("utf-8").splitlines()
    lines[4:] = [line.replace("General Inquiry", queue) for line in lines[4:]]
    (made.folder / "tasks.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return made


def turns(world: World, queue: str, status: str) -> None:
    """The queue is made, or its status is another one from now on."""
    body = json.dumps({"name": queue, "status": status}).encode()
    url = f"{world.greeting['api_url']}/sandbox/queues"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def previewed(place: Place) -> str:
    """The plan of the file."""
    code, body = place.ends("preview", "tasks.csv")
    assert code == 0, place.said
    return str(body["plan"])


def test_four_alterations_are_refused_each_in_its_words(place: Place) -> None:
    """A byte of the plan, a row of the source, the approver's name in the log, a queue's state: exit code 4 or 1, and why."""
    plan = previewed(place)
    run = ("run", plan, "--require-approval", *SENT)
    assert place.ends("run", plan, "--require-approval")[0] == 4
    assert f"importer approve {plan} --comment TEXT" in place.said
    assert place.ends("approve", plan, "--comment", "fine")[0] == 0
    told: list[str] = []

    def refused(path: Path, before: bytes, after: bytes, code: int) -> None:
        whole = path.read_bytes()
        assert whole.count(before) >= 1
        path.write_bytes(whole.replace(before, after, 1))
        assert place.ends(*run)[0] == code
        told.append(place.said)
        path.write_bytes(whole)

    refused(place.state / "plans" / f"{plan}.plan", b"about.json", b"about.jsoN", 4)
    refused(place.folder / "tasks.csv", b"Ticket", b"Tickit", 4)
    refused(place.state / "approvals" / "approvals.jsonl", b'"name":"', b'"name":"x', 1)
    turns(place.world, f"Claims {place.folder.name}", "closed")
    assert place.ends(*run)[0] == 4
    told.append(place.said)
    words = (
        "no plan, or was altered",
        "tasks.csv was changed since the preview",
        "altered at line 1",
        "is now closed: 3 rows",
    )
    for said, word in zip(told, words, strict=True):
        assert word in said
        assert "  fix " in said
    assert not place.tasks()


def test_rows_of_a_queue_that_closed_are_left_out_if_wanted(place: Place) -> None:
    """The approval is not used by a run that stops for drift; with --on-drift skip the rest is sent and the results say why not all."""
    plan = previewed(place)
    queue = f"Claims {place.folder.name}"
    assert place.ends("approve", plan, "--comment", "fine", "--skip", "2", "--reason", "called already")[0] == 0
    turns(place.world, queue, "closed")
    assert place.ends("run", plan, *SENT)[0] == 4
    assert f"Queue {queue} was open, is now closed: 3 rows" in place.said
    assert f"importer run {plan} --on-drift skip" in place.said
    code, body = place.ends("run", plan, "--on-drift", "skip", *SENT)
    assert code == 0, place.said
    assert {name: count for name, count in body["counts"].items() if count} == {"read": 6, "created": 2, "skipped": 4}
    results: dict[str, Any] = json.loads(Path(body["reports"]["results_json"]).read_text("utf-8"))
    jsonschema.validate(results, schema("importer.results/1"))
    reasons = {row["line"]: row["reason"] or "" for row in results["rows"]}
    assert reasons[2].endswith("when the plan was approved: called already")
    assert all(f"Queue {queue} was open, is now closed" in reasons[line] for line in (5, 6, 7))
    assert results["approval"].startswith("by ")
    lines = (place.state / "approvals" / "approvals.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["before"] for line in lines][2] == results["approvals_head"]


def test_approve_answers_in_json(place: Place) -> None:
    """The decision with its person, how that is known, its expiry, the rows left out, both hashes and the log's head."""
    plan = previewed(place)
    code, body = place.ends("approve", plan, "--comment", "fine", "--expires", "2h", "--skip", "3,5", "--reason", "no")
    assert (code, body["exit_code"], body["schema"], body["approved"]) == (0, 0, "importer.approval/2", True)
    assert body["who"] == {"name": pwd.getpwuid(os.getuid()).pw_name, "how": f"uid {os.getuid()}"}
    assert [each["line"] for each in body["left_out"]] == [3, 5]
    assert {len(body[name]) for name in ("digest", "sha256", "chain")} == {64}
    assert body["expires_at"] > body["at"]
    code, body = place.ends("approve", plan, "--comment", "no", "--reject")
    assert (code, body["approved"], body["expires_at"], body["left_out"]) == (0, False, None, [])
    code, shown = place.ends("plan", "show", plan)
    assert [each["comment"] for each in shown["approvals"]] == ["fine", "no"]


def test_identity_does_not_follow_the_environment(place: Place) -> None:
    """Whatever $USER, $LOGNAME and the like say, who prepares and who approves is whom the system's database has for the process."""
    forged = dict.fromkeys(("USER", "LOGNAME", "LNAME", "USERNAME", "SUDO_USER"), "eve")
    name = pwd.getpwuid(os.getuid()).pw_name
    environment = {**place.world.environment(place.state), **forged}
    plan = previewed(place)
    order = Order(("approve", plan, "--comment", "fine", "--format", "json"), place.folder, environment)
    assert place.warm.ends(order) == 0
    assert place.answer()["who"]["name"] == name
    order = Order(("preview", "tasks.csv", "--format", "json"), place.folder, environment)
    assert place.warm.ends(order) == 0
    assert place.ends("plan", "show", place.answer()["plan"])[1]["preparer"] == name


def test_approve_says_what_was_decided(place: Place) -> None:
    """On the screen: the plan's short digest, who, until when, which rows are left out, and the next command."""
    plan = previewed(place)
    digest = place.answer()["digest"]
    order = Order(
        ("approve", plan, "--comment", "fine", "--skip", "3", "--reason", "no"), place.folder,
        place.world.environment(place.state),
    )  # fmt: skip
    assert place.warm.ends(order) == 0
    said = (place.folder / "out").read_text("utf-8")
    assert (
        f"approved {plan}, digest {short(digest)}, by {pwd.getpwuid(os.getuid()).pw_name} (uid {os.getuid()})" in said
    )
    assert "left out, with the reason: line 3" in said
    assert f"Next: importer run {plan}" in said


@pytest.mark.parametrize(
    "flags",
    [
        ("--reason", "no"),
        ("--skip", "3"),
        ("--skip", "3", "--reject"),
        ("--expires", "soon"),
        ("--skip", "x", "--reason", "no"),
    ],
)
def test_approve_tells_wrong_usage(place: Place, flags: tuple[str, ...]) -> None:
    """Half of what belongs together, or what cannot be read, is exit code 2 with what to write."""
    plan = previewed(place)
    assert place.ends("approve", plan, "--comment", "fine", *flags)[0] == 2
    assert "  fix " in place.said
    assert not (place.state / "approvals" / "approvals.jsonl").exists()


def test_plan_that_was_mailed_is_shown_approved_and_run(place: Place) -> None:
    """With the file alone, in a state folder of its own: shown and approved without credentials, then run, sealed and verified."""
    plan = previewed(place)
    mailed = place.folder / "mailed.plan"
    (place.state / "plans" / f"{plan}.plan").rename(mailed)
    elsewhere = place.folder / "elsewhere"
    bare = {"IMPORTER_STATE_DIR": str(elsewhere)}
    for argv in (("plan", "show", str(mailed)), ("approve", str(mailed), "--comment", "fine")):
        assert place.warm.ends(Order(argv, place.folder, bare)) == 0, place.said
    there = {**place.world.environment(elsewhere), "IMPORTER_REQUIRE_APPROVAL": "true"}
    order = Order(("run", str(mailed), *SENT, "--format", "json"), place.folder, there)
    assert place.warm.ends(order) == 0, place.said
    body = place.answer()
    assert body["counts"]["created"] == 6
    assert "reports_problem" not in body
    assert (elsewhere / "plans" / f"{plan}.plan").read_bytes() == mailed.read_bytes()


def test_plan_that_was_mailed_is_approved_elsewhere(place: Place) -> None:
    """The approver has the plan's file and a folder of their own; the decision comes back as a file, and the plan runs under it."""
    plan = previewed(place)
    mailed = place.folder / "mailed.plan"
    mailed.write_bytes((place.state / "plans" / f"{plan}.plan").read_bytes())
    there = ("--state-dir", "elsewhere")
    decided = (
        "approve",
        "mailed.plan",
        "--comment",
        "fine",
        "--skip",
        "3",
        "--reason",
        "called back",
        "--to",
        "decision.json",
    )
    assert place.ends(*decided, *there)[0] == 0, place.said
    before = (place.folder / "decision.json").read_bytes()
    assert place.ends(*decided, *there)[0] == 2
    assert "decision.json cannot be written: File exists" in place.said
    assert (place.folder / "decision.json").read_bytes() == before
    taking = ("approve", plan, "--from", "decision.json")
    assert place.ends(*taking)[0] == 4
    assert "which is nobody's here" in place.said
    assert spoken(place, "approver", "add", "ben", "decision.json").startswith("ben approves with the key ")
    code, body = place.ends(*taking)
    assert (code, body["who"]["name"], body["comment"]) == (0, "ben", "fine")
    code, body = place.ends("run", plan, "--require-approval", *SENT)
    assert (code, body["counts"]["created"], body["counts"]["skipped"]) == (0, 5, 1), place.said


def test_decision_from_elsewhere_stands_alone(place: Place) -> None:
    """Nothing may be said of it beside; and a decision that comes to nothing leaves no file."""
    plan = previewed(place)
    assert place.ends("approve", plan, "--from", "none.json", "--comment", "fine")[0] == 2
    assert "is made already" in place.said
    assert place.ends("approve", plan, "--from", "none.json")[0] == 2
    assert "none.json cannot be read" in place.said
    assert place.ends("approve", plan, "--to", "decision.json")[0] == 2
    assert not (place.folder / "decision.json").exists()


def test_approvers_are_listed_and_removed(place: Place) -> None:
    """Each with the name of the key, which is what its owner reads out."""
    (place.folder / "ben.pem").write_text(spoken(place, "approver", "key", "--state-dir", "elsewhere"))
    name = place.said.split()[-1]
    assert spoken(place, "approver", "list").startswith("nobody")
    spoken(place, "approver", "add", "ben", "ben.pem")
    assert spoken(place, "approver", "list").split("\t")[:2] == ["ben", f"key {name}"]
    _, body = place.ends("approver", "list")
    assert [(each["name"], each["key"]) for each in body["approvers"]] == [("ben", name)]
    spoken(place, "approver", "remove", "ben")
    assert spoken(place, "approver", "list").startswith("nobody")


def spoken(place: Place, *argv: str) -> str:
    """What a command says to a person on standard output."""
    code = place.warm.ends(Order(argv, place.folder, place.world.environment(place.state)))
    assert code == 0, place.said
    return (place.folder / "out").read_text("utf-8")
