"""Workshop: a copy of the tree in which the importer is sabotaged, one line at a time, and the named test is run."""

import compileall
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

from tests.sabotage.witness import ASSERTION, PLACE

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "reports", "build", "dist", "*.egg-info")
PATIENCE_S = 180.0
"""For one run of a test; then it is ended, and the sabotage does not count as noticed."""
OWN = ("PYTEST", "PYTHON", "IMPORTER", "GENESYS", "COV")
"""Variables of whoever runs this that the tests in the copy do not see."""


@dataclass(frozen=True, slots=True)
class Sabotage:
    """A damage to one place of the importer, and the test that must notice it."""

    name: str
    file: str  # below importer/
    old: str  # stands in it exactly once
    new: str
    test: str  # a node ID; one without parameters stands for all of them
    quick: bool = False  # tried in every CI run, not only at night


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a sabotage was noticed, and if not, why."""

    sabotage: Sabotage
    noticed: bool
    words: str
    seconds: float
    skipped: bool = False  # the test cannot run on this machine


def sabotages() -> list[Sabotage]:
    """All of them, in the order of sabotages.toml."""
    table = tomllib.loads(Path(__file__).with_name("sabotages.toml").read_text("utf-8"))
    return [Sabotage(**each) for each in table["sabotage"]]


@dataclass(frozen=True, slots=True)
class Run:
    """How a run of pytest went."""

    code: int | None  # None: it took too long
    imports: str  # why the importer does not import; a blank where it does
    reports: tuple[dict[str, str], ...]
    said: str

    def of(self, test: str) -> list[dict[str, str]]:
        """The reports on one test, with all its parameters."""
        return [each for each in self.reports if each["node"] == test or each["node"].startswith(test + "[")]


class Workshop:
    """A copy of the tree with an interpreter that imports the copy, also in isolated mode.

    Bytecode is compiled once and checked by the hash of its source: a file that is changed and put back within a second is never
    taken for what it was.
    """

    def __init__(self, folder: Path, controls: dict[str, str] | None = None) -> None:
        """`controls` is what another workshop knows already: test -> why it proves nothing."""
        self._folder = folder
        self._tree = folder / "tree"
        self.controls = {} if controls is None else controls
        shutil.copytree(ROOT, self._tree, ignore=LEFT_OUT)
        (folder / "tmp").mkdir()
        self._witness = folder / "witness.json"
        mode = PycInvalidationMode.CHECKED_HASH
        compileall.compile_dir(self._tree / "importer", quiet=2, invalidation_mode=mode)
        python = self._interpreter(folder / "venv")
        plain = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
        own = {"PYTHONDONTWRITEBYTECODE": "1", PLACE: str(self._witness), "TMPDIR": str(folder / "tmp")}
        process = subprocess.Popen(
            [python, "-m", "tests.sabotage.nursery"], cwd=self._tree, env={**plain, **own},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._orders, self._answers = process, process.stdin, process.stdout

    def close(self) -> None:
        """Ends the nursery."""
        self._orders.close()
        self._process.wait()
        self._answers.close()

    def _interpreter(self, folder: Path) -> Path:
        """The one that runs this, in an environment of its own in which the copy comes first and the original is nowhere."""
        venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(folder)
        place = {"base": str(folder), "platbase": str(folder)}
        packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
        own = Path(sysconfig.get_path("purelib", "venv", vars=place))
        own.joinpath("copy.pth").write_text("\n".join([str(self._tree), *packages]) + "\n", "utf-8")
        return Path(sysconfig.get_path("scripts", "venv", vars=place)) / Path(sys.executable).name

    def control(self, tests: Iterable[str]) -> None:
        """Runs tests without any sabotage, all at once: those that fail by themselves prove nothing."""
        wanted = sorted({test for test in tests if test not in self.controls})
        if not wanted:
            return
        run = self._run(wanted, patience_s=PATIENCE_S * len(wanted))
        if run.code == 4 and len(wanted) > 1:  # one of them is not there, and then none is run
            for test in wanted:
                self.control([test])
            return
        for test in wanted:
            self.controls[test] = _control(run, test)

    def tried(self, sabotage: Sabotage) -> Verdict:
        """Applies a sabotage, runs its test, and puts the file back."""
        began = time.monotonic()
        words = self._tried(sabotage)
        skipped = words.startswith("skipped: ")
        return Verdict(sabotage, words == "", words or "noticed", time.monotonic() - began, skipped)

    def _tried(self, sabotage: Sabotage) -> str:
        """Why it was not noticed; a blank where it was."""
        path = self._tree / "importer" / sabotage.file
        original = path.read_bytes()
        text = original.decode("utf-8")
        found = text.count(sabotage.old)
        if found != 1 or sabotage.old == sabotage.new:
            return f"not applied: the old text stands in {sabotage.file} {found} times"
        self.control([sabotage.test])
        if self.controls[sabotage.test]:
            return self.controls[sabotage.test]
        path.write_bytes(text.replace(sabotage.old, sabotage.new).encode("utf-8"))
        try:
            run = self._run([sabotage.test], "-x")
        finally:
            path.write_bytes(original)
        return _missed(run, sabotage.test)

    def _run(self, tests: Sequence[str], *options: str, patience_s: float = PATIENCE_S) -> Run:
        self._witness.unlink(missing_ok=True)
        said = self._folder / "said"
        arguments = ["-q", "--tb=short", "-p", "no:cacheprovider", "-o", "addopts=--strict-markers"]
        arguments += ["-p", "tests.sabotage.witness", *options, *tests]
        self._orders.write(
            json.dumps({"arguments": arguments, "said": str(said), "seconds": int(patience_s) + 10}).encode() + b"\n"
        )
        child = self._number()
        assert child is not None
        code = self._number(patience_s)
        if code is None:
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)  # the session that was begun for it, with all its children
            self._number()
        record: dict[str, Any] = {"imports": "", "reports": []}
        with suppress(OSError, ValueError):
            record = json.loads(self._witness.read_text("utf-8"))
        return Run(code, record["imports"], tuple(record["reports"]), said.read_text("utf-8", "replace"))

    def _number(self, patience_s: float | None = None) -> int | None:
        """What the nursery says next; None where it does not in time."""
        pipe = self._answers
        if not select.select([pipe], [], [], patience_s)[0]:
            return None
        line = pipe.readline()
        if not line:
            raise RuntimeError("the nursery has ended")
        return int(line)


def _control(run: Run, test: str) -> str:
    """Why a test proves nothing; a blank where it passes."""
    reports = run.of(test)
    failed = [each for each in reports if each["outcome"] == "failed"]
    if run.imports:
        return f"the importer does not import without it either: {run.imports}"
    if run.code is None:
        return "the test does not end without it either"
    if failed:
        return f"the test fails without it too ({failed[0]['how']})"
    if any(each["outcome"] == "passed" and each["when"] == "call" for each in reports):
        return ""
    skips = [each["how"] for each in reports if each["outcome"] == "skipped"]
    return f"skipped: {skips[0]}" if skips else "there is no such test"


def _missed(run: Run, test: str) -> str:
    """Why a sabotage does not count as noticed; a blank where the test failed by assertion, and by nothing else."""
    failed = [each for each in run.of(test) if each["outcome"] == "failed"]
    if run.imports:
        return f"the importer does not import: {run.imports}"
    if run.code is None:
        return "the test does not end"
    if not failed:
        return "not noticed: the test passes" if run.code == 0 else f"pytest ended with {run.code}:\n{run.said[-2000:]}"
    strange = [each["how"] for each in failed if each["when"] != "call" or each["how"] != ASSERTION]
    if strange or run.code != 1:
        return f"fails, but by no assertion: {'; '.join(strange) or run.code}"
    return ""
