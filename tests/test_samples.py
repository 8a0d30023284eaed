"""The samples show what their README says, and the script makes them again."""

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from importer.core.approval import Person
from importer.core.errors import FileRefused
from importer.core.limits import Limits
from importer.core.mapping import fit
from importer.core.plan import Environment, PlanRow, Preview
from importer.core.report import in_words
from importer.flow.check import Checked, check
from importer.flow.preview import Origin, Previewing
from importer.flow.read import Choices, read_table
from importer.ledgers.plans import PlanFolder
from importer.ledgers.sqlite import SqliteLedger
from importer.ports import ReadOptions
from importer.samples import make_file, make_samples
from importer.samples.__main__ import main
from importer.settings import load
from importer.sources.reader import fingerprint, open_source
from importer.targets.limits import LIMITS, TASKS, WORKITEMS

SAMPLES = Path(__file__).parents[1] / "samples"
HELPDESK = Path(__file__).parents[2] / "shared" / "real" / "helpdesk_customer_tickets.csv"

EXPECTED = {  # counts of check; codes of findings on rows; codes of findings on the file
    "tasks-small.csv": ({"ready": 20}, {}, {"H304"}),
    "tasks-mixed.xlsx": (
        {"ready": 109, "invalid": 6, "duplicate": 5},
        {"V201": 1, "V204": 1, "V205": 1, "V303": 1, "V304": 1, "V305": 1, "V311": 1, "V312": 1, "V330": 3, "D401": 5},
        {"F203", "F208", "H304"},
    ),
    "tasks-semicolon-cp1252.csv": ({"ready": 10}, {}, {"F201", "F209", "H304"}),
    "tasks-utf16.tsv": ({"ready": 8}, {}, {"F209", "H304"}),
    "tasks-messy-headers.xlsx": ({"ready": 6}, {}, {"F202", "F208", "H303", "H304"}),
    "tasks-formulas.xlsx": (
        {"ready": 10, "invalid": 2},
        {"V320": 1, "V321": 1, "V322": 1},
        {"F202", "F204", "F205", "F206", "F207", "F208", "H304"},
    ),
    "tasks-injection.csv": (
        {"ready": 14, "invalid": 6},
        {"V202": 1, "V203": 2, "V303": 2, "V312": 1},
        {"H304"},
    ),
    "tasks-duplicates.xlsx": (
        {"ready": 23, "invalid": 1, "duplicate": 6},
        {"D401": 7, "V206": 1, "V304": 1, "V330": 1},
        {"H304"},
    ),
    "workitems-mixed.xlsx": (
        {"ready": 45, "invalid": 12, "duplicate": 3},
        {
            "V221": 1,
            "V222": 1,
            "V231": 1,
            "V361": 1,
            "V362": 1,
            "V363": 1,
            "V365": 1,
            "V241": 1,
            "V251": 1,
            "V304": 1,
            "V303": 1,
            "V312": 1,
            "V367": 2,
            "D401": 3,
        },
        {"H304"},
    ),
}


def checked(path: Path, choices: Choices | None = None, limits: Limits | None = None) -> Checked:
    """What `importer check` finds; a sample's name begins with that of its target."""
    with open_source(path, ReadOptions()) as reading:
        return check(reading, choices or Choices(), limits or LIMITS.get(path.name.partition("-")[0], TASKS))


def without_zeros(counts: dict[str, int]) -> dict[str, int]:
    """The counts that are not 0, but for the number of rows read."""
    return {name: count for name, count in counts.items() if count and name != "read"}


def cells(path: Path) -> list[Any]:
    """Everything in a workbook that a sample is made of."""
    seen: list[Any] = []
    for stored in (False, True):  # formulas, then their stored values
        book = openpyxl.load_workbook(path, data_only=stored)
        seen.append((book.properties.title, book.properties.created))
        for sheet in book.worksheets:
            values = [[(cell.value, cell.number_format) for cell in row] for row in sheet.iter_rows()]
            hidden = [line for line, row in sheet.row_dimensions.items() if row.hidden]
            seen.append((sheet.title, sheet.sheet_state, values, hidden, [str(area) for area in sheet.merged_cells]))
    return seen


# What is committed


