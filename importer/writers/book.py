"""Book: a workbook in the house style, written row by row in constant memory. No text ever becomes a formula or a link."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from importer.writers.files import Draft, written
from importer.writers.style import BASE, NUMERIC, STYLES
from importer.writers.text import label, visible

ROWS_MOST = 1_048_576
COLUMNS_MOST = 16_384
WIDTH_MOST = 60
LINES_MOST, POINTS_A_LINE = 27, 15  # a row has at most 409 points
MEASURED = 1000
"""Columns are as wide as the texts of so many rows."""
CHART_WIDTH, CURVE_LINES, LINE_HEIGHT = 620, 14, 20
"""Pixels, lines, and a line's pixels."""
PAGE_WIDTH = 320
"""Characters of column width that can still be read on one landscape page; wider tables go over more."""


class Styled(NamedTuple):
    """A value with a style of its own."""

    value: str | int | float
    style: str


Cell = str | int | float | Styled | None


@dataclass(frozen=True, slots=True)
class Head:
    """A column: its heading, the style of its cells, and its width where that should not follow its cells."""

    title: str
    style: str = "text"
    width: float = 0.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What a workbook says of itself in its footer and its properties."""

    title: str
    subject: str  # of what: the file's name
    about: str  # the run or the plan, for the footer
    schema: str
    extra: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def book(path: Path, facts: Facts) -> Iterator["Book"]:
    """A workbook that appears at `Book.path` when the block ends well."""
    with written(path) as draft, tempfile.TemporaryDirectory(dir=path.parent, prefix=".xlsx-") as folder:
        made = Book(draft, folder, facts)
        try:
            yield made
            made.close()
        except BaseException:
            made.abandon()
            raise


class Book:
    """A workbook being written. Its mutable state is XlsxWriter's, and `_formats`."""

    def __init__(self, draft: Draft, folder: str, facts: Facts) -> None:
        self._draft = draft
        self._facts = facts
        self._workbook = _workbook(draft.file, folder)
        self._formats: dict[str, Any] = {}
        self._workbook.set_properties(
            {
                "title": label(facts.title, 200),
                "subject": label(facts.subject, 200),
                "comments": label(facts.about, 200),
            }
        )
        for name, value in {"schema": facts.schema, **facts.extra}.items():
            self._workbook.set_custom_property(name, label(value, 250) or "-", "text")

    @property
    def path(self) -> Path:
        """Where the workbook is; final once the block has ended."""
        return self._draft.path

    def style(self, name: str) -> Any:
        """XlsxWriter's format of a style."""
        if name not in self._formats:
            self._formats[name] = self._workbook.add_format({**BASE, **STYLES[name]})
        return self._formats[name]

    def sheet(self, name: str) -> Any:
        """A new worksheet, set up for the printer."""
        sheet = self._workbook.add_worksheet(name)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
        # `&` begins a code, and XlsxWriter trips over a doubled one; a digit right after the size would belong to it.
        texts = (label(text, 60).replace("&", "＆") for text in (self._facts.subject, self._facts.about))
        sheet.set_footer("&L&8 {}&C&8 {}&R&8 page &P of &N".format(*texts))
        return sheet

    def put(self, sheet: Any, row: int, column: int, cell: Cell, style: str = "text") -> None:
        """One cell. Text is always text; a number is a number; None and blank texts leave the cell empty."""
        if isinstance(cell, Styled):
            cell, style = cell
        if cell is None or cell == "":
            return
        found = self._formats.get(style) or self.style(style)
        if not isinstance(cell, str):
            sheet.write_number(row, column, cell, found)
        elif cell[0] == "<":
            self._put_markup(sheet, row, column, visible(cell), found)
        else:
            sheet.write_string(row, column, visible(cell), found)

    def _put_markup(self, sheet: Any, row: int, column: int, text: str, style: Any) -> None:
        if text.startswith("<r>") and text.endswith("</r>"):
            # XlsxWriter takes such a string for its own markup and writes it raw: cells and formulas could be smuggled
            # in. As the fragments of a rich string it is escaped.
            sheet.write_rich_string(row, column, text[:1], text[1:2], text[2:], style)
        else:
            sheet.write_string(row, column, text, style)

    def chart(self, kind: str) -> Any:
        """A new flat chart of XlsxWriter's, to be put on a sheet."""
        return self._workbook.add_chart({"type": kind})

    def define(self, name: str, area: str) -> None:
        """A name for an area."""
        self._workbook.define_name(name, area)

    def close(self) -> None:
        """Puts the workbook together. Raises OSError where the system refuses."""
        from xlsxwriter.exceptions import FileCreateError

        try:
            self._workbook.close()
        except FileCreateError as problem:
            raise _system_error(problem) from problem

    def abandon(self) -> None:
        """Lets go of the temporary files of a workbook that is not to be."""
        self._workbook.fileclosed = True
        for sheet in self._workbook.worksheets():
            with suppress(OSError):  # what could not be written cannot be flushed either
                sheet._opt_close()


