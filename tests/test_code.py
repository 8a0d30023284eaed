"""What no line of the product does: run text as code, or match it in more than linear time."""

import ast
import importlib
import pkgutil
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import importer

ROOT = Path(importer.__file__).parent
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "marshal", "shelve", "yaml", "ruamel", "code", "codeop", "jsonpickle"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "read_pickle", "to_pickle", "literal_eval"}
METHODS = {"search", "match", "fullmatch", "finditer", "findall", "split", "sub"}
LENGTH = 100_000
LENGTH_BEHIND = 20_000
"""Characters behind a beginning."""
CPU_MOST_S = 3
"""What one pattern may take of the processor for all floods: linear ones take tenths of a second, a square one minutes."""
FLOODS = (
    "a", " ", "0", "1_", "a ", "\n", "\t ", "%", "'", '"', "{", "}", "{a", "<c ", "<", "&", "٣", "é", "-", "a-", ".", "a.", "\\", "=",
    ",", ";", "(", "a1", "0-", "é ", "9.", "1,", "A1", "A", "''", "\r", "+", "e", ":", "::", "[", "]", "\u200b", "\ufeff", "1e", "x'",
    " or ", "id eq '", "<row ", "<t>", "<f>", "<?xml ", "<?xml encoding=", "; it differs in ", "127.", "25", "#0", "0,", "[$-", "\x00",
    "\ud800",
)  # fmt: skip
STARTS = ("<c ", "<t>", "<row ", "<?xml ", "id eq '", "'", '"', "127.", "2026-01-01T00:00:00.", "\\ud", "1 ", "[", "+")


def trees() -> Iterator[tuple[Path, ast.AST]]:
    """Every module of the product, parsed."""
    for path in sorted(ROOT.rglob("*.py")):
        yield path, ast.parse(path.read_text("utf-8"))


def _imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {each.name.partition(".")[0] for each in node.names}
    return {(node.module or "").partition(".")[0]} if isinstance(node, ast.ImportFrom) and not node.level else set()


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    if isinstance(node.func, ast.Attribute):
        return "" if node.func.attr == "compile" else node.func.attr  # re.compile
    return node.func.id if isinstance(node.func, ast.Name) else ""


def test_code_runs_no_text_as_code() -> None:
    """No eval, exec or pickle, and no loader of YAML: settings and mappings are TOML, and a template is not str.format."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt | ast.expr)
        and (_imported(node) & FORBIDDEN_MODULES or _called(node) in FORBIDDEN_CALLS)
    ]
    assert found == []


def test_code_rule_sees_what_it_forbids() -> None:
    """The rule above would notice each of them."""
    lines = ["import pickle", "from yaml import load", "eval('1')", "builtins.exec('1')", "pandas.read_pickle('x')"]
    for line in lines:
        nodes = list(ast.walk(ast.parse(line)))
        assert any(_imported(node) & FORBIDDEN_MODULES or _called(node) in FORBIDDEN_CALLS for node in nodes), line


def patterns() -> dict[str, re.Pattern[str]]:
    """Every compiled text pattern that a module holds; one that others import by its name is there once."""
    found: dict[str, re.Pattern[str]] = {}
    known: set[tuple[str, re.Pattern[str]]] = set()
    for module in pkgutil.walk_packages([str(ROOT)], "importer."):
        if module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str) and (name, value) not in known:
                known.add((name, value))
                found[f"{module.name}.{name}"] = value
    return found


def floods() -> Iterator[str]:
    """Texts that a pattern may begin with, repeat, or nearly fit."""
    for flood in FLOODS:
        yield flood * (LENGTH // len(flood))
        yield flood * (LENGTH // len(flood)) + "!"
        for start in STARTS:
            yield start + flood * (LENGTH_BEHIND // len(flood)) + "!"


def match_all(found: dict[str, re.Pattern[str]] | None = None, most_s: int = CPU_MOST_S) -> None:
    """Matches every pattern against every flood, as the product does; the kernel ends it where one takes long."""
    source = "".join(path.read_text("utf-8") for path in ROOT.rglob("*.py"))
    texts = list(floods())
    for name, pattern in (patterns() if found is None else found).items():
        print(name, flush=True)  # noqa: T201 - the last one is the slow one
        spent_s = int(resource.getrusage(resource.RUSAGE_SELF).ru_utime) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (spent_s + most_s, resource.RLIM_INFINITY))
        used = METHODS & set(re.findall(rf"\b{name.rpartition('.')[2]}\.(\w+)\(", source)) or {"match"}
        for text in texts:
            for method in used:
                result = getattr(pattern, method)(*(["", text] if method == "sub" else [text]))
                _ = list(result) if method == "finditer" else result


def flooded(argument: str = "") -> "subprocess.CompletedProcess[str]":
    """`match_all` in a process of its own."""
    code = f"import re; from tests.test_code import match_all; match_all({argument})"
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="needs the kernel's limit on processor time")
def test_code_has_no_slow_pattern() -> None:
    """Every pattern of the product gets through 100,000 hostile characters of sixty kinds as it is used; a slow one would take hours."""
    ended = flooded()
    assert ended.returncode == 0, f"{ended.returncode}: {ended.stdout.splitlines()[-1:]} {ended.stderr[-500:]}"
    assert len(ended.stdout.splitlines()) == len(patterns()) > 10


@pytest.mark.skipif(sys.platform == "win32", reason="needs the kernel's limit on processor time")
def test_code_rule_sees_a_slow_pattern() -> None:
    """The rule above ends at a pattern that takes the square of steps, also behind a beginning alone."""
    for slow in ("a*a*!b", "<t>(?:a|a)*?a*b"):
        ended = flooded(f"{{'slow': re.compile({slow!r})}}, most_s=1")
        assert ended.returncode == -signal.SIGXCPU, slow
