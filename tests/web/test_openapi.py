"""The routes for programs: described, and fuzzed by their description."""

import asyncio
import sys
from pathlib import Path

from jsonschema import Draft202012Validator

from importer.sandbox.scenario import Limit, Scenario
from importer.sandbox.server import Sandbox
from importer.targets.limits import LIMITS
from importer.web.openapi import described
from importer.web.routes import ROUTES
from tests.web.house import opened

TEXTS = {"/metrics"}
"""Answers to monitors, in a form of their own."""
FUZZ = (
    "run",
    "--checks",
    "all",
    "--exclude-checks",
    "negative_data_rejection",
    "--max-examples",
    "20",
    "--seed",
    "1",
    "--no-color",
)
"""A request that breaks a rule of the sheet is answered with its verdict, and not refused: that is what the endpoint is for."""


def test_openapi_describes_every_route_for_programs() -> None:
    """Each route that answers in JSON is in the description, and nothing else is."""
    known = {(route.path, route.method.lower()) for route in ROUTES if route.kind == "json"} - {
        (path, "get") for path in TEXTS
    }
    for limits in LIMITS.values():
        paths = described(limits)["paths"]
        assert {(path, method) for path, methods in paths.items() for method in methods} == known


def test_openapi_has_valid_schemas_for_both_targets() -> None:
    """Every shape in the description is a JSON Schema, whichever the target."""
    for limits in LIMITS.values():
        for shape in described(limits)["components"]["schemas"].values():
            Draft202012Validator.check_schema(shape)


async def test_openapi_is_what_the_server_does(tmp_path: Path) -> None:
    """Whatever schemathesis thinks of, the server answers as described: no failure, no other status, no other shape."""
    scenario = Scenario(limit=Limit(calls=0), index_lag_s=0)
    async with Sandbox(scenario) as sandbox, opened(tmp_path, sandbox=sandbox) as page:
        fuzzer = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "schemathesis.cli", *FUZZ, f"{page.base}/api/openapi.json",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        told, _ = await fuzzer.communicate()
    assert fuzzer.returncode == 0, told.decode()[-4000:]
    assert b"No issues found" in told or b"passed" in told
