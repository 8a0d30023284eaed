"""`importer doctor` as people and scripts see it: what this machine lacks, one JSON object, the exit code."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from importer.cli.premises import ledger_folder
from importer.core.health import Line, Sign, exit_code, fine, unchecked, warning, wrong
from importer.schemas import schema
from tests.cli.conftest import Ended, Shell

SECRET = "canary-secret-4711"
CLIENT = {"GENESYS_CLIENT_ID": "me", "GENESYS_CLIENT_SECRET": SECRET}


def checks(ended: Ended) -> dict[str, dict[str, Any]]:
    """The checks of the JSON object by their names; the object fits its schema, and no secret is told."""
    body = ended.json
    jsonschema.validate(body, schema("importer.doctor/1"))
    assert body["exit_code"] == ended.code
    assert SECRET not in ended.out + ended.err
    return {each["check"]: each for each in body["checks"]}


@pytest.mark.parametrize("target", ["tasks", "workitems"])
def test_doctor_finds_the_sandbox_healthy(importer: Shell, target: str) -> None:
    """Against the sandbox nothing is wrong or a warning, for both targets, and the exit code is 0."""
    ended = importer("doctor", "--sandbox", "--target", target, "--format", "json")
    found = checks(ended)
    assert ended.code == 0
    assert {each["sign"] for each in found.values()} <= {"fine", "not checked"}
    assert ended.json["target"] == target
    assert ended.json["environment"].startswith(f"{target} at sandbox:")


def test_doctor_prints_a_line_a_check_and_what_to_do(importer: Shell) -> None:
    """On a screen each check has its sign, and below it what to do; the exit code is told in words at the end."""
    ended = importer("doctor")
    assert ended.code == 2
    assert "✖ hosts: It is not set where Genesys Cloud is." in ended.out
    assert "  fix Set GENESYS_ENV_HOST" in ended.out
    assert "– the rest: the service was not asked" in ended.out
    assert "Not ready (exit code 2)" in ended.out.splitlines()[-1]


def test_doctor_prints_both_hosts_of_a_region(importer: Shell) -> None:
    """A region by the cloud provider's name is told with its API and log-in hosts; missing credentials are exit code 6."""
    importer.environment["GENESYSCLOUD_REGION"] = "eu-central-1"
    ended = importer("doctor", "--target", "workitems", "--format", "json")
    found = checks(ended)
    assert ended.code == 6
    told = found["hosts"]["found"]
    assert all(part in told for part in ("eu-central-1", "https://api.mypurecloud.de", "https://login.mypurecloud.de"))
    assert found["credentials"]["sign"] == "wrong"
    assert ended.json["environment"] is None


@pytest.mark.parametrize(
    "host", ["evil.test", "http://api.mypurecloud.com", "https://me:pass-4711@api.mypurecloud.com"]
)
def test_doctor_asks_no_host_that_is_not_known(importer: Shell, host: str) -> None:
    """A host that credentials must not go to is wrong, with exit code 2, and is not asked."""
    importer.environment |= {**CLIENT, "GENESYS_ENV_HOST" if "//" not in host else "GENESYS_API_URL": host}
    ended = importer("doctor", "--format", "json")
    assert checks(ended)["hosts"]["sign"] == "wrong"
    assert ended.code == 2
    assert "pass-4711" not in ended.out + ended.err


def test_doctor_says_that_a_ready_token_is_not_used(importer: Shell) -> None:
    """GENESYSCLOUD_ACCESS_TOKEN is named as set and not used, without its value."""
    importer.environment |= {"GENESYSCLOUD_REGION": "mypurecloud.ie", "GENESYSCLOUD_ACCESS_TOKEN": SECRET}
    ended = importer("doctor")
    assert "– access token: GENESYSCLOUD_ACCESS_TOKEN is set and not used" in ended.out
    assert SECRET not in ended.out + ended.err


@pytest.mark.parametrize(
    ("name", "value"),
    [("CONCURRENCY", "0"), ("TIME_ZONE", "Atlantis"), ("TIMEOUT", "soon"), ("CA_FILE", "no-such-file.pem")],
)
def test_doctor_tells_a_wrong_setting(importer: Shell, name: str, value: str) -> None:
    """A setting that is not possible is wrong, with exit code 2."""
    importer.environment[f"IMPORTER_{name}"] = value
    ended = importer("doctor", "--sandbox", "--format", "json")
    assert checks(ended)["settings"]["sign"] == "wrong"
    assert ended.code == 2


@pytest.mark.parametrize(("option", "check"), [("--state-dir", "state folder"), ("--out", "reports folder")])
def test_doctor_tells_a_folder_that_cannot_be_written(importer: Shell, option: str, check: str) -> None:
    """A folder that cannot be made or written is wrong, with exit code 2, and its option is named."""
    file = importer.file("in-the-way", "x")
    ended = importer("doctor", "--sandbox", option, file / "below", "--format", "json")
    found = checks(ended)[check]
    assert (found["sign"], ended.code) == ("wrong", 2)
    assert option in found["advice"]


def test_doctor_tells_a_damaged_ledger(importer: Shell) -> None:
    """A ledger that is none is wrong, with exit code 1; it is left as it is."""
    ledger = importer.folder / "state" / "ledger.sqlite"
    ledger.parent.mkdir()
    ledger.write_bytes(b"no ledger" * 100)
    ended = importer("doctor", "--sandbox", "--format", "json")
    assert checks(ended)["ledger"]["sign"] == "wrong"
    assert ended.code == 1
    assert ledger.read_bytes() == b"no ledger" * 100


def test_doctor_refuses_a_target_that_does_not_exist(importer: Shell) -> None:
    """An unknown target is wrong usage, with a suggestion."""
    ended = importer("doctor", "--target", "workitem", "--sandbox")
    assert ended.code == 2
    assert "Did you mean “workitems”" in ended.err


def test_doctor_warns_of_a_ledger_on_a_network_share() -> None:
    """A ledger on a share is a warning that names the kind; on a disk of the machine all is well."""
    (line,) = ledger_folder(Path("/share"), "nfs4")
    assert line.sign is Sign.WARNING
    assert "nfs4" in line.found
    (line,) = ledger_folder(Path("/disk"), None)
    assert line.sign is Sign.FINE


def test_doctor_exit_code_is_that_of_the_first_thing_wrong() -> None:
    """Warnings and what was not checked leave it at 0; of several wrong lines the first one counts."""
    bearable = [fine("a", "x"), warning("b", "x", "y"), unchecked("c", "x")]
    assert exit_code(bearable) == 0
    lines: list[Line] = [*bearable, wrong("d", "x", "y", 6), wrong("e", "x", "y", 7)]
    assert exit_code(lines) == 6