def test_samples_are_what_the_script_makes(tmp_path: Path) -> None:
    """The committed samples equal what the script makes: text byte by byte, workbooks cell by cell."""
    for made in make_samples(tmp_path):
        kept = SAMPLES / made.name
        if made.suffix == ".xlsx":
            assert cells(made) == cells(kept), made.name
        else:
            assert made.read_bytes() == kept.read_bytes(), made.name


def test_samples_differ_by_seed(tmp_path: Path) -> None:
    """Another seed tells other stories."""
    for seed in (1, 2):
        make_samples(tmp_path / str(seed), seed)
    first, second = ((tmp_path / seed / "tasks-small.csv").read_bytes() for seed in "12")
    assert first != second


def test_samples_door_tells_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The door prints the path of each file that it made."""
    assert main(["--out", str(tmp_path)]) == 0
    assert set(capsys.readouterr().out.splitlines()) == {str(path) for path in tmp_path.iterdir()}


def test_samples_import_loads_no_xlsxwriter() -> None:
    """Importing the samples does not load the library that writes workbooks."""
    program = "import sys, importer.samples; sys.exit('xlsxwriter' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_samples_readme_names_every_file_and_its_counts() -> None:
    """The README's tables name every sample, with the counts that `check` gives."""
    readme = (SAMPLES / "README.md").read_text("utf-8")
    for path in SAMPLES.iterdir():
        assert path.name.startswith(".") or path.name == "README.md" or f"| `{path.name}` |" in readme, path.name
    for name, (counts, _, _) in EXPECTED.items():
        assert f"| `{name}` | {in_words({'read': sum(counts.values()), **counts})} |" in readme


# What they show


@pytest.mark.parametrize("name", EXPECTED)
def test_samples_check_to_the_expected_counts(name: str) -> None:
    """Each sample checks to its counts."""
    assert without_zeros(checked(SAMPLES / name).counts) == EXPECTED[name][0]


@pytest.mark.parametrize("name", EXPECTED)
def test_samples_show_the_findings_that_they_are_for(name: str) -> None:
    """Each sample has the findings that it is there to show, on its rows and on the file."""
    found = checked(SAMPLES / name)
    rows: Counter[str] = Counter()
    for cause in found.causes:
        rows[cause.code] += cause.rows
    assert EXPECTED[name][1].items() <= rows.items()
    assert EXPECTED[name][2] <= {each.code for each in found.findings}


def test_samples_empty_is_refused() -> None:
    """A file without content is refused as such."""
    with pytest.raises(FileRefused) as refused:
        checked(SAMPLES / "empty.csv")
    assert refused.value.finding.code == "F102"


def test_samples_messy_headers_match_in_any_language() -> None:
    """Headings match whatever their language, case and punctuation; a near match is left alone."""
    header = checked(SAMPLES / "tasks-messy-headers.xlsx").header
    assert header.matched == {
        "external_id": "RÉFÉRENCE  EXTERNE :",
        "queue": "cola",
        "priority": "Prioridad!",
        "description": "Libellé…",
    }
    assert "Task Typ" in header.unused
    assert set(header.attributes) == {"langue"}


def test_samples_formulas_are_read_as_people_see_them() -> None:
    """Stored values, zeros by format and ISO dates are what a row holds."""
    with open_source(SAMPLES / "tasks-formulas.xlsx", ReadOptions()) as reading:
        rows = {int(row.line): row.cells for row in reading.rows}
    assert rows[4][0] == "FX-0004"
    assert rows[5][0] == "00122"
    assert rows[4][2] == "8"
    assert rows[4][5] == "2026-03-03T09:00:00"


def test_samples_injection_stays_text() -> None:
    """What looks like a formula, a link or HTML arrives as it stands in the file."""
    with open_source(SAMPLES / "tasks-injection.csv", ReadOptions()) as reading:
        descriptions = {row.cells[0]: row.cells[4] for row in reading.rows}
    assert descriptions["INJ-001"] == "=cmd|'/C calc'!A0"
    assert descriptions["INJ-003"] == "+1"
    assert descriptions["INJ-007"].startswith("<script>")


# What only the target knows


