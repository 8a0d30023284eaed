"""Reads CSV text: encoding, delimiter, records and their line numbers. Knows nothing of headings."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, islice, repeat
from operator import itemgetter
from typing import BinaryIO, NamedTuple, Never

from importer.core.errors import FileRefused
from importer.core.file_limits import FileLimits, beyond
from importer.core.findings import Finding, finding
from importer.core.rows import Line, Row, Sheet
from importer.ports import Reading, ReadOptions
from importer.sources.sniff import bom

MAX_LINE = 16 * 1024 * 1024
"""Characters between two line breaks."""

SAMPLED = 200
"""So many records decide about the delimiter."""

_BLOCK = 256 * 1024  # bytes read at a time
_HEAD = 1024 * 1024  # bytes in which the records for the delimiter are looked for
_GUESSED = 32 * 1024  # bytes of lines beyond ASCII that decide about the encoding
_BATCH = 512  # records read at a time

_NO_DELIMITER = "\x1f"  # csv.reader wants one; a control character that no text of one column holds
_END = "\udcff"  # comes after the last line; cannot be in a file, because strict decoding never gives half a surrogate

_RARE = frozenset(  # close to usual encodings, and hardly met in a spreadsheet
    [
        *("iso8859_3", "iso8859_4", "iso8859_10", "iso8859_13", "iso8859_14", "iso8859_16", "kz1048", "ptcp154"),
        *("mac_cyrillic", "mac_greek", "mac_turkish", "mac_croatian", "mac_romanian"),
    ]
)

_row = partial(tuple.__new__, Row)  # from one sequence of Row's five parts; spares the call of a Python function a row


class _Survey(NamedTuple):
    """What one pass over the whole file in one encoding finds."""

    has_nul: bool = False
    problem: str | None = None  # why the bytes do not fit the encoding


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How the text falls into cells."""

    delimiter: str | None  # None: one column
    skip_blanks: bool = False  # blanks before a quote are no part of the cell
    declared: bool = False  # by a line `sep=;`
    records: int = 0  # that were looked at


def preload(file: BinaryIO) -> None:
    """Imports what a guess of the encoding needs, if one will be needed: it tries dozens of codecs, each a module."""
    marked = bom(_head(file, 4))
    if marked is not None:
        codecs.lookup(marked)  # imports the module of that codec
        return
    if _survey(file, "utf-8").problem is None:
        return
    import encodings
    import importlib
    import pkgutil
    from contextlib import suppress

    import charset_normalizer

    charset_normalizer.from_bytes("Grüße aus Köln, müde Bären".encode("cp1252"))  # it imports more when first used
    for module in pkgutil.iter_modules(encodings.__path__):
        with suppress(ImportError):  # some exist for one operating system only
            importlib.import_module(f"encodings.{module.name}")


def read(file: BinaryIO, options: ReadOptions) -> Reading:
    """Begins to read `file`, which must be seekable; the rows are streamed, and memory does not grow with their number.

    Passes over the whole file once before, so that no byte that does not fit the encoding is met half-way.
    Raises FileRefused, here or while iterating: F111 NUL, F112 limits, F114 open quote, F115 encoding.
    """
    encoding, has_nul, findings = _encoding(file)
    dialect = _dialect(_head_text(file, encoding))
    if dialect.delimiter not in (None, ",") and not dialect.declared:
        findings.append(finding("F209", delimiter=_named(dialect.delimiter), records=dialect.records))
    reading = Reading(Sheet("csv", None, encoding, dialect.delimiter), iter(()), findings)
    reading.rows = _Records(file, encoding, dialect, findings, options.file_limits).rows()
    if has_nul:
        _refuse_nul(reading.rows)
    return reading


# The encoding


