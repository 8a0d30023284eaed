"""A sheet of workitems: its own columns, limits and values; a sheet of tasks is judged as if there were no others."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from importer.core.columns import COLUMN_OF, Header, columns_of, find_header, match_headings
from importer.core.errors import SettingsError
from importer.core.findings import Severity
from importer.core.limits import Limits
from importer.core.mapping import FIELDS, Mapping, fit
from importer.core.screen import Screen
from importer.core.shape import Shaped, Shaper
from importer.core.task import TaskRequest
from importer.targets.limits import LIMITS, TASKS, WORKITEMS
from tests.core.conftest import codes, mapping, row

GOOD = {"External ID": "E-1", "Name": "Invoice 4711", "Worktype": "Case"}
KNOWN = replace(WORKITEMS, attributes=(("Claim ID", "claim_id_identifier"), ("Subject", "subject_text")))
SOMEONE = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


def header(headings: Sequence[str], given: Mapping | None = None, limits: Limits = WORKITEMS) -> Header:
    """The headings matched for workitems."""
    return match_headings(row(*headings, line=1), given or Mapping(), limits)


def shaped(
    cells: dict[str, str] | None = None,
    more: dict[str, str] | None = None,
    given: Mapping | None = None,
    limits: Limits = WORKITEMS,
) -> Shaped:
    """One row with these cells by heading (those of GOOD); `more` replaces or adds, by field."""
    named = {COLUMN_OF[field].name: text for field, text in (more or {}).items()}
    all_cells = {**(GOOD if cells is None else cells), **named}
    found = header(list(all_cells), given, limits)
    return Shaper(found, given or Mapping(), limits, "Tasks")(row(*all_cells.values()))


def request(**more: str) -> TaskRequest:
    """The request of a good row with these fields besides."""
    found = shaped(more=more)
    assert found.request is not None, found.findings
    return found.request


# Columns


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("Titel", "name"), ("Betreff", "name"), ("Titre", "name"), ("Asunto", "name"),
        ("WORK TYPE", "worktype"), ("Vorgangstyp", "worktype"), ("Type de travail", "worktype"),
        ("Tipo de trabajo", "worktype"), ("Arbeitskorb", "workbin"), ("Corbeille", "workbin"), ("Bandeja", "workbin"),
        ("Fähigkeiten", "skills"), ("Compétences", "skills"), ("Habilidades", "skills"), ("Sprache", "language"),
        ("Langue", "language"), ("Idioma", "language"), ("wrapup code", "wrapup_code"),
        ("Abschlusscode", "wrapup_code"), ("Bearbeiter", "assignee"), ("Asignado a", "assignee"),
        ("Externer Kontakt", "external_contact"), ("Fällig am", "due"), ("Échéance", "due"), ("Vencimiento", "due"),
        ("Gültig bis", "expires"), ("Date d'expiration", "expires"), ("Caducidad", "expires"), ("Dauer", "duration"),
        ("Duration (seconds)", "duration"), ("Durée", "duration"), ("Duración", "duration"),
    ],
)  # fmt: skip
def test_workitem_heading_matches_in_four_languages(heading: str, field: str) -> None:
    """A heading is taken for a field of workitems by alias."""
    assert header([heading]).fields[field].column == 0


def test_workitem_sheet_needs_id_name_and_worktype() -> None:
    """The three required columns are told where they are missing; a constant worktype needs no column."""
    assert codes(header(["Queue"]).findings) == ["H301"] * 3
    assert header(["External ID", "Name"], mapping(constants={"worktype": "Case"})).findings == ()


def test_task_sheet_knows_no_headings_of_workitems() -> None:
    """A sheet of tasks with headings of workitems is matched as if they were any others."""
    found = match_headings(
        row("External ID", "Queue", "Description", "Title", "Due", "Worktype", line=1), Mapping(), TASKS
    )
    assert set(found.fields) == {"external_id", "queue", "description"}
    assert found.unused == ("Title", "Due", "Worktype")
    assert codes(found.findings) == ["H304"]


def test_workitem_sheet_has_no_type() -> None:
    """A heading of tasks alone is an unused one."""
    assert header(["External ID", "Name", "Worktype", "Type"]).unused == ("Type",)


def test_header_row_is_found_by_the_targets_headings() -> None:
    """Which row is the header depends on the headings that the target takes."""
    rows = [row("Queue", "Type", "x"), row("Name", "Worktype", "Due")]
    assert (find_header(rows, Mapping(), TASKS), find_header(rows, Mapping(), WORKITEMS)) == (0, 1)


@pytest.mark.parametrize(("target", "limits"), LIMITS.items())
def test_column_help_has_the_targets_limits(target: str, limits: Limits) -> None:
    """Each column's help is filled in with the limits of its target."""
    columns = {column.field: column for column in columns_of(limits)}
    assert tuple(columns) == limits.fields
    assert {column.field for column in columns.values() if column.required} == limits.required
    assert not [column.help for column in columns.values() if "{" in column.help]
    assert {"tasks": "0 to 99; blank means 50", "workitems": "-25,000,000 to 25,000,000; blank means the"}[target] in columns["priority"].help  # fmt: skip


