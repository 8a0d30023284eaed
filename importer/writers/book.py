"""Book: a workbook in the house style, written in constant memory. No user text becomes a formula, a link or a number."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from importer.core.report import ICONS
from importer.writers.text import visible

ROWS_MOST = 1_048_576
"""Rows of an Excel sheet; a longer one goes on in the next."""
WIDEST = 60

LOOKS = {
    "good": {"bg_color": "#CEF0E6", "font_color": "#044834"},
    "look": {"bg_color": "#FEF4D8", "font_color": "#5A4712"},
    "bad": {"bg_color": "#F9D3DA", "font_color": "#8A1029", "bold": True},
    "same": {"bg_color": "#DCE3F5", "font_color": "#263B73", "italic": True},
    "header": {
        "bold": True,
        "font_color": "#FFFFFF",
        "bg_color": "#1F3864",
        "text_wrap": True,
        "valign": "top",
        "border": 1,
    },
    "title": {"bold": True, "font_size": 16, "font_color": "#1F3864"},
    "part": {"bold": True, "font_size": 12, "font_color": "#1F3864"},
    "label": {"bold": True, "valign": "top"},
    "text": {"num_format": "@", "valign": "top"},
    "wrap": {"num_format": "@", "valign": "top", "text_wrap": True},
    "number": {"num_format": "#,##0", "valign": "top"},
    "share": {"num_format": "0.0%", "valign": "top"},
    "total": {"bold": True, "num_format": "#,##0", "top": 1},
    "command": {"font_name": "Consolas", "bg_color": "#F0F1F5", "num_format": "@"},
}
LOOK_OF = {
    "ready": "good", "created": "good", "existing": "same", "skipped": "same", "duplicate": "look", "unknown": "look",
    "not_sent": "look", "invalid": "bad", "failed": "bad", "error": "bad", "warning": "look", "note": "same",
}  # fmt: skip


@dataclass(slots=True)
class Book:
    """The open workbook and its formats by name."""

    workbook: Any
    formats: dict[str, Any]
    footer: str

    def sheet(self, name: str) -> Any:
        """A bare worksheet, ready to print: landscape, one page wide."""
        sheet = self.workbook.add_worksheet(name)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.set_footer(f"&L{self.footer}&R&P / &N")
        return sheet

    def table(self, name: str, columns: Sequence["Column"], frozen: int = 0) -> "TableSheet":
        """A sheet that is one table."""
        return TableSheet(self, name, list(columns), frozen)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table sheet."""

    heading: str
    width: int = 14
    look: str = "text"


@contextmanager
def book(path: Path, footer: str, properties: dict[str, str]) -> Iterator[Book]:
    """A new workbook at `path`."""
    import xlsxwriter

    options = {
        "constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
        "nan_inf_to_errors": True,
    }  # fmt: skip
    workbook = xlsxwriter.Workbook(str(path), options)
    workbook.set_properties({name: visible(text) for name, text in properties.items()})
    formats = {name: workbook.add_format(look) for name, look in LOOKS.items()}
    # `&` begins a code in a footer.
    yield Book(workbook, formats, visible(footer).replace("&", "&&")[:200])
    workbook.close()


