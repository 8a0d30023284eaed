"""Page and command line: the same file and the same fixes make the same plan, and runs of it end alike."""

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from importer.cli.look import Asked
from importer.core.errors import UsageError
from importer.core.fixes import FixesFile, FixMany
from importer.desk.desk import Desk
from importer.desk.drafting import Drafting
from importer.settings import load
from importer.wiring import connected, ledger, person, submission_lock
from tests.cli.conftest import Shell

LINES = (
    "External ID,Queue,Priority,Type,Description",
    "E-1,Billing,50,email,one",
    "E-2,Biling,50,email,two",
    "E-3,Billing,150,email,three",
    "E-1,Billing,50,email,again",
    "E-5,Billing,,email,",
    "E-6,Claims,50,email, six ",
)


async def drafted(drafting: Drafting, file: Path) -> tuple[str, str, bytes]:
    """A plan by the page's way: its ID, its digest, and the fixes as a file."""
    who = person()
    upload = await drafting.new(file.name, who)
    await upload.write(file.read_bytes())
    head = await drafting.preview((await upload.finish()).id)
    await drafting.fix(head.id, head.revision, 4, 2, "150", "90", who)
    for many in (FixMany("replace", 1, "Billing", "Biling"), FixMany("blank", 4, "see the file"), FixMany("trim", 4)):
        head = await drafting.head(head.id)
        await drafting.fix_many(head.id, head.revision, many, who)
    head = await drafting.head(head.id)
    await drafting.skip(head.id, head.revision, [5], "stands there twice", who)
    head = await drafting.head(head.id)
    made = await drafting.plan(head.id, head.revision, who)
    return made.about.plan, made.about.digest, await drafting.fixes_file(head.id)


def results(shell: Shell, plan: str) -> Any:
    """What a run of the plan comes to, but for IDs and times."""
    ended = shell("run", plan, "--sandbox", "--yes", "--track", "created", "--no-audit", "--format", "json")
    assert ended.code == 0, ended.err
    [path] = [Path(each) for each in ended.json["reports"].values() if each.endswith("results.json")]
    body = json.loads(path.read_text("utf-8"))
    rows = [
        {name: value for name, value in row.items() if name not in ("task_id", "states", "correlation_id", "state")}
        for row in body["rows"]
    ]
    return body["counts"], rows


def test_page_and_command_line_make_the_same_plan(tmp_path: Path) -> None:
    """The page's fixes, taken to the command line, give the page's digest; and both plans end with equal results."""
    theirs, ours = Shell(tmp_path / "theirs"), Shell(tmp_path / "ours")
    for shell in (theirs, ours):
        shell.folder.mkdir()
        file = shell.file("tasks.csv", *LINES)
    settings = load({"sandbox": True, "state_dir": str(ours.folder / "state")}, folder=ours.folder)
    book = ledger(settings)
    with connected(settings) as connection:
        drafting = Drafting(settings, Desk(settings, book, submission_lock(settings)), connection)
        plan, digest, fixes = connection.run(drafted(drafting, file))
    book.close()
    copytree(ours.folder / "state" / "sandbox", theirs.folder / "state" / "sandbox")  # the same world, twice
    (theirs.folder / "fixes.json").write_bytes(fixes)
    made = theirs("preview", "tasks.csv", "--fixes", "fixes.json", "--sandbox", "--format", "json")
    assert made.json["digest"] == digest, made.err
    assert results(theirs, made.json["plan"]) == results(ours, plan)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "not a file of fixes"), ("{", "not a file of fixes"), (None, "cannot be read"),
        ('{"schema": "importer.fixes/1", "fixes": [], "sha256": "' + "ab" * 32 + '"}', "made for another file"),
    ],
)  # fmt: skip
def test_fixes_that_do_not_fit_are_told(tmp_path: Path, text: str | None, words: str) -> None:
    """Fixes of another file, or of another form, are refused with a reason."""
    path = tmp_path / "fixes.json"
    if text is not None:
        path.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=words):
        Asked(None, None, None, fixes=path).choices(load({}, folder=tmp_path), "cd" * 32)


def test_reason_needs_lines(tmp_path: Path) -> None:
    """A reason without lines to leave out is told, not ignored."""
    with pytest.raises(UsageError, match="none are"):
        Asked(None, None, None, "why not").choices(load({}, folder=tmp_path))


def test_reason_goes_with_each_line(tmp_path: Path) -> None:
    """--skip-reason is the reason of all lines of --skip."""
    choices = Asked(None, None, "3,5-6", " twice\n").choices(load({}, folder=tmp_path))
    assert choices.skipped == {3: "twice", 5: "twice", 6: "twice"}


def test_reason_in_the_fixes_stays_where_the_line_is_named_again(tmp_path: Path) -> None:
    """--skip without a reason takes none away; with one, that counts."""
    fixes = FixesFile(skipped={3: "handed in twice", 5: "old"})
    (tmp_path / "fixes.json").write_text(json.dumps(fixes.record()), "utf-8")
    settings = load({}, folder=tmp_path)
    assert Asked(None, None, "3,9", fixes=tmp_path / "fixes.json").choices(settings).skipped == {
        3: "handed in twice", 5: "old", 9: "",
    }  # fmt: skip
    assert Asked(None, None, "3", "mine", tmp_path / "fixes.json").choices(settings).skipped == {3: "mine", 5: "old"}