def test_limits_know_every_field_of_the_mapping() -> None:
    """What a mapping may name and what the targets take are the same fields."""
    assert set(FIELDS) == {field for limits in LIMITS.values() for field in limits.fields} == set(COLUMN_OF)


@pytest.mark.parametrize("limits", [*LIMITS.values(), KNOWN])
def test_limits_go_through_json(limits: Limits) -> None:
    """The limits that the child process gets are those that were given."""
    assert Limits.of(json.loads(json.dumps(limits.record()))) == limits


# Custom fields by heading


@pytest.mark.parametrize(
    "heading",
    ["Claim ID", "claim id *", "claim_id_identifier", "Attribute: Claim ID", "attribute: claim_id_identifier"],
)
def test_attribute_is_fed_by_its_heading_or_name(heading: str) -> None:
    """A custom field's column goes by its heading or name, with the prefix or without it."""
    found = header([*GOOD, heading], limits=KNOWN)
    assert found.attributes["claim_id_identifier"].column == 3
    assert list(found.attributes) == ["claim_id_identifier"]
    assert found.unused == ()


def test_attribute_in_a_mapping_goes_by_its_heading() -> None:
    """A mapping may name a custom field by its heading."""
    found = header([*GOOD, "x"], mapping(attributes={"Claim ID": "x"}), KNOWN)
    assert found.attributes["claim_id_identifier"].column == 3


def test_attribute_with_two_columns_is_told() -> None:
    """Two columns for one custom field are an error; neither is taken."""
    found = header([*GOOD, "Claim ID", "claim-id"], limits=KNOWN)
    assert codes(found.findings) == ["H302"]
    assert found.attributes == {}


def test_attribute_whose_heading_two_have_goes_by_name_alone() -> None:
    """A heading that two custom fields share is nobody's."""
    limits = replace(WORKITEMS, attributes=(("Claim", "claim_text"), ("Claim", "claim_enum")))
    assert header([*GOOD, "Claim", "claim_enum"], limits=limits).attributes.keys() == {"claim_enum"}


def test_attribute_that_is_called_like_a_field_leaves_the_field_alone() -> None:
    """A custom field called Subject is no second column for the name; alone, Subject is the name."""
    both = header([*GOOD, "Subject"], limits=KNOWN)
    assert both.findings == ()
    assert (both.fields["name"].column, both.attributes["subject_text"].column) == (1, 3)
    assert header(["External ID", "Subject", "Worktype"], limits=KNOWN).fields["name"].column == 1


# Values


