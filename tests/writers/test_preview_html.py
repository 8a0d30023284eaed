"""preview.html can be mailed: it says what preview.json says, runs nothing, asks nobody, and stays small."""

import base64
import hashlib
import json
import re
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from importer.core.findings import finding
from importer.core.fixes import Fix, Fixed
from importer.core.plan import About, Environment, PlanRow
from importer.core.verdicts import Verdict
from importer.markup.plan_view import Beside, Change, plan_view
from importer.writers.preview_html import write_preview_html
from importer.writers.preview_json import write_preview_json
from tests.hostile import FILE_NAMES, hostile
from tests.markup.page import Page, read
from tests.writers.made import RATE, a_plan, again, planned, preview, wrong

LINK = "https://importer.example/plans/p-0001"
BYTES_MOST = 400_000
MEANT = ["href=data:,"]
"""The empty icon: without it a browser would ask for one."""


def page(folder: Path, rows: list[PlanRow], link: str = "", beside: Beside | None = None, **other: Any) -> Page:
    path = write_preview_html(folder, preview(rows, **other), again(rows), RATE, link, beside)
    return read(path.read_text("utf-8"))


def section(found: Page, heading: str) -> str:
    """The text of the section with this heading."""
    (text,) = [each.text for each in found.all("section") if each.text.startswith(heading)]
    return text


def test_preview_html_numbers_are_those_of_the_json(tmp_path: Path) -> None:
    """Rows read, each verdict, warnings, calls and minutes are equal to preview.json's."""
    rows = a_plan()
    found = page(tmp_path, rows)
    told = json.loads(write_preview_json(tmp_path, preview(rows), again(rows), RATE).read_text("utf-8"))
    tiles = {
        words.split(" ", 1)[1].lstrip("✔•≡✖– "): int(words.split(" ", 1)[0])
        for words in (each.text for each in found.all("li", class_="tile"))
    }
    assert tiles.pop("rows read") == told["counts"]["read"] == sum(tiles.values())
    assert tiles == {name: count for name, count in told["counts"].items() if count and name != "read"}
    assert f"{told['warnings']} of the ready rows has a warning" in found.text
    assert f"under a minute, {told['forecast']['total']} calls" in found.text
    assert [each.text.split()[2] for each in found.all("summary")[1:]] == ["V341", "V304", "V311"]  # warnings apart


def test_preview_html_tells_what_an_approver_needs(tmp_path: Path) -> None:
    """File, sheet, plan, digest, preparer, time, environment and the exact commands stand in it."""
    found = page(tmp_path, a_plan(), LINK, Beside(valid_until="2026-01-06T20:00:00Z"))
    facts = dict(zip((each.text for each in found.all("dt")), (each.text for each in found.all("dd")), strict=True))
    assert facts["File"] == "tasks-nightly.xlsx 1 B"
    assert (facts["Sheet"], facts["Plan"], facts["Digest"]) == ("Tasks", "p-0001", "7f3a-91c2")
    assert (facts["Prepared by"], facts["Made at"]) == ("anna", "2026-01-05 20:00 UTC")
    assert (facts["Environment"], facts["Valid until"]) == ("tasks at sandbox:w1", "2026-01-06 20:00 UTC")
    assert [each.text for each in found.all("pre")] == [
        'importer approve p-0001 --comment "…"',
        "importer run p-0001 --sandbox",
    ]
    assert [each.attributes["href"] for each in found.all("a")] == [LINK]
    assert "Billing ✔ open 9 3 1 3 1 7" in section(found, "Queues")


def test_preview_html_lists_what_would_be_created(tmp_path: Path) -> None:
    """Every ready row stands there with what is sent; each other one with the reason."""
    found = page(tmp_path, a_plan())
    created = section(found, "Rows that would be created 3")
    assert "2 ✔ ready EXT-0002 Billing 50 email Task of line 2 language: de" in created
    assert "3 ▲ ready, warning EXT-0003" in created
    kept = section(found, "Rows that would not be sent 5")
    assert "4 • existing EXT-0004 Billing task task-9" in kept
    assert "9 ✖ invalid EXT-0009 Billing V311: The description is blank. V304: Priority 150 is outside 0–99." in kept


