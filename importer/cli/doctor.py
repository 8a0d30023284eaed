"""doctor: the preflight, line by line."""

from collections.abc import Mapping as Table
from typing import Any

from importer.cli import screen
from importer.cli.look import json_wanted
from importer.core.errors import SettingsError
from importer.core.health import Line, Sign, exit_code, unchecked
from importer.core.names import did_you_mean
from importer.settings import Settings, load
from importer.targets.limits import LIMITS

SIGNS = {Sign.FINE: "✔", Sign.WARNING: "▲", Sign.WRONG: "✖", Sign.UNCHECKED: "–"}
PLAIN_SIGNS = {Sign.FINE: "[OK]", Sign.WARNING: "[WARN]", Sign.WRONG: "[ERR]", Sign.UNCHECKED: "[--]"}


def doctor(flags: Table[str, Any], profile: str | None, format_: str) -> int:
    """`importer doctor`."""
    as_json = json_wanted(format_)
    settings = load(flags, profile)
    target = settings.text("target")
    if target not in LIMITS:
        hint = did_you_mean(target, list(LIMITS))
        raise SettingsError(f"The target {target} is unknown.{hint}", f"Use one of: {', '.join(LIMITS)}.")
    lines: list[Line] = []

    def tell(line: Line) -> None:
        lines.append(line)
        if not as_json:
            show(line)

    environment = _examined(settings, target, lines, tell)
    code = exit_code(lines)
    if as_json:
        screen.say_json(_record(target, environment, lines, code))
    else:
        counts = {sign: sum(line.sign is sign for line in lines) for sign in Sign}
        told = ", ".join(f"{count} {sign}" for sign, count in counts.items() if count)
        screen.say(f"{told}. {_next(code)}")
    return code


def _examined(settings: Settings, target: str, lines: list[Line], tell: Any) -> str | None:
    """Tells all lines; the environment where it was asked."""
    from importer.cli.premises import looked_over
    from importer.flow.doctor import Doctor
    from importer.wiring import begin_log, examining

    for line in looked_over(settings):
        tell(line)
    if exit_code(lines):
        tell(unchecked("the rest", "the service was not asked", "Mend this, then ask again."))
        return None
    begin_log(settings)
    with examining(settings) as examined:
        examined.run(Doctor(examined.examiner, settings.rate, tell).examine(target))
        return str(examined.environment)


def show(line: Line) -> None:
    """One check on stdout, and below it what to do."""
    signs = SIGNS if screen.speaks_utf8() else PLAIN_SIGNS
    screen.say(f"{signs[line.sign]} {screen.harmless(line.check)}: {screen.harmless(line.found)}")
    if line.advice:
        screen.say(
            f"  fix {screen.harmless(line.advice)}"
            if line.sign is not Sign.UNCHECKED
            else f"      {screen.harmless(line.advice)}"
        )


def _next(code: int) -> str:
    if code:
        return f"Not ready (exit code {code}): mend what is marked {SIGNS[Sign.WRONG] if screen.speaks_utf8() else PLAIN_SIGNS[Sign.WRONG]}."
    return "Next: importer template, then importer preview FILE."


def _record(target: str, environment: str | None, lines: list[Line], code: int) -> dict[str, Any]:
    checks = [
        {"sign": str(line.sign), "check": line.check, "found": line.found, "advice": line.advice} for line in lines
    ]
    body = {"schema": "importer.doctor/1", "target": target, "environment": environment, "checks": checks}
    return {**body, "counts": {str(sign): sum(line.sign is sign for line in lines) for sign in Sign}, "exit_code": code}
