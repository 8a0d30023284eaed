"""verify: a run's folder says what was sealed, or what differs is told."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.desk.verifying import checks
from tests.cli.conftest import Ended, Shell

HEAD = "External ID,Queue,Description"
ROWS = ("EXT-1,Billing,one", "EXT-2,Nowhere,two", "EXT-3,Billing,three")


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an approved run of three rows, one of them invalid."""
    importer = Shell(tmp_path_factory.mktemp("sealed"))
    plan = importer("preview", importer.file("tasks.csv", HEAD, *ROWS), "--sandbox", "--format", "json").json["plan"]
    assert importer("approve", plan, "--comment", "fine").code == 0
    ran = importer("run", plan, "--sandbox", "--track", "none", "--format", "json")
    assert ran.code == 5, ran.err
    return Path(ran.json["reports"]["manifest"]).parent


@pytest.fixture
def folder(sealed: Path, tmp_path: Path) -> Path:
    """A copy of it, somewhere else."""
    return Path(shutil.copytree(sealed, tmp_path / "a year later"))


def verified(folder: Path, *more: str) -> Ended:
    """`importer verify` on a machine that knows nothing of the run."""
    return Shell(folder.parent)("verify", folder, *more)


def test_sealed_folder_is_verified_without_ledger_or_account(folder: Path) -> None:
    """All parts are looked at and named: manifest, files, plan, input, approval, results, log."""
    ended = verified(folder, "--format", "json")
    assert ended.code == 0, ended.out
    checks = {each["check"]: each["sign"] for each in ended.json["checks"]}
    assert checks == dict.fromkeys(("manifest", "files", "plan", "input", "approval", "results", "log"), "fine")


def test_sealed_folder_can_be_read_only(folder: Path) -> None:
    """Verifying writes nothing into the folder."""
    before = sorted((path.relative_to(folder), path.stat().st_mtime_ns) for path in folder.rglob("*"))
    assert verified(folder).code == 0
    assert sorted((path.relative_to(folder), path.stat().st_mtime_ns) for path in folder.rglob("*")) == before


def _results(folder: Path) -> None:
    path = folder / "results.json"
    path.write_text(path.read_text("utf-8").replace('"outcome": "invalid"', '"outcome": "skipped"'), "utf-8")


def _input(folder: Path) -> None:
    path = folder / "input.csv"
    path.write_text(path.read_text("utf-8").replace("one", "own"), "utf-8")


def _plan(folder: Path) -> None:
    path = folder / "plan.plan"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")


def _log(folder: Path) -> None:
    (folder / "log.jsonl").write_bytes(b"")


def _approval(folder: Path) -> None:
    path = folder / "approval" / "approvals.jsonl"
    path.write_text(path.read_text("utf-8").replace("fine", "fin3"), "utf-8")


def _manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "run": "another"}), "utf-8")


def _missing(folder: Path) -> None:
    (folder / "results.xlsx").unlink()


@pytest.mark.parametrize(
    ("alter", "check"),
    [(_results, "results.json"), (_input, "input.csv"), (_plan, "plan.plan"), (_log, "log.jsonl"), (_approval, "approvals.jsonl"),
     (_manifest, "manifest"), (_missing, "results.xlsx is missing")],
)  # fmt: skip
def test_altered_folder_is_told_with_what_differs(folder: Path, alter: Callable[[Path], None], check: str) -> None:
    """One altered part, whichever it is, ends with exit code 4 and its name."""
    alter(folder)
    ended = verified(folder)
    assert ended.code == 4, ended.out
    assert check in next(line for line in ended.out.splitlines() if line.startswith(("✖", "[ERR]")))


def test_folder_is_altered_whichever_byte_of_it_is_another(folder: Path) -> None:
    """One other byte in any file, wherever in it, is found, and is never more than a finding."""
    for path in [each for each in folder.rglob("*") if each.is_file()]:
        whole = path.read_bytes()
        for place in (0, len(whole) // 3, len(whole) // 2, len(whole) - 2):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            assert any(line.exit_code for line in checks(folder)), (path.name, place)
        path.write_bytes(whole)
    assert not any(line.exit_code for line in checks(folder))


RARE = """-----BEGIN PUBLIC KEY-----
ME4wEAYHKoZIzj0CAQYFK4EEACADOgAEBVb48inmEV75ZbxnSdcULQGs4f5oXU0Y
KPctzh4KaWudcmL+icTcK4GVzt39/rZAULRu/gm3N/Q=
-----END PUBLIC KEY-----
"""
"""A key on a curve that nothing here knows."""


def _rare(folder: Path) -> None:
    (folder / "approval" / "public.pem").write_text(RARE, "utf-8")


def _pipe(folder: Path) -> None:
    (folder / "results.json").unlink()
    os.mkfifo(folder / "results.json")


@pytest.mark.parametrize(("alter", "check"), [(_rare, "manifest"), (_pipe, "files")])
def test_folder_with_what_nobody_sealed_is_told_so(folder: Path, alter: Callable[[Path], None], check: str) -> None:
    """A key that cannot be understood is told as such; a pipe, which would be waited for without end, is not opened."""
    alter(folder)
    assert next(line.check for line in checks(folder) if line.exit_code) == check


def test_reports_written_again_are_sealed_again(tmp_path: Path) -> None:
    """importer report writes results, rejects and the annotated copy anew; the folder verifies, and covers all of them."""
    importer = Shell(tmp_path)
    ran = importer(
        "run", importer.file("tasks.csv", HEAD, *ROWS), "--yes", "--sandbox", "--track", "none", "--format", "json"
    )
    folder = Path(ran.json["reports"]["manifest"]).parent
    assert importer("report", ran.json["run"], "--results", "xlsx,json,rejects,annotated").code == 0
    ended = verified(folder)
    assert ended.code == 0, ended.out
    assert "not sealed" not in ended.out


def test_folder_that_was_never_sealed_is_refused(tmp_path: Path) -> None:
    """A folder without a manifest is wrong usage, with the fix."""
    ended = verified(tmp_path)
    assert ended.code == 2
    assert "manifest.json" in ended.err