def test_workitem_leaves_out_what_is_blank() -> None:
    """Blank optional fields are not in the request, so that the worktype decides; queue and description are blank."""
    blank = {COLUMN_OF[field].name: "" for field in WORKITEMS.fields}
    found = shaped({**blank, **GOOD})
    assert found.findings == ()
    assert found.request == {
        "external_id": "E-1", "name": "Invoice 4711", "worktype": "Case", "queue": "", "description": "",
        "attributes": {},
    }  # fmt: skip


def test_workitem_has_every_field_in_its_type() -> None:
    """Skills are a list, dates are UTC, durations are seconds."""
    more = {
        "workbin": "Back office", "queue": "Billing", "priority": "-5000", "description": "a text",
        "skills": "Invoices; French, german\nFRENCH", "language": "English", "wrapup_code": "Resolved",
        "assignee": "someone@example.com", "external_contact": SOMEONE, "due": "18.12.2026",
        "expires": "2026-12-31 12:00", "duration": "1h 30m",
    }  # fmt: skip
    assert request(**more) == {
        **more, "external_id": "E-1", "name": "Invoice 4711", "worktype": "Case", "priority": -5000,
        "skills": ["Invoices", "French", "german"], "due": "2026-12-18T23:59:59.000Z",
        "expires": "2026-12-31T12:00:00.000Z", "duration": 5400, "attributes": {},
    }  # fmt: skip


def test_workitem_times_are_in_the_time_zone_of_the_settings() -> None:
    """A time without an offset is read in the limits' time zone."""
    found = shaped(limits=replace(WORKITEMS, time_zone="Europe/Berlin"), more={"due": "2026-12-18 17:00"})
    assert found.request is not None
    assert found.request["due"] == "2026-12-18T16:00:00.000Z"


@pytest.mark.parametrize(
    ("field", "text", "code"),
    [
        ("external_id", "x" * 257, "V202"),
        ("name", "", "V221"), ("name", "ab", "V222"), ("name", "x" * 257, "V222"), ("name", "zero\u200bwidth", "V203"),
        ("worktype", "", "V231"), ("worktype", "x" * 257, "V232"), ("worktype", "bell\x07", "V203"),
        ("workbin", "x" * 257, "V232"), ("queue", "x" * 257, "V212"), ("queue", "bell\x07", "V203"),
        ("priority", "25000001", "V304"), ("priority", "-25000001", "V304"), ("priority", "high", "V303"),
        ("description", "x" * 513, "V312"), ("assignee", "Jo Doe", "V241"), ("assignee", "jo@", "V241"),
        ("external_contact", "Jo Doe", "V242"), ("skills", ";".join(map(str, range(21))), "V251"),
        ("skills", ";,", "V252"), ("skills", f"a;{'x' * 257};{'y' * 257}", "V232"), ("skills", "a;\u200b", "V203"),
        ("language", "x" * 257, "V232"), ("wrapup_code", "x" * 257, "V232"),
        ("due", "soon", "V361"), ("due", "12/11/2026", "V362"), ("expires", "2026-02-30", "V363"),
        ("duration", "a while", "V365"), ("duration", "366 d", "V366"),
    ],
)  # fmt: skip
def test_workitem_value_that_does_not_fit_is_told(field: str, text: str, code: str) -> None:
    """A wrong value prevents the request, and one finding tells it at its cell."""
    found = shaped(more={field: text})
    assert found.request is None
    assert codes(found.findings) == [code]
    assert found.findings[0].severity is Severity.ERROR
    letters = dict(zip([COLUMN_OF[f].name for f in ("external_id", "name", "worktype")], "ABC", strict=True))
    assert found.findings[0].cell == f"Tasks!{letters.get(COLUMN_OF[field].name, 'D')}2"


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("external_id", "x" * 256), ("name", "abc"), ("name", "x" * 256), ("description", "x" * 512),
        ("priority", "25000000"), ("priority", "-25000000"), ("skills", ";".join(map(str, range(20)))),
        ("duration", "365 d"), ("assignee", SOMEONE.upper()),
    ],
)  # fmt: skip
def test_workitem_value_at_its_limit_is_taken(field: str, text: str) -> None:
    """The bounds are inclusive."""
    found = shaped(more={field: text})
    assert found.request is not None
    assert found.findings == ()


