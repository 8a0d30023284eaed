"""Writers cost nothing until one is used."""

import subprocess
import sys
from importlib import import_module

import pytest

from importer.writers import WRITERS

MODULES = (
    "importer.writers", "importer.writers.results_xlsx", "importer.writers.results_json", "importer.writers.results_csv",
    "importer.writers.preview_xlsx", "importer.writers.preview_json", "importer.writers.preview_html",
    "importer.writers.template_xlsx",
)  # fmt: skip


def test_writers_load_nothing_heavy() -> None:
    """Importing every writer loads neither pandas, openpyxl, XlsxWriter nor Jinja."""
    code = f"import sys, {', '.join(MODULES)}; print([m for m in ('pandas', 'openpyxl', 'xlsxwriter', 'jinja2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", list(WRITERS))
def test_writers_are_there_by_name(name: str) -> None:
    """Each entry of WRITERS names a function."""
    module, _, function = WRITERS[name].partition(":")
    assert callable(getattr(import_module(module), function))
