"""The parts of a page say what they show in words, to everyone, and take any text for text."""

import pytest

from importer.core.report import Causes, preview_counts
from importer.core.verdicts import Verdict
from tests.hostile import hostile
from tests.markup.page import rendered
from tests.writers.made import a_plan, wrong

COUNTS = preview_counts({Verdict.READY: 980, Verdict.INVALID: 18, Verdict.DUPLICATE: 2})
AFTER = {
    "read": 10, "created": 6, "existing": 1, "failed": 1, "unknown": 0, "not_sent": 0, "invalid": 2, "duplicate": 0, "skipped": 0,
}  # fmt: skip


def test_verdict_is_sign_word_and_colour() -> None:
    """A verdict has its word, its tone, and a sign that is not read aloud."""
    page = rendered("{{ parts.verdict('not_sent') }}")
    badge = page.one("span", class_="badge")
    assert badge.text == "… not sent"
    assert "look" in badge.attributes["class"].split()
    assert page.one("span", **{"aria-hidden": "true"}).text == "…"
    assert rendered("{{ parts.verdict('ready', true) }}").text.strip() == "▲ ready, warning"


@pytest.mark.parametrize("counts", [COUNTS, AFTER], ids=["before", "after"])
def test_tiles_add_up(counts: dict[str, int]) -> None:
    """The tiles' numbers add up to the rows read, and a sentence says so; before sending and after."""
    page = rendered("{{ parts.tiles(counts) }}", counts=counts)
    whole, *shown = [int(each.text.replace(",", "")) for each in page.all("strong")]
    assert whole == sum(shown) == counts["read"]
    assert page.one("p", class_="sum").text.startswith(f"{whole:,} rows read = ")


def test_tiles_tell_warnings_apart() -> None:
    """Ready rows with a warning are told beside the tiles, not as a verdict; a tile may lead to its rows."""
    page = rendered("{{ parts.tiles(counts, 4, {'invalid': '?verdict=invalid'}) }}", counts=COUNTS)
    assert page.one("p", class_="sum").text.endswith("4 of the ready rows have a warning.")
    assert page.one("a", href="?verdict=invalid").text == "18 ✖ invalid"


@pytest.mark.parametrize(
    "source",
    [
        "{{ parts.stacked('Rows by verdict', counts) }}",
        "{{ parts.histogram('Priorities', charts.bins({1: 2, 50: 9})) }}",
        "{{ parts.bars('Queues', [('Billing', 9), ('Claims', 1, 'bad')]) }}",
    ],
)
def test_charts_have_their_numbers_as_a_table(source: str) -> None:
    """A chart is an image with a title, and a table with headings has its numbers."""
    page = rendered(source, counts=COUNTS)
    images = page.all("svg", role="img")
    assert images
    assert all(title.text for title in page.all("title"))
    assert len(page.all("title")) == len(images)
    assert len(page.all("table")) == 1
    assert len(page.all("th", scope="col")) >= 2
    assert page.all("th", scope="row")


def test_stacked_title_says_the_books() -> None:
    """Who cannot see the bar reads its numbers."""
    page = rendered("{{ parts.stacked('Rows by verdict', counts) }}", counts=COUNTS)
    assert page.one("title").text == "Rows by verdict: 1,000 rows read = 980 ready + 2 duplicate + 18 invalid."


def test_lines_have_titles() -> None:
    """The small line and the step line are images with a title, also without values."""
    page = rendered(
        "{{ parts.sparkline('rows', [1, 2]) }}{{ parts.stepline('Calls', [(0, 1), (9, 5)], unit='calls') }}"
    )
    assert [each.text for each in page.all("title")] == ["rows", "Calls: at most 5 calls"]
    assert rendered("{{ parts.sparkline('x', []) }}").one("polyline").attributes["points"] == ""


def test_causes_are_folded_worst_first() -> None:
    """Each cause is a fold with severity, code, message and rows on it, and the fix and the lines inside."""
    causes = Causes()
    for row in a_plan():
        causes.add(row.findings)
    page = rendered("{{ parts.causes(causes, opened=1, more='?code=') }}", causes=causes.ranked())
    first, *others = page.all("details")
    assert "open" in first.attributes
    assert not [each for each in others if "open" in each.attributes]
    assert page.all("summary")[0].text == "✖ error V304 Priority 150 is outside 0–99. 3 rows like this"
    assert "Lines 7, 8, 9" in first.text
    assert "Type a whole number" in first.text
    assert page.all("a")[0].attributes["href"] == "?code=V304"


def test_queues_tell_state_and_room() -> None:
    """A queue that was not found, one with too little room and one without a limit are told in words."""
    known = {"id": "q", "rows": 9, "ready": 9, "existing": 0, "invalid": 0, "duplicate": 0, "status": "open"}
    table = [
        {**known, "queue": "Billing", "room": 7}, {**known, "queue": "Sales", "room": None, "status": "closed"},
        {**known, "queue": "Nowhere", "room": None, "id": None, "status": None},
    ]  # fmt: skip
    page = rendered("{{ parts.queues(table) }}", table=table)
    assert [row.text for row in page.all("tr")[1:]] == [
        "Billing ✔ open 9 9 0 0 0 ▲ 7: 2 too few", "Sales ▲ closed 9 9 0 0 0 no limit", "Nowhere ✖ not found 9 9 0 0 0 –",
    ]  # fmt: skip


