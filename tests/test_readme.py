"""The README says what the program does: its tables of columns, codes and exit codes are made from the code.

`python -m tests.test_readme` writes the tables anew.
"""

import re
from pathlib import Path

from importer.cli.app import EXIT_CODES
from importer.core.columns import columns_of
from importer.core.findings import CATALOGUE
from importer.targets.limits import TASKS

README = Path(__file__).parents[1] / "README.md"


def column_table() -> str:
    """One line a field, with the first names that it goes by."""
    lines = ["| column | needed | also found under | what it is |", "|---|---|---|---|"]
    for column in columns_of(TASKS):
        names = ", ".join(column.aliases[:12])
        lines.append(f"| {column.name} | {'yes' if column.required else 'no'} | {names} | {column.help} |")
    return "\n".join(lines)


def code_table() -> str:
    """One line a code."""
    lines = ["| code | | says |", "|---|---|---|"]
    lines += [f"| {code} | {entry.severity} | {entry.message} |" for code, entry in CATALOGUE.items()]
    return "\n".join(lines)


TABLES = {"columns": column_table, "codes": code_table}


def _parts(text: str, name: str) -> tuple[str, str, str]:
    match = re.search(rf"(<!-- {name} -->\n)(.*?)(\n?<!-- /{name} -->)", text, re.DOTALL)
    assert match is not None, f"the README has no place for {name}"
    return text[: match.end(1)], match[2], text[match.start(3) :]


def test_readme_tables_are_those_of_the_program() -> None:
    """The README's tables of columns and codes are what the program uses now."""
    text = README.read_text("utf-8")
    for name, table in TABLES.items():
        assert _parts(text, name)[1] == table(), "stale: run python -m tests.test_readme"


def test_readme_has_exactly_the_two_commands() -> None:
    """The two promised commands stand in the README as lines of their own, in their order."""
    commands = re.findall(r"^python3 -m venv .*$", README.read_text("utf-8"), re.MULTILINE)
    assert commands == [
        "python3 -m venv .venv && .venv/bin/python -m pip install . && .venv/bin/importer demo",
        "python3 -m venv .venv && .venv/bin/python -m pip install -e '.[test]' && .venv/bin/python -m pytest",
    ]


def test_exit_codes_of_readme_are_those_of_the_help() -> None:
    """Every exit code of the help has its line in the README."""
    told = re.findall(r"^\| ([0-9, ]+) \|", README.read_text("utf-8"), re.MULTILINE)
    documented = {code for line in told for code in line.split(", ")}
    helped = set(re.findall(r"(?:^|[ ·/])(\d{1,3})(?= [a-z]|/)", EXIT_CODES.replace("\n", " ")))
    assert {"0", "1", "2", "3", "4", "5", "6", "7", "8", "130", "143"} <= documented
    assert helped <= documented


def write() -> None:
    """Writes the tables into the README."""
    text = README.read_text("utf-8")
    for name, table in TABLES.items():
        before, _, after = _parts(text, name)
        text = before + table() + "\n" + after.lstrip("\n")
    README.write_text(text, "utf-8")


if __name__ == "__main__":
    write()