def _encoding(file: BinaryIO) -> tuple[str, bool, list[Finding]]:
    """Its name, whether the text has NULs, and what to say about it."""
    marked = bom(_head(file, 4))
    survey = _survey(file, marked or "utf-8")
    if survey.problem is None:
        return marked or "utf-8", survey.has_nul, []
    if marked is not None or _is_mostly_utf8(file):
        shown = (marked or "utf-8").upper().removesuffix("-SIG")
        raise FileRefused(finding("F115", encoding=shown, problem=survey.problem))
    for guess in _guesses(_sample(file)):
        survey = _survey(file, guess)
        if survey.problem is None:
            return guess, survey.has_nul, [finding("F201", encoding=guess)]
    raise AssertionError("latin-1 decodes everything")


def _survey(file: BinaryIO, encoding: str) -> _Survey:
    """Decodes the whole file once. Raises FileRefused where a line is too long to be read into memory."""
    decoder = codecs.getincrementaldecoder(encoding)()
    has_nul, line, lines = False, 0, 1
    for block in chain(_blocks(file), [b""]):
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeError as error:
            return _Survey(has_nul, _decoding_problem(error, lines, block))
        has_nul = has_nul or "\0" in text
        line, breaks = _open_line(text, line)
        lines += breaks
    return _Survey(has_nul)


def _open_line(text: str, before: int) -> tuple[int, int]:
    """Characters of the line that is open after `text`, and line breaks in it. `before` were open before it."""
    breaks = text.count("\n") or text.count("\r")
    last = max(text.rfind("\n"), text.rfind("\r")) if breaks else -1
    first = len(text) if last < 0 else min(at for at in (text.find("\n"), text.find("\r")) if at >= 0)
    if before + first > MAX_LINE:
        raise beyond(f"a line has more than {MAX_LINE:,} characters")
    return (before + len(text) if last < 0 else len(text) - last - 1), breaks


def _decoding_problem(error: UnicodeError, lines: int, block: bytes) -> str:
    if not isinstance(error, UnicodeDecodeError):
        return str(error)
    if not block:
        return "the last character is cut off"
    before = error.object[: error.start]
    line = lines + (before.count(b"\n") or before.count(b"\r"))
    return f"byte 0x{error.object[error.start]:02X} at line {line} of the file"


