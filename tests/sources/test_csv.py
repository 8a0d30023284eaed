"""The CSV source, read in this process."""

import csv as stdlib_csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.errors import FileRefused
from importer.core.file_limits import COMMAND_LINE
from importer.sources import csv

from .conftest import SHARED, Specimen, corpus, needs_corpus, read_csv


def refusal(content: bytes | str) -> tuple[str, int | None]:
    """Code and line of the finding that refuses the content."""
    with pytest.raises(FileRefused) as refused:
        read_csv(content)
    return refused.value.finding.code, refused.value.finding.line


# Encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encoding_of_unicode_is_recognised_for_certain(encoding: str) -> None:
    """UTF-8 and texts with a byte order mark are read without a warning."""
    read = read_csv("id,text\n1,Größe ʤ 字\n".encode(encoding))
    assert read.cells == [["id", "text"], ["1", "Größe ʤ 字"]]
    assert read.codes == []


def test_encoding_of_big_endian_marked_text_is_recognised() -> None:
    """A big-endian byte order mark is obeyed."""
    assert read_csv(b"\xfe\xff" + "a,b\n1,é".encode("utf-16-be")).cells[1] == ["1", "é"]


def test_encoding_of_a_tiny_latin_file_is_western_and_said() -> None:
    """One byte beyond ASCII is taken for Windows-1252, with a warning."""
    read = read_csv(b"a,b,c\n1,2,3\n4,5,\xa9")
    assert read.cells[2] == ["4", "5", "©"]
    assert read.sheet.encoding == "windows-1252"
    assert read.codes == ["F201"]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Der Kunde möchte die Rückerstattung für die beschädigte Lieferung, Größe und Gebühr prüfen"),
        ("cp1251", "Клиент просит вернуть деньги за заказ и отменить доставку"),
        ("cp1250", "Klient prosi o zwrot pieniędzy za źle wykonaną usługę i część paczki, łóżko, żółć"),
        ("cp932", "お客様は注文の返金を求めています。請求書の金額が間違っています。"),
        ("euc_jp", "お客様は注文の返金を求めています。請求書の金額が間違っています。"),
        ("gb18030", "客户要求退还订单款项，发票金额错误，送货延迟，请尽快处理。"),
        ("big5", "客戶要求退還訂單款項，發票金額錯誤，送貨延遲，請儘快處理。"),
        ("iso8859_7", "Ο πελάτης ζητά επιστροφή χρημάτων για την παραγγελία του και το τιμολόγιο"),
    ],
)
def test_encoding_of_other_texts_is_guessed_and_said(encoding: str, text: str) -> None:
    """Common encodings without a mark give the right text, and a warning that it was a guess."""
    read = read_csv(("id;text\n" + "".join(f"{n};{text}\n" for n in range(20))).encode(encoding))
    assert read.cells[8] == ["7", text]
    assert read.codes[0] == "F201"


def test_encoding_change_late_in_the_file_is_found_before_the_first_row() -> None:
    """A byte that is not UTF-8 after a megabyte of ASCII changes the encoding of the whole, and crashes nothing."""
    read = read_csv(b"a,b\n" + b"1,plain\n" * 150_000 + b"2,caf\xe9\n")
    assert read.cells[-1] == ["2", "café"]
    assert read.codes == ["F201"]


def test_encoding_of_damaged_utf8_is_refused_with_the_line() -> None:
    """A text that is UTF-8 but for one byte is refused: any other encoding would garble the rest."""
    with pytest.raises(FileRefused, match="0xE9 at line 3") as refused:
        read_csv("a,b\n1,ÄÖÜßéè\n2,caf".encode() + b"\xe9\n")
    assert refused.value.finding.code == "F115"


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfa,b\n1,\xff\n", b"\xff\xfea\0,\0b"])
def test_encoding_that_is_marked_wrongly_is_refused(content: bytes) -> None:
    """Bytes that do not fit the announced encoding are refused, not repaired."""
    assert refusal(content)[0] == "F115"


@pytest.mark.parametrize(("content", "line"), [(b"a,b\n1,2\n\n3,x\0y\n", 4), ("a,b\n1,2\n".encode("utf-16-le"), 1)])
def test_nul_is_refused_with_its_line(content: bytes, line: int) -> None:
    """NUL bytes, and UTF-16 without a mark, are refused, naming the line."""
    with pytest.raises(FileRefused, match=f"line {line}\\.") as refused:
        read_csv(content)
    assert refused.value.finding.code == "F111"


