"""The matrices of faults and attacks, and the figures: read from matrix.toml; `python -m tests.matrix` writes README.md of them."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE / "matrix.toml"
README = HERE / "README.md"
ALL = ("I", "P", "T", "S", "L", "A", "R")

Cell = tuple[str, ...] | str
"""Tests as file::function, or in words why there is none."""


@dataclass(frozen=True, slots=True)
class Line:
    """A fault or an attack, what must come of it, and what shows that."""

    name: str
    outcome: str
    stages: tuple[str, ...]  # of a fault: the stages that it concerns; of an attack: its surfaces
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that is promised, the command that makes it, and what it gave last."""

    measure: str
    figure: str
    command: str
    measured: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """All that matrix.toml says."""

    faults: Sequence[Line]
    attacks: Sequence[Line]
    figures: Sequence[Figure]

    def tests(self) -> set[str]:
        """Every test that is named, as file::function."""
        cells = [cell for line in (*self.faults, *self.attacks) for cell in line.cells.values()]
        return {test for cell in cells if not isinstance(cell, str) for test in cell}


def read() -> Matrix:
    """What the file beside this module says."""
    body = tomllib.loads(SOURCE.read_text("utf-8"))
    return Matrix(
        faults=[
            Line(each["name"], each["outcome"], stages(each["stages"]), _cells(each["cells"])) for each in body["fault"]
        ],
        attacks=[
            Line(each["name"], each["outcome"], tuple(each["cells"]), _cells(each["cells"])) for each in body["attack"]
        ],
        figures=[Figure(**each) for each in body["figure"]],
    )


def stages(text: str) -> tuple[str, ...]:
    """`S L A`, `start S` or `all`."""
    return ALL if text == "all" else tuple(text.split())


def _cells(cells: Mapping[str, str | list[str]]) -> dict[str, Cell]:
    return {name: cell if isinstance(cell, str) else tuple(cell) for name, cell in cells.items()}


def written(matrix: Matrix) -> str:
    """README.md."""
    return "\n".join(
        [
            ABOUT,
            "## Faults\n",
            "Stages: **I** intake, **P** preview and approval, **T** token, **S** submission, **L** look-ups and polls, **A** audits, "
            "**R** reports. In italics: why a cell has no test.\n",
            *_table(matrix.faults, ("fault", "what must come of it", "stage: tests")),
            "\n## Attacks\n",
            *_table(matrix.attacks, ("attack", "what must come of it", "surface: tests")),
            "\n## Figures\n",
            "Measured on two shared cores. A check that is red is no figure: the command fails then.\n",
            "| measure | figure | command | measured |\n|---|---|---|---|",
            *(
                f"| {each.measure} | {each.figure} | {_code(each.command)} | {each.measured} |"
                for each in matrix.figures
            ),
            "",
        ]
    )


def _table(lines: Sequence[Line], headings: Sequence[str]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |\n|---|---|---|"
    for line in lines:
        yield f"| {_text(line.name)} | {_text(line.outcome)} | {'<br>'.join(_gathered(line))} |"


def _gathered(line: Line) -> Iterator[str]:
    """Cells with the same tests or the same reason are told together."""
    told: dict[Cell, list[str]] = {}
    for stage in line.stages:
        told.setdefault(line.cells[stage], []).append(stage)
    for cell, names in told.items():
        yield f"**{', '.join(names)}**: {_told(cell)}"


def _told(cell: Cell) -> str:
    if isinstance(cell, str):
        return f"*{_text(cell)}*"
    return ", ".join(f"[{test.partition('::')[2]}]({test.partition('::')[0].removeprefix('tests/')})" for test in cell)


def _text(text: str) -> str:
    return text.replace("|", "\\|")


def _code(command: str) -> str:
    return f"`{command}`" if command else ""


ABOUT = """\
# Tests

<!-- Written by `python -m tests.matrix` from matrix.toml; a test fails where it is stale. -->

The folders mirror `importer/`: what a module promises is tested in the folder of its name. A test is one rule, and its docstring
is the rule. Servers are real ones on port 0, files are real files, clocks are turned by hand; nothing is mocked or patched, and no
test waits for time to pass, but where another process is watched. Beside the folders:

| what | where |
|---|---|
| whole runs, killed, cut off, frozen, throttled, and judged from outside | `test_*.py` here |
| the harness: scenes, kill points, power cuts, proxy, referee | `harness/` |
| the whole flow in one process on a virtual clock, and the model | `simulation/` |
| one-line sabotages, each of which a named test must notice | `sabotage/` |
| the platform's definition, tightened, and what it says of sandbox and target | `contract/` |
| benchmarks; no tests | `bench/` |

## How to run them

| what | command |
|---|---|
| what every change must pass | `python -m pytest` |
| what takes minutes | `python -m pytest -m nightly` |
| everything, as in a fresh clone, with lint and types | `.ci/run` |
| the referee, on a journal and what a run left | `python -m tests.harness.referee --help` |
| whole runs through the fault proxy, from a seed on | `PROXY_SEED=7 python -m pytest tests/test_proxy_runs.py` |
| kill points (Linux, strace), a series again | `KILL_SEED=1 python -m pytest tests/test_kill_points.py` |
| power cuts (Linux, root, a loop device), a series again | `POWER_SEED=1 python -m pytest tests/test_power_loss.py` |
| full and failing disks (Linux, root, strace) | `python -m pytest tests/test_disk_faults.py` |
| one seed of the simulation, told step by step | `python -m tests.simulation 4711` |
| many seeds | `python -m tests.simulation 1 500` |
| the same with workitems | `python -m tests.simulation 4711 workitems`, `python -m tests.simulation 1 500 workitems` |
| what holds for every target | `python -m pytest tests/any_target` |
| workitems through proxy, kills and storm, again from a seed | `PROXY_SEED=7`, `KILL_SEED=1` or `STORM_SEED=7` before `python -m pytest tests/test_workitem_*.py` |
| the model | `python -m pytest tests/simulation/test_model.py` |
| the sabotages: all of them, or one by its name | `python -m tests.sabotage`, `python -m tests.sabotage "claim not written to the ledger"` |
| the contract; Prism (npm) reads the same requests | `python -m pytest tests/contract`, `python -m pytest -m nightly tests/contract/test_prism.py` |
| the storm, again from its seed | `STORM_SEED=7 python -m pytest tests/test_storm.py` |
| how fast `check` is, and whether the cap is used | `python -m tests.bench.check csv`, `python -m tests.bench.pace` |
| resuming, the ledger's pace, odd files | `python -m tests.bench.resume`, `python -m tests.bench.ledger`, `python -m tests.bench.bad_input` |

A test that needs what the machine does not have is skipped and prints the reason. Tests that fail by chance print their seed.
"""


if __name__ == "__main__":
    README.write_text(written(read()), "utf-8")
