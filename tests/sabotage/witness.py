"""Witness: a pytest plugin that writes down whether the importer still imports, and by what each test failed."""

import importlib
import json
import os
import pkgutil
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

PLACE = "SABOTAGE_WITNESS"
"""The variable that says where the record goes."""
ASSERTION = "assertion"
NOT_IMPORTED = 9

_reports: list[dict[str, str]] = []


def pytest_configure() -> None:
    """Before any test is collected: every module of the importer, from the folder that these tests are in."""
    problem = _import_problem()
    if problem:
        _write(problem)
        pytest.exit(f"the importer does not import: {problem}", returncode=NOT_IMPORTED)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A module that cannot be collected."""
    if report.failed:
        _reports.append({"node": report.nodeid, "when": "collect", "outcome": "failed", "how": "not collected"})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """One phase of one test."""
    report = yield
    how = ""
    if report.skipped:
        how = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    elif call.excinfo is not None:
        how = _how(call.excinfo.value)
    _reports.append({"node": item.nodeid, "when": str(report.when), "outcome": report.outcome, "how": how})
    return report


def pytest_sessionfinish() -> None:
    """The record, once all is done."""
    _write("")


def _write(problem: str) -> None:
    Path(os.environ[PLACE]).write_text(json.dumps({"imports": problem, "reports": _reports}), "utf-8")


def _import_problem() -> str:
    try:
        import importer

        for module in pkgutil.walk_packages(importer.__path__, "importer."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    except Exception as problem:  # noqa: BLE001 - whatever a sabotaged module raises
        return f"{type(problem).__name__}: {problem}"
    here = Path(__file__).parents[2]
    return "" if Path(importer.__file__).is_relative_to(here) else f"{importer.__file__} is another importer"


def _how(problem: BaseException) -> str:
    """ASSERTION where an assertion of a test failed, or `pytest.raises` met nothing; else the exception in words."""
    strange = [each for each in _leaves(problem) if not _is_assertion(each)]
    return f"{type(strange[0]).__name__}: {strange[0]}"[:300] if strange else ASSERTION


def _leaves(problem: BaseException) -> Iterator[BaseException]:
    if isinstance(problem, BaseExceptionGroup):
        for each in problem.exceptions:
            yield from _leaves(each)
    else:
        yield problem


def _is_assertion(problem: BaseException) -> bool:
    """An assertion inside the product is a crash, not a test's verdict."""
    product = str(Path(__file__).parents[2] / "importer") + os.sep
    return isinstance(problem, AssertionError | pytest.fail.Exception) and not _last_file(
        problem.__traceback__
    ).startswith(product)


def _last_file(traceback: TracebackType | None) -> str:
    file = ""
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        traceback = traceback.tb_next
    return file