@dataclass(slots=True)
class TableSheet:
    """Rows below a header. Writes in order; goes on in `Name 2` where a sheet is full."""

    book: Book
    name: str
    columns: list[Column]
    frozen: int  # columns that stay in view
    _sheet: Any = None
    _row: int = ROWS_MOST
    _number: int = 0
    _sheets: list[tuple[Any, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._begin()

    def add(self, cells: Sequence[Any], looks: dict[int, str] | None = None) -> None:
        """One row: texts as text, numbers as numbers, None as nothing. `looks` names other formats by column."""
        if self._row >= ROWS_MOST:
            self._begin()
        for index, cell in enumerate(cells):
            look = looks.get(index) if looks else None
            self._write(index, cell, self.book.formats[look or self.columns[index].look])
        self._row += 1

    def _write(self, index: int, cell: Any, look: Any) -> None:
        if cell is None or cell == "":
            return
        if isinstance(cell, str):
            self._sheet.write_string(self._row, index, visible(cell), look)
        else:
            self._sheet.write_number(self._row, index, cell, look)

    def exactly(self, cells: Sequence[str]) -> None:
        """One row of texts that are to be read back as they are."""
        if self._row >= ROWS_MOST:
            self._begin()
        for index, cell in enumerate(cells):
            if cell:
                self._sheet.write_string(self._row, index, visible(cell, exact=True), self.book.formats["text"])
        self._row += 1

    def end(self) -> None:
        """Sets the filter over what was written."""
        self._note()
        for sheet, rows in self._sheets:
            if self.columns:
                sheet.autofilter(0, 0, max(rows - 1, 0), len(self.columns) - 1)

    def _begin(self) -> None:
        self._note()
        self._number += 1
        self._sheet = self.book.sheet(self.name if self._number == 1 else f"{self.name} {self._number}")
        self._sheet.freeze_panes(1, self.frozen)
        self._sheet.repeat_rows(0)
        for index, column in enumerate(self.columns):
            self._sheet.set_column(index, index, min(column.width, WIDEST))
        self._sheet.set_row(0, 30)
        for index, column in enumerate(self.columns):
            if column.heading:
                self._sheet.write_string(0, index, visible(column.heading, exact=True), self.book.formats["header"])
        self._row = 1

    def _note(self) -> None:
        if self._sheet is not None:
            self._sheets.append((self._sheet, self._row))
            self._sheet = None


def verdict_cell(verdict: str) -> tuple[str, str]:
    """Icon and word, and the look that goes with them: never colour alone."""
    return f"{ICONS[verdict]} {verdict.replace('_', ' ')}", LOOK_OF[verdict]


@dataclass(slots=True)
class Page:
    """A page of labels, texts and small tables, written from top to bottom."""

    book: Book
    sheet: Any
    _row: int = 0

    def title(self, text: str) -> None:
        """The first line."""
        self.sheet.write_string(self._row, 0, visible(text), self.book.formats["title"])
        self._row += 2

    def part(self, text: str) -> None:
        """A heading within the page."""
        self._row += 1
        self.sheet.write_string(self._row, 0, visible(text), self.book.formats["part"])
        self._row += 1

    def fact(self, label: str, value: object, look: str = "text") -> None:
        """A label and what it says."""
        self.sheet.write_string(self._row, 0, visible(label), self.book.formats["label"])
        if isinstance(value, int | float) and not isinstance(value, bool):
            self.sheet.write_number(self._row, 1, value, self.book.formats["number"])
        elif value:
            self.sheet.write_string(self._row, 1, visible(str(value)), self.book.formats[look])
        self._row += 1

    def line(self, cells: Sequence[Any], looks: Sequence[str]) -> None:
        """One line of a small table."""
        for index, (cell, look) in enumerate(zip(cells, looks, strict=True)):
            if isinstance(cell, str):
                self.sheet.write_string(self._row, index, visible(cell), self.book.formats[look])
            elif cell is not None:
                self.sheet.write_number(self._row, index, cell, self.book.formats[look])
        self._row += 1

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[Any]], looks: Sequence[str]) -> None:
        """A small table with its header."""
        self.line(headings, ["header"] * len(headings))
        for row in rows:
            self.line(row, looks)


def books_table(page: Page, counts: dict[str, int]) -> None:
    """The books: a line per outcome that is not zero, and the sum, which is the rows read."""
    page.line(["Outcome", "Rows", "Share"], ["header"] * 3)
    read = counts["read"]
    for name, count in counts.items():
        if name != "read" and count:
            word, look = verdict_cell(name)
            page.line([word, count, count / read if read else 0], [look, "number", "share"])
    total = sum(count for name, count in counts.items() if name != "read")
    page.line(["Rows read", total, 1 if total else 0], ["total", "total", "share"])