def _system_error(problem: Exception) -> OSError:
    """XlsxWriter wraps the system's error in one of its own."""
    inner = problem.args[0] if problem.args else None
    return inner if isinstance(inner, OSError) else OSError(str(problem))


def _workbook(file: BinaryIO, folder: str) -> Any:
    from xlsxwriter import Workbook

    never = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    workbook = Workbook(file, {**never, "constant_memory": True, "tmpdir": folder})
    workbook.use_zip64()
    return workbook


class Grid:
    """A table over a whole sheet: header frozen and filtered, widths by content, on to `NAME 2` where a sheet is full.

    Its mutable state: the current sheet, the next free row, the number of the sheet, the widest text of each column.
    """

    def __init__(
        self,
        made: Book,
        name: str,
        heads: Sequence[Head],
        *,
        freeze: int = 0,
        rows_most: int = ROWS_MOST,
        top: int = 0,  # blank rows above the header, on the first sheet
    ) -> None:
        self._book = made
        self._name = name
        self._heads = list(heads[:COLUMNS_MOST])
        self._freeze = freeze
        self._rows_most = rows_most
        self._top = top
        self._styles = [head.style for head in self._heads]
        self._wrapped = [column for column, style in enumerate(self._styles) if style == "wrap"]
        self._number = 0
        self._widest = [0] * len(self._heads)
        self._begin()

    def add(self, cells: Iterable[Cell]) -> None:
        """The next row. Cells beyond the headings are written too."""
        if self._row >= self._rows_most:
            self.end()
            self._top = 0
            self._begin()
        cells = list(cells)
        if (lines := self._lines(cells)) > 1:
            self._sheet.set_row(self._row, min(lines, LINES_MOST) * POINTS_A_LINE)
        for column, cell in enumerate(cells):
            if cell is None or cell == "":
                continue
            known = column < len(self._styles)
            self._book.put(self._sheet, self._row, column, cell, self._styles[column] if known else "text")
            if known and self._row < MEASURED:
                self._widest[column] = max(self._widest[column], _breadth(cell))
        self._row += 1

    def _lines(self, cells: Sequence[Cell]) -> int:
        """How many lines the row's wrapped texts take: not every program sees to a row's height by itself."""
        most = 1
        for column in self._wrapped:
            text = cells[column] if column < len(cells) else None
            if isinstance(text, str) and text:
                room = int(self._heads[column].width or WIDTH_MOST) - 2
                most = max(most, sum(max(1, -(-len(part) // room)) for part in text.split("\n")))
        return most

    def check(self, column: int, rule: dict[str, Any]) -> None:
        """A rule of XlsxWriter's for what is typed into a column of the current sheet, once its rows are in."""
        top = self._top
        self._sheet.data_validation(top + 1, column, max(self._row - 1, top + 1), column, rule)

    def end(self) -> None:
        """Sets widths and filter. Call it once all rows are in."""
        widths = [
            head.width or min(max(widest + 2, _heading_breadth(head.title), 8), WIDTH_MOST)
            for head, widest in zip(self._heads, self._widest, strict=True)
        ]
        for column, (head, width) in enumerate(zip(self._heads, widths, strict=True)):
            self._sheet.set_column(column, column, width, self._book.style(head.style))
        self._sheet.fit_to_pages(1 + int(sum(widths)) // PAGE_WIDTH, 0)
        if self._heads:
            top = self._top
            self._sheet.autofilter(top, 0, max(self._row - 1, top + 1), len(self._heads) - 1)

    def _begin(self) -> None:
        self._number += 1
        self._sheet = self._book.sheet(self._name if self._number == 1 else f"{self._name} {self._number}")
        top = self._top
        self._sheet.freeze_panes(top + 1, self._freeze)
        self._sheet.repeat_rows(top)
        for column, head in enumerate(self._heads):
            self._book.put(self._sheet, top, column, head.title, "header_right" if head.style in NUMERIC else "header")
        self._row = top + 1

    @property
    def line(self) -> int:
        """The line (1-based) that the next row will have on its sheet."""
        return self._row + 1


def _breadth(cell: Cell) -> int:
    value = cell.value if isinstance(cell, Styled) else cell
    if not isinstance(value, str):
        return len(f"{value:,}")
    first = max(value[:400].split("\n"), key=len)
    return len(first) + sum(character > "\u2e7f" for character in first)  # East Asian characters take two places


def _heading_breadth(title: str) -> int:
    """Room for the longest word and for half the heading: it may wrap once; and for the filter's button."""
    words = title[:200].split() or [""]
    return max(*(len(word) for word in words), (len(title) + 1) // 2 if len(title) > 16 else len(title)) + 4


class Bar(NamedTuple):
    """A bar of a chart: the name and the number of its line in the table, and the style whose colour it has."""

    name: str
    number: int
    style: str


class Page:
    """A sheet of facts and small tables, written from top to bottom. Its mutable state: the next free row."""

    def __init__(self, made: Book, name: str, widths: Sequence[float]) -> None:
        self._book = made
        self._sheet = made.sheet(name)
        self._sheet.hide_gridlines(2)
        for column, width in enumerate(widths):
            self._sheet.set_column(column, column, width)
        self._row = 0

    def title(self, text: str) -> None:
        """The first line."""
        self._sheet.set_row(self._row, 24)
        self._line((Styled(label(text), "title"),))
        self.gap()

    def heading(self, name: str, *columns: str, after: str = "") -> None:
        """The beginning of a part: its name, the headings of its columns of numbers, and what stands beside them."""
        self.gap()
        right = (Styled(label(text), "heading_right") for text in columns)
        self._line((Styled(label(name), "heading"), *right, Styled(label(after), "heading_note")))

    def line(self, *cells: Cell) -> None:
        """A line of a small table; text is made one line."""
        self._line(label(cell) if isinstance(cell, str) else cell for cell in cells)

    def fact(self, name: str, value: object, style: str = "text") -> None:
        """A name and its value. A blank value is left out."""
        text = label(str(value), 32_000)
        if text:
            self._line((Styled(name, "key"), Styled(text, style)))

    def note(self, text: str, style: str = "plain") -> None:
        """A sentence over the whole width."""
        self._line((Styled(label(text, 32_000), style),))

    def gap(self) -> None:
        """A blank line."""
        self._row += 1

    @property
    def row(self) -> int:
        """The row (0-based) that is written next: a table that begins here can be drawn once it is written."""
        return self._row

    def bars(self, title: str, bars: Sequence[Bar], first: int) -> None:
        """A chart of the table whose first line is at row `first`: a bar for each line, names in column A, numbers in B."""
        chart = self._book.chart("bar")
        points = [{"fill": {"color": STYLES[bar.style]["font_color"]}} for bar in bars]
        series = self._series(first, [bar.name for bar in bars], [bar.number for bar in bars])
        chart.add_series({**series, "points": points, "gap": 40, "data_labels": {"value": True}})
        chart.set_y_axis({"reverse": True, "line": {"none": True}, "major_tick_mark": "none"})
        chart.set_x_axis({"visible": False, "major_gridlines": {"visible": False}, "min": 0})
        told = ", ".join(f"{bar.name} {bar.number:,}" for bar in bars)
        self._draw(chart, title, told, self._row + 1, 0, len(bars) + 2)
        self._row += len(bars) + 3

    def curve(self, title: str, names: Sequence[str], numbers: Sequence[int], first: int) -> None:
        """A line over the table of numbers whose first line is at row `first`, drawn to the right of it."""
        chart = self._book.chart("line")
        color = STYLES["calm"]["font_color"]
        chart.add_series({**self._series(first, names, numbers), "line": {"color": color, "width": 2}})
        chart.set_y_axis({"min": 0, "major_gridlines": {"visible": True, "line": {"color": "#DDDDDD"}}})
        chart.set_x_axis({"interval_unit": -(-len(names) // 8), "label_position": "low"})
        told = f"from {min(numbers):,} to {max(numbers):,}, {names[0]} to {names[-1]}"
        self._draw(chart, title, told, first, 3, CURVE_LINES)
        self._row = max(self._row, first + CURVE_LINES + 1)

    def _series(self, first: int, names: Sequence[str], numbers: Sequence[int]) -> dict[str, Any]:
        name, last = self._sheet.get_name(), first + len(names) - 1
        # The data stand in the chart too: who shows it without calculating has nothing else.
        return {
            "categories": [name, first, 0, last, 0], "categories_data": list(names),
            "values": [name, first, 1, last, 1], "values_data": list(numbers),
        }  # fmt: skip

    def _draw(self, chart: Any, title: str, told: str, row: int, column: int, lines: int) -> None:
        chart.set_title({"name": title, "name_font": {"size": 11, "color": "#1F3864"}, "overlay": False})
        chart.set_legend({"none": True})
        chart.set_size({"width": CHART_WIDTH, "height": lines * LINE_HEIGHT})
        self._sheet.insert_chart(row, column, chart, {"description": f"{title}: {told}", "object_position": 1})

    def _line(self, cells: Iterable[Cell]) -> None:
        for column, cell in enumerate(cells):
            self._book.put(self._sheet, self._row, column, cell)
        self._row += 1