async def previewed(path: Path, folder: Path) -> tuple[Preview, Sequence[PlanRow]]:
    """A preview against the sandbox's default world, as the command makes it."""
    from importer.clock import SystemClock
    from importer.sandbox.server import Sandbox
    from importer.targets.exchange import Credentials, Endpoints, Exchange
    from importer.targets.pace import CallLog, Rate, SharedPace
    from importer.targets.tasks import TasksTarget
    from importer.targets.transport import HttpTransport

    clock, rate = SystemClock(), Rate(100, 1.0)
    ledger = SqliteLedger(folder / "ledger.sqlite")
    calls = CallLog(folder / "pace.sqlite", "samples", rate)
    try:
        async with Sandbox(seed=1) as sandbox:
            endpoints = Endpoints(sandbox.api_url, sandbox.login_url)
            credentials = Credentials(sandbox.client_id, sandbox.client_secret)
            target = TasksTarget(
                Exchange(endpoints, credentials, SharedPace(calls, rate, clock), clock, HttpTransport())
            )
            environment = Environment("tasks", "sandbox:samples", sandbox.client_id)
            previewing = Previewing(target, ledger, environment, clock, lambda _event, _numbers: None)
            plans = PlanFolder(folder / "plans")
            try:
                with open_source(path, ReadOptions()) as reading:
                    origin = Origin(path.name, *fingerprint(path), Person("tests", "a test"))
                    preview = await previewing.preview(reading, Choices(), origin, plans.draft())
            finally:
                await target.close()
            return preview, list(plans.find(preview.about.plan).rows())
    finally:
        calls.close()
        ledger.close()


async def test_samples_mixed_previews_as_promised(tmp_path: Path) -> None:
    """A preview of tasks-mixed.xlsx gives 106 ready, 6 of them with warnings, 9 invalid and 5 duplicate."""
    preview, _ = await previewed(SAMPLES / "tasks-mixed.xlsx", tmp_path)
    assert without_zeros(preview.head.counts) == {"ready": 106, "invalid": 9, "duplicate": 5}
    assert preview.head.warnings == 6


async def test_samples_mixed_has_every_kind_of_mistake(tmp_path: Path) -> None:
    """Its rows carry findings of all the codes that it is for, and Renewals' want of room is told once for the queue."""
    preview, rows = await previewed(SAMPLES / "tasks-mixed.xlsx", tmp_path)
    codes = Counter(each.code for row in rows for each in row.findings)
    shape = EXPECTED["tasks-mixed.xlsx"][1]
    assert codes == {**shape, "Q501": 1, "Q502": 1, "Q503": 6, "Q504": 1}
    assert [each.code for each in preview.head.findings].count("Q505") == 1


async def test_samples_mixed_suggests_the_queue_that_was_meant(tmp_path: Path) -> None:
    """The misspelt queue is answered with the right one."""
    _, rows = await previewed(SAMPLES / "tasks-mixed.xlsx", tmp_path)
    (unknown,) = (each for row in rows for each in row.findings if each.code == "Q501")
    assert unknown.value == "Biling"
    assert "“Billing”" in unknown.message


# Settings and mapping


