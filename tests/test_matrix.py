"""The matrices of faults and attacks: every cell has a test that is there, and README.md says so."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.matrix import ALL, README, Line, Matrix, read, written

ROOT = Path(__file__).parents[1]
STAGES = (
    "S L A, T, S, all, all, all, S, S, S, S, S, S L A, L, S L, S, L A, all, T S, T S, T S, I S R, S, all, all, S, S R, P S, P, P S, "
    "I, S, start, start S, R, R, R, A, L, P"
)
"""The stages of each fault in their order, as the rule book of this project has them."""
FAULTS, ATTACKS, FIGURES = 39, 29 + 1, 18  # one attack is of our own: decisions by mail


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    """What matrix.toml says."""
    return read()


@cache
def functions(file: str) -> set[str]:
    """The functions that a file defines, by reading it alone."""
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_readme_is_what_the_generator_writes(matrix: Matrix) -> None:
    """README.md is up to date; `python -m tests.matrix` makes it so."""
    assert README.read_text("utf-8") == written(matrix)


def test_matrix_names_tests_that_exist(matrix: Matrix) -> None:
    """Every test that is named is a function of the file that is named, and pytest would collect it."""
    named = [test.split("::") for test in matrix.tests()]
    assert [f"{file}::{name}" for file, name in named if not (ROOT / file).is_file()] == []
    assert [f"{file}::{name}" for file, name in named if name not in functions(file)] == []
    assert all(name.startswith("test_") and Path(file).name.startswith("test_") for file, name in named)


def test_matrix_has_a_test_or_a_reason_in_every_cell(matrix: Matrix) -> None:
    """No cell is empty, and a reason is a sentence, not a blank."""
    for line in (*matrix.faults, *matrix.attacks):
        assert set(line.cells) == set(line.stages), line.name
        assert all(line.cells.values()), line.name
        assert not [cell for cell in line.cells.values() if isinstance(cell, str) and len(cell.split()) < 2], line.name


def test_matrix_tests_every_fault(matrix: Matrix) -> None:
    """Faults all concern what exists: each has a test at least, and no stage after the intake is excused but from calls."""
    assert all(any(not isinstance(cell, str) for cell in line.cells.values()) for line in matrix.faults)
    excused = {(stage, cell) for line in matrix.faults for stage, cell in line.cells.items() if isinstance(cell, str)}
    assert {stage for stage, _ in excused} <= {"I", "R"}


def test_matrix_has_the_stages_of_the_rule_book(matrix: Matrix) -> None:
    """Each fault has just the stages that the rule book gives it, in its order; none is left out."""
    wanted = [ALL if each == "all" else tuple(each.split()) for each in STAGES.split(", ")]
    assert [line.stages for line in matrix.faults] == wanted
    assert (len(matrix.faults), len(matrix.attacks), len(matrix.figures)) == (FAULTS, ATTACKS, FIGURES)


def test_matrix_names_no_line_twice(matrix: Matrix) -> None:
    """Faults, attacks and figures have names of their own."""

    def names(lines: list[Line]) -> list[str]:
        return [line.name for line in lines]

    for found in (names(list(matrix.faults)), names(list(matrix.attacks)), [each.measure for each in matrix.figures]):
        assert len(found) == len(set(found))


def test_figures_have_a_command(matrix: Matrix) -> None:
    """Each figure has the command that makes it, or says what it waits for."""
    for each in matrix.figures:
        assert each.figure
        assert each.measured
        assert each.command.startswith(("python -m ", "KILL_", "SANDBOX_")) or each.measured.startswith("with the page")