def _is_mostly_utf8(file: BinaryIO) -> bool:
    """Whether the file is UTF-8 with some damage. Any other encoding would garble what is right in it."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    right = wrong = 0
    for block in _blocks(file):
        if not block.isascii():
            text = decoder.decode(block)
            broken = text.count("\ufffd")
            wrong += broken
            right += len(text) - len(text.encode("ascii", "ignore")) - broken
    return right > wrong


def _sample(file: BinaryIO) -> bytes:
    """Lines with bytes beyond ASCII, from wherever they are: the first kilobytes of a table often have none."""
    sample: list[bytes] = []
    size = 0
    for block in _blocks(file):
        if block.isascii():
            continue
        for line in block.splitlines():
            if not line.isascii():
                sample.append(line[:_GUESSED])
                size += len(line)
        if size >= _GUESSED:
            break
    return b"\n".join(sample)[:_GUESSED]


def _guesses(sample: bytes) -> list[str]:
    """Encodings to try, the likeliest first. Below 16 bytes beyond ASCII, a statistic is worth less than the habit."""
    guess = _japanese(sample) or _guess(sample)
    habits = ["windows-1252", guess] if sum(byte > 0x7F for byte in sample) < 16 else [guess, "windows-1252"]
    return [*habits, "iso-8859-1"]


def _japanese(sample: bytes) -> str | None:
    """Japanese always has kana and in no other encoding do its bytes give many; charset-normalizer often takes it for Korean."""
    for encoding in ("cp932", "euc_jp"):
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(sample)  # may end within a character
        except UnicodeDecodeError:
            continue
        beyond = [char for char in text if char > "\x7f"]
        if sum("\u3041" <= char <= "\u30fe" for char in beyond) > 0.2 * len(beyond):
            return encoding
    return None


def _guess(sample: bytes) -> str:
    """What charset-normalizer takes it for; a usual encoding before a rare one that it finds a little likelier."""
    import charset_normalizer

    found = [match.encoding for match in charset_normalizer.from_bytes(sample) if not match.encoding.startswith("utf")]
    if not found or _looks_western(sample, found[0]):
        return "windows-1252"
    return next((encoding for encoding in found if encoding not in _RARE), found[0])


def _looks_western(sample: bytes, guess: str) -> bool:
    """Whether Windows-1252 is as good as the guess, which often is a rare relative such as cp1257 or Mac Roman.

    True where the bytes beyond ASCII are few and stand for letters of western languages or for typographic signs.
    """
    if guess in ("cp1252", "latin_1", "iso8859_15"):
        return True
    high = [byte for byte in sample if byte > 0x7F]
    letters = sum(chr(byte).isalpha() for byte in sample if byte < 0x80)
    usual = sum(chr(byte) in "ÄÖÜäöüßàâáãåæçèéêëìíîïñòóôõøùúûÀÂÁÅÆÇÈÉÊËÍÑÓÔØÚ«»¿¡£§©°" for byte in high)
    usual += sum(byte in b"\x80\x84\x85\x91\x92\x93\x94\x96\x97\xa0" for byte in high)
    return len(high) < 0.25 * letters and usual >= 0.97 * len(high)


# The delimiter


def _dialect(head: str) -> _Dialect:
    """The delimiter that gives the most records of equal width, the widest among equals."""
    if declared := _declared(re.split(r"[\r\n]", head, maxsplit=1)[0]):
        return _Dialect(declared, declared=True)
    best, score = _Dialect(None), (0.0, 0)
    for delimiter in ",;\t|":
        skips = re.search(rf'{re.escape(delimiter)} +"[^"\r\n{re.escape(delimiter)}]', head) is not None
        widths = _widths(head, delimiter, skip_blanks=skips) or _blank_widths(head, delimiter)
        if (found := _consistency(widths)) > score:
            best, score = _Dialect(delimiter, skips, records=len(widths)), found
    return best


def _declared(line: str) -> str | None:
    """The delimiter of a first line such as `sep=;`, with which a file tells Excel."""
    match = re.fullmatch(r'"?sep=(\\t|[^"])"?[ ,;]*', line, re.IGNORECASE)
    return match[1].replace("\\t", "\t") if match else None


def _blank_widths(head: str, delimiter: str) -> list[int]:
    """The same of records that are all blank: a table of delimiters alone is no table of one column."""
    csv.field_size_limit(MAX_LINE)
    return list(islice(map(len, csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)), SAMPLED))


def _widths(head: str, delimiter: str, *, skip_blanks: bool) -> list[int]:
    """Cells of the first records. One that the head may have cut through is left out where there are others."""
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter, skipinitialspace=skip_blanks)
    csv.field_size_limit(MAX_LINE)
    widths = list(islice((len(record) for record in reader if any(map(str.strip, record))), SAMPLED))
    return widths[:-1] if 1 < len(widths) < SAMPLED and len(head) >= _HEAD // 4 else widths


def _consistency(widths: list[int]) -> tuple[float, int]:
    """The share of records that have the commonest width, and that width; (0, 0) where nothing is delimited.

    A tenth is added where the first record is delimited too: most often it is the header, and commas in texts are none.
    """
    if not widths:
        return 0.0, 0
    width, times = max(Counter(widths).items(), key=lambda each: (each[1], each[0]))
    if width == 1 and widths[0] > 1:
        width, times = widths[0], widths.count(widths[0])
    return (times / len(widths) + 0.1 * (widths[0] > 1), width) if width > 1 else (0.0, 0)


def _named(delimiter: str | None) -> str:
    return {"\t": "tab", ";": "semicolon (;)", "|": "bar (|)"}.get(delimiter or "", str(delimiter))


# The records


class _Records:
    """The records of one file as rows. State: `_line`, records before this batch; `_at`, physical lines before it; `_size` of the next."""

    def __init__(
        self, file: BinaryIO, encoding: str, dialect: _Dialect, findings: list[Finding], limits: FileLimits
    ) -> None:
        file.seek(0)
        text = io.TextIOWrapper(file, encoding, newline="")  # keeps line breaks in cells as they are
        self._line = 0
        self._at = int(dialect.declared and bool(text.readline()))
        self._skipped = self._at
        self._limits = limits
        self._size = 1
        csv.field_size_limit(MAX_LINE if limits.cell is None else limits.cell)
        delimiter = dialect.delimiter or _NO_DELIMITER
        lines = chain(text, [_END])
        self._reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=dialect.skip_blanks, strict=False)
        self._findings = findings
        self._blanks = 0

    def rows(self) -> Iterator[Row]:
        """Rows one by one; all the work is done by the batch."""
        return chain.from_iterable(self._batches())

    def _batches(self) -> Iterator[Iterable[Row]]:
        more = True
        while more:
            batch = self._next()
            more = not (batch and batch[-1] and batch[-1][-1].endswith(_END))
            if not more:
                self._close(batch)
            if batch:
                yield self._numbered(batch)
        if self._blanks:
            self._findings.append(finding("F202", count=self._blanks))

    def _next(self) -> list[list[str]]:
        batch: list[list[str]] = []
        try:
            batch.extend(islice(self._reader, self._size))  # keeps the records before an error
        except csv.Error as error:
            self._refuse(batch, error)
        self._size = min(2 * self._size, _BATCH)  # small at first: 512 records of a million columns would not fit
        columns = self._limits.columns
        if batch and columns is not None and max(map(len, batch)) > columns:
            raise beyond(f"a row has {max(map(len, batch)):,} columns, more than {columns:,}", "columns")
        return batch

    def _close(self, batch: list[list[str]]) -> None:
        """Takes the end mark off. If it is not a record of its own, a quote has swallowed it, and all before it."""
        if batch.pop() != [_END]:
            raise FileRefused(finding("F114", line=self._line + len(batch) + 1))

    def _refuse(self, batch: list[list[str]], error: csv.Error) -> Never:
        line = self._line + len(batch) + 1
        begun = self._at + sum(1 + _breaks(record) for record in batch)
        if self._skipped + self._reader.line_num > begun + 1:  # one cell over many lines: hardly meant
            raise FileRefused(finding("F114", line=line)) from error
        problem = f"a cell in line {line} has more than {csv.field_size_limit():,} characters"
        raise beyond(problem, "cell") from error

    def _numbered(self, batch: list[list[str]]) -> Iterable[Row]:
        first, at = self._line + 1, self._at
        self._line += len(batch)
        plain = self._skipped + self._reader.line_num - at == len(batch)  # no line break in a cell
        self._at = at + (len(batch) if plain else sum(1 + _breaks(record) for record in batch))
        if plain and at == first - 1 and [] not in batch and _none_blank(batch):
            return map(_row, zip(count(first), batch, repeat(None), repeat(()), repeat("")))
        return self._with_care(batch, first, at)

    def _with_care(self, batch: list[list[str]], first: int, at: int) -> Iterator[Row]:
        """The slow way: lines that differ from the file's, and blank ones, which are left out."""
        for line, record in enumerate(batch, first):
            file_line = at + 1
            at = file_line + _breaks(record)
            if any(map(str.strip, record)):
                yield Row(Line(line), record, file_line if file_line != line else None)
            else:
                self._blanks += 1


def _none_blank(batch: Sequence[Sequence[str]]) -> bool:
    """Whether every record has a value; usually its first cell tells."""
    return all(map(str.strip, map(itemgetter(0), batch))) or all(any(map(str.strip, record)) for record in batch)


def _breaks(record: Sequence[str]) -> int:
    """Line breaks within the cells, however they are written."""
    return sum(
        cell.count("\n") + cell.count("\r") - cell.count("\r\n") for cell in record if "\n" in cell or "\r" in cell
    )


def _refuse_nul(rows: Iterable[Row]) -> Never:
    line = next((row.line for row in rows if any("\0" in cell for cell in row.cells)), 1)
    raise FileRefused(finding("F111", line=line))


# The bytes


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    return iter(lambda: file.read(_BLOCK), b"")


def _head(file: BinaryIO, size: int) -> bytes:
    file.seek(0)
    return file.read(size)


def _head_text(file: BinaryIO, encoding: str) -> str:
    return codecs.getincrementaldecoder(encoding)().decode(_head(file, _HEAD))