# Delimiters


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found(delimiter: str) -> None:
    """Each of the four delimiters is found; all but the comma are mentioned."""
    read = read_csv(f"id{delimiter}text\n1{delimiter}a\n2{delimiter}b\n")
    assert read.cells == [["id", "text"], ["1", "a"], ["2", "b"]]
    assert read.sheet.delimiter == delimiter
    assert read.codes == ([] if delimiter == "," else ["F209"])


def test_delimiter_is_not_the_decimal_comma() -> None:
    """Commas in numbers and texts do not make a delimiter where semicolons are more consistent."""
    read = read_csv("id;sum;text\n1;2,5;a, b\n2;3,75;c, d, e\n3;4,0;f\n")
    assert read.cells[2] == ["2", "3,75", "c, d, e"]


def test_delimiter_within_quotes_does_not_count() -> None:
    """Delimiters and line breaks in quotes are text."""
    assert read_csv('a,b\n"x;y;z\n;;","1"\n"p;q",2\n').cells == [["a", "b"], ["x;y;z\n;;", "1"], ["p;q", "2"]]


def test_delimiter_of_the_header_wins_over_commas_in_texts() -> None:
    """Where rows have as many commas as semicolons, the header row decides."""
    assert read_csv("id;q;t\n1;x;a, b, c\n2;y;d, e, f\n").cells[1] == ["1", "x", "a, b, c"]


def test_delimiter_is_none_in_a_file_of_one_column() -> None:
    """One column needs no delimiter, and a comma in one of its texts does not become one."""
    read = read_csv("value\n01\nHello, world\n003\n")
    assert read.cells == [["value"], ["01"], ["Hello, world"], ["003"]]
    assert read.sheet.delimiter is None


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "sep=|", "sep=\t"])
def test_sep_line_is_obeyed_and_not_counted(line: str) -> None:
    """A first line `sep=;` names the delimiter; spreadsheet lines start after it, the file's own lines do not."""
    delimiter = line.strip('"')[4]
    read = read_csv(f"{line}\r\nid{delimiter}b\r\n1{delimiter}x\r\n")
    assert read.cells == [["id", "b"], ["1", "x"]]
    assert [(row.line, row.file_line) for row in read.rows] == [(1, 2), (2, 3)]
    assert read.codes == []


def test_blank_after_the_delimiter_does_not_hide_a_quote() -> None:
    """In `1, "6,000"` the quotes enclose the cell."""
    assert read_csv('a, b\n1, "6,000"\n').cells[1] == ["1", "6,000"]


# Records and lines


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system_are_read(end: str) -> None:
    """LF, CRLF and a lone CR end a record, with or without one after the last."""
    assert read_csv(f"a,b{end}1,2{end}").cells == read_csv(f"a,b{end}1,2").cells == [["a", "b"], ["1", "2"]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_is_that_of_the_spreadsheet(end: str) -> None:
    """A record is one line, however many the file has for it; the file's own line is given where it differs."""
    read = read_csv(end.join(["a,b", '1,"x', 'y"', "2,z", "3,w", ""]))
    assert [(row.line, row.file_line) for row in read.rows] == [(1, None), (2, None), (3, 4), (4, 5)]
    assert read.rows[1].cells[1] == f"x{end}y"


def test_line_counts_blank_lines_which_are_skipped() -> None:
    """Blank lines are counted as lines, left out as rows, and said once."""
    read = read_csv("\nid,text\n\n1,a\n , \n,,\n2,b\n\n")
    assert [(row.line, row.cells[0]) for row in read.rows] == [(2, "id"), (4, "1"), (7, "2")]
    assert read.codes == ["F202"]
    assert read.findings[0].message == "Blank lines that were skipped: 5."


def test_rows_of_unequal_length_pass_as_they_are() -> None:
    """Short and long rows are left to the judge."""
    assert read_csv("a,b,c\n1\n1,2,3,4\n1,2,3\n").cells[1:3] == [["1"], ["1", "2", "3", "4"]]


def test_quote_never_closed_is_refused_with_its_line() -> None:
    """An open quote that swallows the rest is refused, naming the line where its record began."""
    code, line = refusal('a,b\n1,x\n2,y\n3,"open\n4,z\n5,w\n')
    assert (code, line) == ("F114", 4)


def test_quote_never_closed_in_a_large_file_is_refused_early() -> None:
    """The open quote is refused when the cell grows out of bounds, before it has filled the memory."""
    assert refusal('a,b\n1,x\n2,"open\n' + "4,some text\n" * 500_000) == ("F114", 3)


def test_limits_of_cell_line_and_columns_hold() -> None:
    """A huge cell, a huge line and too many columns are refused as beyond a limit."""
    assert refusal("a,b\n1," + "x" * ((COMMAND_LINE.cell or 0) + 1) + "\n")[0] == "F112"
    assert refusal("a,b\n1," + "x" * (csv.MAX_LINE + 1))[0] == "F112"
    assert refusal("a" + "," * (COMMAND_LINE.columns or 0))[0] == "F112"


def test_lines_do_not_depend_on_the_batches() -> None:
    """Line numbers stay right over many batches with blank lines and line breaks in cells here and there."""
    records = [f'{n},"a\nb"\n' if n % 700 == 0 else "\n" if n % 901 == 0 else f"{n},x\n" for n in range(1, 5000)]
    read = read_csv("".join(records))
    physical = "".join(records).split("\n")
    for row in read.rows:
        assert row.cells[0] == str(row.line)
        assert physical[(row.file_line or row.line) - 1].startswith(f"{row.line},")
    assert len(read.rows) == 4999 - 5


_CELL = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["", " ", '"', '""', "\n", "\r\n", "\r", ",", ";", "a, b", ' "x"', "\x1f", "\u2028", "\x85", "\ufeff"]
)