def test_workitem_priority_message_names_the_worktype() -> None:
    """There is no default of ours to name: blank means the worktype's own."""
    assert "leave it blank for the worktype's own" in shaped(more={"priority": "high"}).findings[0].fix


def test_workitem_tells_all_that_is_wrong_at_once() -> None:
    """A row with several mistakes has a finding for each."""
    found = shaped(more={"name": "ab", "worktype": "", "due": "12/11/2026", "duration": "?", "assignee": "Jo"})
    assert set(codes(found.findings)) == {"V222", "V231", "V362", "V365", "V241"}


def test_workitem_duration_without_a_unit_is_told() -> None:
    """A number alone is read as seconds, and the row says so."""
    found = shaped(more={"duration": "90"})
    assert found.request is not None
    assert found.request["duration"] == 90
    assert [(each.code, each.severity) for each in found.findings] == [("V367", Severity.NOTE)]


# Mappings


def mapped(record: dict[str, Any], **cells: str) -> Shaped:
    """A row of a sheet that was not made for us."""
    return shaped(cells, given=mapping(**record))


def test_workitem_name_is_made_of_other_columns() -> None:
    """A template makes the name, and a constant the worktype of the whole file."""
    record = {"columns": {"external_id": "HD-{id}", "name": "HD-{id} {subject}"}, "constants": {"worktype": "Case"}}
    found = mapped(record, id="7", subject="")
    assert found.request is not None
    assert (found.request["name"], found.request["worktype"]) == ("HD-7", "Case")


def test_workitem_name_is_shortened_where_the_mapping_says_so() -> None:
    """[overflow] name cuts a long name to its limit, and tells it."""
    found = shaped(given=mapping(overflow={"name": "shorten"}), more={"name": "x" * 300})
    assert found.request is not None
    assert len(found.request["name"]) == WORKITEMS.name
    assert codes(found.findings) == ["V313"]


def test_workitem_meaning_that_is_blank_leaves_the_field_out() -> None:
    """A cell that means nothing is as good as blank."""
    found = shaped(given=mapping(values={"priority": {"normal": ""}}), more={"priority": "Normal"})
    assert found.request is not None
    assert "priority" not in found.request


@pytest.mark.parametrize(
    ("record", "target", "key"),
    [
        ({"constants": {"type": "email"}}, "workitems", "[constants] type"),
        ({"columns": {"name": "x"}}, "tasks", "[columns] name"),
        ({"values": {"due": {"a": "b"}}}, "tasks", "[values.due]"),
        ({"overflow": {"name": "shorten"}}, "tasks", "[overflow] name"),
    ],
)
def test_mapping_with_a_field_of_another_target_is_refused(record: dict[str, Any], target: str, key: str) -> None:
    """A field that the target does not take is told with the target that does."""
    (other,) = set(LIMITS) - {target}
    with pytest.raises(SettingsError) as told:
        fit(mapping(**record), target, LIMITS, "m.toml")
    assert str(told.value).startswith(f"m.toml: {key} is a field of the target {other}, not of {target}")
    assert f"--target {other}" in told.value.fix


def test_mapping_with_fields_of_both_targets_fits_both() -> None:
    """What both targets take may be mapped for either."""
    given = mapping(columns={"external_id": "a", "queue": "b", "description": "c"}, constants={"priority": 5})
    for target in LIMITS:
        fit(given, target, LIMITS, "m.toml")


# The shortcut


def test_screen_calls_no_workitem_good() -> None:
    """Only shape judges workitems: the shortcut knows nothing of them."""
    rows = [row(*GOOD.values(), line=line) for line in range(2, 5)]
    assert Screen(header(list(GOOD)), Mapping(), WORKITEMS)(rows) == [""] * 3