@pytest.mark.parametrize("profile", ["default", "night"])
def test_samples_profiles_load(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every value of the example profiles is possible."""
    for name in ("IMPORTER_SANDBOX", "IMPORTER_RATE", "GENESYS_API_URL", "GENESYS_ENV_HOST", "GENESYSCLOUD_REGION"):
        monkeypatch.delenv(name, raising=False)
    settings = load({}, profile, SAMPLES)
    assert settings.sandbox == (profile == "default")
    assert settings.track in ("created", "closed")
    assert settings.concurrency > 0
    assert settings.rate[0] > 0
    assert all(settings.seconds(name) > 0 for name in ("index_lag", "timeout"))
    if profile == "night":
        assert settings.endpoints[0] == "https://api.mypurecloud.ie"
        assert settings.mapping.headings() == {"Ticket", "Team", "Subject", "Site"}


def helpdesk_choices() -> Choices:
    """The mapping of the real file."""
    return Choices(mapping=load({"map": str(SAMPLES / "helpdesk.toml")}, folder=SAMPLES / "none").mapping)


@pytest.mark.skipif(not HELPDESK.is_file(), reason="the real helpdesk file is not beside this checkout")
def test_samples_helpdesk_mapping_takes_the_real_file() -> None:
    """With the sample mapping, 598 of the 600 real tickets are ready."""
    found = checked(HELPDESK, helpdesk_choices())
    assert without_zeros(found.counts) == {"ready": 598, "invalid": 2}


@pytest.mark.skipif(not HELPDESK.is_file(), reason="the real helpdesk file is not beside this checkout")
def test_samples_helpdesk_names_the_blank_subjects() -> None:
    """The two tickets without a subject are told by the lines that a spreadsheet shows."""
    examples = checked(HELPDESK, helpdesk_choices()).examples
    assert [(each.code, each.line) for each in examples] == [("V311", 8), ("V311", 32)]


def workitems_choices() -> Choices:
    """The mapping of the real file to workitems."""
    return Choices(
        mapping=load(
            {"map": str(SAMPLES / "helpdesk-workitems.toml"), "target": "workitems"}, folder=SAMPLES / "none"
        ).mapping
    )


def test_samples_helpdesk_workitems_mapping_fits_its_target() -> None:
    """The mapping names fields of workitems alone, and every ticket becomes a case."""
    mapping = workitems_choices().mapping
    fit(mapping, "workitems", LIMITS, "helpdesk-workitems.toml")
    assert mapping.constants == {"worktype": "Case"}


@pytest.mark.skipif(not HELPDESK.is_file(), reason="the real helpdesk file is not beside this checkout")
def test_samples_helpdesk_workitems_are_all_ready() -> None:
    """As workitems all 600 real tickets are ready: one without a subject has a name, and needs no description."""
    found = checked(HELPDESK, workitems_choices(), WORKITEMS)
    assert without_zeros(found.counts) == {"ready": 600}


@pytest.mark.skipif(not HELPDESK.is_file(), reason="the real helpdesk file is not beside this checkout")
def test_samples_helpdesk_workitems_speak_languages_of_routing() -> None:
    """The export's language codes become names of routing languages; one that has none is left out."""
    languages = set()
    with open_source(HELPDESK, ReadOptions()) as reading:
        table = read_table(reading, workitems_choices(), WORKITEMS)
        for judged in table.judged():
            assert judged.request is not None
            languages.add(judged.request.get("language"))
    assert languages == {"German", "English", "Spanish", "French", None}


# Large files


def test_samples_large_file_is_clean(tmp_path: Path) -> None:
    """A large file has the rows that were asked for, all of them ready, at about 178 bytes a row."""
    path = make_file(tmp_path / "big.csv", 5_000)
    assert without_zeros(checked(path).counts) == {"ready": 5_000}
    assert 174 <= path.stat().st_size / 5_000 <= 182


def test_samples_large_file_is_bad_in_five_ways(tmp_path: Path) -> None:
    """The share of bad rows is kept exactly, in five ways by turns."""
    found = checked(make_file(tmp_path / "big.csv", 1_000, bad=0.05))
    assert without_zeros(found.counts) == {"ready": 950, "invalid": 50}
    assert {cause.code: cause.rows for cause in found.causes} == dict.fromkeys(
        ("V201", "V304", "V305", "V311", "V312"), 10
    )


def test_samples_large_workbook_has_the_same_rows(tmp_path: Path) -> None:
    """A large workbook says what the CSV file of the same seed says, leading zeros included."""
    tables = []
    for name in ("big.csv", "big.xlsx"):
        with open_source(make_file(tmp_path / name, 300, seed=3, bad=0.1), ReadOptions()) as reading:
            tables.append([list(row.cells) for row in reading.rows])
    assert tables[0] == tables[1]
    assert tables[1][1][6].startswith("00")


def test_samples_large_file_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    """The same seed gives the same bytes, another seed others."""
    first, again, other = (make_file(tmp_path / f"{n}.csv", 50, seed).read_bytes() for n, seed in enumerate((1, 1, 2)))
    assert first == again != other


@pytest.mark.parametrize("arguments", [["--out", "big.ods"], ["--bad", "2"]])
def test_samples_door_refuses_what_it_cannot_make(arguments: list[str], tmp_path: Path) -> None:
    """Another file type, or a share beyond 1, ends as wrong usage."""
    given = [str(tmp_path / each) if each.startswith("big") else each for each in arguments]
    with pytest.raises(SystemExit) as ended:
        main(["--rows", "5", *given])
    assert ended.value.code == 2