@given(
    st.lists(st.lists(_CELL, min_size=3, max_size=3), min_size=1, max_size=20),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)
def test_rows_come_back_as_a_writer_wrote_them(
    rows: list[list[str]], delimiter: str, end: str, quote_all: bool
) -> None:
    """What any CSV writer writes, under a header row and in a declared dialect, is read back cell for cell."""
    text = io.StringIO(newline="")
    text.write(f"sep={delimiter}{end}")
    # Python 3.11 leaves a line break in a cell unquoted where it is not the line's own end
    if quote_all or end != "\r\n":
        writer = stdlib_csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=stdlib_csv.QUOTE_ALL)
    else:
        writer = stdlib_csv.writer(text, delimiter=delimiter, lineterminator=end)
    writer.writerows([["id", "queue", "text"], *rows])
    read = read_csv(text.getvalue())
    kept = [(n, row) for n, row in enumerate(rows, 2) if any(cell.strip() for cell in row)]
    assert [(row.line, row.cells) for row in read.rows[1:]] == kept


_PLAIN = st.text(st.characters(categories=["L", "N"], include_characters='" \n'), min_size=1, max_size=8)


@given(st.lists(st.lists(_PLAIN, min_size=3, max_size=3), min_size=1, max_size=20), st.sampled_from(",;\t|"))
def test_rows_come_back_where_the_delimiter_is_found(rows: list[list[str]], delimiter: str) -> None:
    """Without a declaration too, rows come back equal when their texts hold none of the other delimiters."""
    text = io.StringIO(newline="")
    stdlib_csv.writer(text, delimiter=delimiter).writerows([["id", "queue", "text"], *rows])
    read = read_csv(text.getvalue())
    assert read.cells[1:] == [row for row in rows if any(cell.strip() for cell in row)]


# Real files


@needs_corpus
@pytest.mark.parametrize("specimen", corpus("csv/"), ids=lambda each: each.file)
def test_corpus_reads_as_its_index_says(specimen: Specimen) -> None:
    """Each real file gives the rows, the columns and the probed cell of the index, or is refused."""
    if specimen.expect == "aux":
        pytest.skip("material for other tests, not a table")
    if specimen.message_class == "EMPTY_FILE":
        pytest.skip("empty files are refused when they are sniffed")
    read = read_csv(specimen.path.read_bytes())
    assert len(read.rows) - 1 == int(specimen.rows or 0)
    if specimen.cols:
        assert len(read.rows[0].cells) == int(specimen.cols)
    if specimen.probe:
        place, _, text = specimen.probe.partition("=")
        row, column = place[1:].split("c")
        assert read.rows[int(row)].cells[int(column) - 1] == text
    assert ("F201" in read.codes) == (specimen.message_class == "ENCODING_GUESSED")


@needs_corpus
def test_lines_of_a_real_file_with_line_breaks_are_right() -> None:
    """In 600 real tickets with quoted line breaks, spreadsheet lines and file lines are those that are known."""
    read = read_csv((SHARED / "real" / "helpdesk_customer_tickets.csv").read_bytes())
    places = {row.cells[0]: (row.line, row.file_line) for row in read.rows}
    assert len(read.rows) == 601
    assert (places["717"], places["2742"]) == ((8, 48), (32, 264))
