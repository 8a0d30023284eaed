"""`importer map` drafts a mapping for the target that is asked for."""

import tomllib
from pathlib import Path

import pytest

from importer.cli.look import Asked, draft_mapping
from importer.core.errors import UsageError
from importer.core.mapping import fit, read_mapping
from importer.targets.limits import LIMITS

ANY = Asked(None, None, None)


@pytest.mark.parametrize("target", LIMITS)
def test_map_drafts_fields_of_the_target(target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The draft loads, fits its target, names all its fields, and takes the headings that are known."""
    file = tmp_path / "sheet.csv"
    file.write_text("External ID,Betreff,Vorgangstyp,Warteschlange,Other\nE-1,abc,Case,Billing,x\n", "utf-8")
    assert draft_mapping(file, ANY, target) == 0
    draft = capsys.readouterr().out
    found = read_mapping(tomllib.loads(draft), "draft")
    fit(found, target, LIMITS, "draft")
    expected = {"external_id": "External ID", "queue": "Warteschlange"}
    if target == "workitems":
        expected |= {"name": "Betreff", "worktype": "Vorgangstyp"}
    assert {field: template.text for field, template in found.columns.items()} == expected
    assert all(f"{field} = " in draft for field in LIMITS[target].fields)


def test_map_for_an_unknown_target_is_wrong_usage(tmp_path: Path) -> None:
    """A target that there is not is told with those that there are."""
    with pytest.raises(UsageError) as told:
        draft_mapping(tmp_path / "sheet.csv", ANY, "emails")
    assert "tasks, workitems" in told.value.fix