def test_tables_scroll_in_a_box_of_their_own() -> None:
    """A wide table scrolls in a region that has a name and can be reached by the keyboard."""
    page = rendered("{{ parts.queues([]) }}")
    assert page.one("div", class_="box").attributes == {
        "class": "box", "role": "region", "aria-label": "Rows by queue", "tabindex": "0",
    }  # fmt: skip


def test_field_is_tied_to_its_error_and_help() -> None:
    """An input has a label, says that it is wrong, and is described by its error and its help."""
    page = rendered(
        "{{ parts.field('comment', 'Comment', 'a\"b', help='Say why.', error='It is missing.', required=true, maxlength=9) }}"
    )
    given = page.one("input").attributes
    assert page.one("label").attributes["for"] == given["id"]
    assert (given["value"], given["maxlength"], given["aria-invalid"]) == ('a"b', "9", "true")
    told = [page.one("p", id=each).text for each in given["aria-describedby"].split()]
    assert told == ["✖ It is missing.", "Say why."]


@pytest.mark.parametrize("macro", ["area('n', 'L', 'x')", "select('n', 'L', [('x', 'X')], 'x')", "tick('n', 'L')"])
def test_other_inputs_have_labels_and_help(macro: str) -> None:
    """Text areas, choices and boxes to tick are labelled and described alike."""
    page = rendered("{{ parts." + macro[:-1] + ", help='Why.') }}")
    (given,) = [each for each in page.elements if each.attributes.get("name") == "n"]
    assert page.one("label").attributes["for"] == given.attributes["id"]
    assert page.one("p", id=given.attributes["aria-describedby"]).text == "Why."


def test_text_in_inputs_is_what_was_typed() -> None:
    """What stands in an input is the value itself, not its visible form: it is sent back as it is."""
    page = rendered("{{ parts.field('a', 'A', text) }}{{ parts.area('b', 'B', text) }}", text="a\u200bb<i>\n&")
    assert page.one("input").attributes["value"] == "a\u200bb<i>\n&"
    assert page.one("textarea").texts == ["\na\u200bb<i>\n&"]  # a browser drops the first line break


def test_pager_ends_are_no_links() -> None:
    """At either end the button is not a link; in between it says where one is."""
    page = rendered("{{ parts.pager(901, 1000, 3055, '?page=9', none) }}")
    assert [each.attributes["href"] for each in page.all("a")] == ["?page=9"]
    assert "Rows 901–1,000 of 3,055" in page.text


def test_alert_interrupts_only_for_what_is_bad() -> None:
    """A bad message is announced at once, others are read in their turn."""
    assert rendered("{{ parts.alert('bad', 'No.') }}").one("div", role="alert").text == "✖ No."
    assert not rendered("{{ parts.alert('good', 'Yes.') }}").all("div", role="alert")


def test_parts_take_hostile_texts_for_text() -> None:
    """Whatever a label, a message, a value or a heading says, no element or attribute comes of it."""
    texts = hostile(400)
    source = (
        "{% for t in texts %}{{ parts.facts([(t, t)]) }}{{ parts.bars(t, [(t, 1)]) }}{{ parts.alert('bad', t, t) }}"
        "{{ parts.field('n', t, t, help=t, error=t) }}{{ parts.area('m', t, t) }}{{ parts.select('o', t, [(t, t)], t) }}"
        "{{ parts.verdict(t) }}{{ parts.sparkline(t, []) }}{{ parts.csrf_field(t) }}{% call parts.box(t) %}{{ t }}{% endcall %}{% endfor %}"
    )
    page = rendered(source, texts=texts)
    plain = rendered(source, texts=["x"] * len(texts))
    assert page.dangers() == []
    assert [(each.tag, set(each.attributes)) for each in page.elements] == [
        (each.tag, set(each.attributes)) for each in plain.elements
    ]


def test_causes_take_hostile_texts_for_text() -> None:
    """The same for findings, which quote cells."""
    causes = Causes()
    for line, text in enumerate(hostile(300), 2):
        causes.add([wrong(line, text)])
    page = rendered("{{ parts.causes(causes) }}{{ parts.notes(found) }}", causes=causes.ranked(), found=[wrong(2, t) for t in hostile(300)])  # fmt: skip
    assert page.dangers() == []


def test_base_frames_a_page() -> None:
    """A page has a language, a title, a way past the navigation, the place where one is, and who is logged in."""
    page = rendered(
        "{% extends 'base.html' %}{% block title %}Plan{% endblock %}{% block main %}<h1>Plan</h1>{% endblock %}",
        user="anna<b>", role="approver", section="history",
    )  # fmt: skip
    assert page.one("html").attributes == {"lang": "en"}
    assert page.one("title").text == "Plan · Task importer for Genesys Cloud"
    assert page.one("a", class_="skip").attributes["href"] == "#" + page.one("main").attributes["id"]
    assert page.one("a", **{"aria-current": "page"}).text == "History"
    assert page.one("p", class_="who").text == "Logged in as anna<b> approver"
    assert page.all("div", role="status")


def test_base_loads_only_from_here() -> None:
    """Everything that a page loads comes from its own server, and scripts are files."""
    page = rendered("{% extends 'base.html' %}")
    assert all(each.attributes["src"].startswith("/static/") for each in page.all("script"))
    assert all(each.attributes["href"].startswith("/static/") for each in page.all("link"))