def test_preview_html_tells_fixes_and_what_was_left_out(tmp_path: Path) -> None:
    """Who changed what from what, which rows were left out and why, and what differs from last time."""
    beside = Beside(changes=[Change("Rows read", "1,000", "9")], last_plan="p-0000")
    rows = [*a_plan(), replace(planned(20, Verdict.SKIPPED), findings=(finding("P701", line=20, reason="not ours"),))]
    fixes = (Fix(2, 3, "", "Refund"), *(Fix(line, 1, "Biling", "Billing") for line in range(2, 314)))
    made = preview(rows, fixes=fixes)
    made = replace(made, about=replace(made.about, fixed=(Fixed(2, 3, "ben", "2026-01-05T19:00:00Z"),)))
    found = read(write_preview_html(tmp_path, made, again(rows), RATE, "", beside).read_text("utf-8"))
    fixed = section(found, "Fixes made in 313 cells")
    assert "Tasks!D2 Description (blank) Refund ben 2026-01-05 19:00 UTC" in fixed
    assert "312 cells, the first Tasks!B2 Queue Biling Billing –" in fixed
    assert "6 EXT-0006 no reason was given 20 EXT-0020 not ours" in section(found, "Left out 2 rows")
    assert "Rows read 1,000 9" in section(found, "Against the last plan of this kind (p-0000)")


def test_preview_html_tells_warnings_on_the_whole_file_with_the_others(tmp_path: Path) -> None:
    """What was assumed and wants a look stands among the warnings, what is only noted at the end."""
    found = page(tmp_path, a_plan())
    assert "F204 Hidden sheets that were not read" in section(found, "Warnings")
    assert "H304" in section(found, "How the file was read")
    assert "F204" not in section(found, "How the file was read")


def test_preview_html_without_a_ready_row_has_nothing_to_approve(tmp_path: Path) -> None:
    """No command is shown where nothing would be sent."""
    found = page(tmp_path, [planned(2, Verdict.INVALID, wrong(2))])
    assert "there is nothing to approve" in found.text
    assert not found.all("pre")


def test_preview_html_policy_allows_its_own_style_alone(tmp_path: Path) -> None:
    """The policy forbids everything but the style sheet inside, which has the hash that it names."""
    path = write_preview_html(tmp_path, preview(a_plan()), again(a_plan()), RATE)
    html = path.read_text("utf-8")
    (style,) = re.findall("<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = read(html).one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    assert policy.split("; ")[:3] == ["default-src 'none'", f"style-src 'sha256-{digest}'", "img-src data:"]


@pytest.mark.parametrize("link", ["", LINK, "javascript:alert(1)", '"><script>x</script>'])
def test_preview_html_hostile_texts_stay_text(tmp_path: Path, link: str) -> None:
    """Whatever cells, headings, queues, fixes and names say: nothing runs, loads or leads elsewhere, and no mark-up comes of it."""
    texts = hostile(400)
    made = (planned(line, Verdict.INVALID, wrong(line, text)) for line, text in enumerate(texts, 2))
    rows = [replace(row, external_id=text, queue=text, task_id=text) for row, text in zip(made, texts, strict=True)]
    for line, text in enumerate(texts[:150], 1000):
        ready = planned(line)
        payload = {
            **(ready.payload or {}),
            "type": text,
            "description": text,
            text: text,
            "customAttributes": {text: text},
        }
        rows.append(replace(ready, payload=payload, external_id=text, queue=text))
    rows += [replace(planned(line, Verdict.SKIPPED), external_id=text) for line, text in enumerate(texts[:150], 2000)]
    beside = Beside(
        "<b>", dict(zip(range(2000, 2150), texts[150:300], strict=True)), [Change(text, text, text) for text in texts], texts[0],
    )  # fmt: skip
    fixes = tuple(Fix(line, line, text, text + "!") for line, text in enumerate(texts[:150]))
    queues = tuple({**preview(rows).head.queues[0], "queue": text, "status": text} for text in texts[:200])
    told = tuple(finding("H304", count=1, headings=text) for text in texts)
    found = page(
        tmp_path, rows, link, beside, sheet=texts[3], headings=texts, fixes=fixes, findings=told, queues=queues, encoding=texts[4],
        matched={"external_id": texts[5], **dict.fromkeys(texts, texts[6])}, environment=Environment("tasks", texts[7], "c"),
    )  # fmt: skip
    assert found.dangers() == [*MEANT, *([f"href={LINK}"] if link == LINK else [])]
    assert {each.tag for each in found.elements} <= {
        "(page)", "html", "head", "meta", "link", "title", "style", "body", "header", "div", "p", "span", "main", "h1", "h2", "bdi",
        "section", "dl", "dt", "dd", "code", "strong", "time", "ul", "li", "figure", "figcaption", "svg", "rect", "line", "text",
        "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "caption", "pre", "br", "a", "del", "ins",
    }  # fmt: skip


@pytest.mark.parametrize("name", FILE_NAMES)
def test_preview_html_file_names_are_text(tmp_path: Path, name: str) -> None:
    """A file's name is shown and is neither mark-up nor a path of the report."""
    made = replace(preview(a_plan()), about=replace(preview(a_plan()).about, source=f"/data/{name}"))
    path = write_preview_html(tmp_path, made, again(a_plan()), RATE)
    assert path == tmp_path / "preview.html"
    assert read(path.read_text("utf-8")).dangers() == MEANT


def test_preview_html_same_input_gives_same_bytes(tmp_path: Path) -> None:
    """Written twice, the file is the same."""
    one, two = (
        write_preview_html(tmp_path / name, preview(a_plan()), again(a_plan()), RATE, LINK).read_bytes()
        for name in "ab"
    )
    assert one == two


def many(count: int) -> Iterator[PlanRow]:
    """Rows of every verdict, one after the other."""
    for line in range(2, count + 2):
        if line % 4 == 0:
            yield planned(line, Verdict.INVALID, wrong(line, str(line)))
        elif line % 10 == 1:
            yield planned(line, Verdict.DUPLICATE, finding("D401", line=line, first=2, value="EXT-0002"))
        else:
            yield planned(line)


def test_preview_html_of_many_rows_is_small_and_says_what_is_missing(tmp_path: Path) -> None:
    """100,000 rows make a file below 400 KB that lists the first of each kind and counts the others."""
    head = preview(list(many(1000)), counts={"read": 100_000, "ready": 67_500, "invalid": 25_000, "duplicate": 7_500, "existing": 0, "skipped": 0})  # fmt: skip
    path = write_preview_html(tmp_path, head, lambda: many(100_000), RATE)
    assert path.stat().st_size < BYTES_MOST
    found = read(path.read_text("utf-8"))
    assert "These are the first 200 of 67,500; 67,300 more are in preview.xlsx, sheet Rows." in found.text
    shown, more = re.findall(r"first ([\d,]+) of 32,500; ([\d,]+) more", found.text)[0]
    assert int(shown.replace(",", "")) + int(more.replace(",", "")) == 32_500
    assert int(shown.replace(",", "")) > 900


def test_plan_view_does_not_grow_with_the_rows() -> None:
    """Ten times the rows keep the memory of the view as it was, long cells included."""

    def peak(count: int) -> int:
        rows = (replace(row, queue="q" * 5000) if row.payload is None else row for row in many(count))
        tracemalloc.start()
        view = plan_view(preview([planned(2)]), rows, RATE)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert view.problems
        return used

    assert peak(30_000) < peak(3_000) * 1.2


def test_plan_view_lists_no_rows_where_a_page_has_them() -> None:
    """With no room for rows none are kept, and everything else is told."""
    view = plan_view(preview(a_plan()), a_plan(), RATE, ready_most=0, problems_most=0)
    assert (view.ready, view.problems, view.warned) == ((), (), ())
    assert sum(rows for _, rows in view.priorities) == 3
    assert view.not_sent == 5


def test_plan_view_reads_workitems_too() -> None:
    """A workitem's name and description are its text; its priority stands at the top of its payload."""
    payload = {"externalTag": "E", "name": "Refund", "description": "Twice", "priority": 7, "dateDue": "2026-12-18", "customFields": {"a": 1}}  # fmt: skip
    view = plan_view(preview(a_plan()), [replace(planned(2), payload=payload)], RATE)
    (row,) = view.ready
    assert (row.text, row.priority, row.rest) == ("Refund\nTwice", "7", "dateDue: 2026-12-18; a: 1")


def test_preview_html_about_has_no_time_of_its_own(tmp_path: Path) -> None:
    """The only times in the file are those of the plan."""
    made = preview(a_plan())
    other = replace(made, about=About(**{**{name: getattr(made.about, name) for name in ("plan", "digest", "source", "preparer", "version")}, "made_at": "2020-01-01T00:00:00Z"}))  # fmt: skip
    found = read(write_preview_html(tmp_path, other, again(a_plan()), RATE).read_text("utf-8"))
    assert {each.attributes["datetime"] for each in found.all("time")} == {"2020-01-01T00:00:00Z"}
