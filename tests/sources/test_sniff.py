"""Recognition by content."""

import gzip
import io
import zipfile

import pytest

from importer.core.errors import FileRefused
from importer.sources.sniff import sniff

from .conftest import Specimen, corpus, needs_corpus

OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def zipped(*names: str) -> bytes:
    """A zip archive with parts of these names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), "x")  # without the time of day: every process makes the same bytes
    return file.getvalue()


def stream(name: str) -> bytes:
    """An OLE2 file with a stream of this name."""
    return OLE2 + bytes(512) + name.encode("utf-16-le") + bytes(64)


def refusal(content: bytes) -> tuple[str, str]:
    with pytest.raises(FileRefused) as refused:
        sniff(io.BytesIO(content))
    return refused.value.finding.code, refused.value.finding.message


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,2\n",
        b"a",
        b"[id],[name]\n1,2\n",
        b"{id},x\n",
        b"ID;Priority\n1;2\n",
        b"<none>,b\n",
        b"PKW,LKW\n1,2\n",
        "\ufeffa,b\n".encode("utf-16-le"),
        "a,b\n".encode("utf-16-le"),
        b"caf\xe9,b\n",
        "名前,列\n".encode("shift_jis"),
        b"BZh,b\n",
    ],
)
def test_text_is_taken_for_csv(content: bytes) -> None:
    """Texts that might be tables are, even with an odd beginning."""
    assert sniff(io.BytesIO(content)) == "csv"


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl\\workbook.xml", "XL/Workbook.xml", "xl/workbook22.xml"])
def test_workbook_is_recognised_by_its_parts(part: str) -> None:
    """A zip archive with a workbook's parts is a workbook, however its program spells them."""
    assert sniff(io.BytesIO(zipped("[Content_Types].xml", part))) == "xlsx"


@pytest.mark.parametrize(
    "content", [b"", b"\xef\xbb\xbf", b" \r\n\t\n", b"\n" * 3_000_000, "\ufeff \n".encode("utf-16-le")]
)
def test_empty_is_refused_as_empty(content: bytes) -> None:
    """No bytes, a byte order mark alone and nothing but white space are empty."""
    assert refusal(content)[0] == "F102"


@pytest.mark.parametrize(
    ("content", "code", "wording"),
    [
        (stream("Workbook"), "F104", ".xls"),
        (stream("Book"), "F104", ".xls"),
        (stream("EncryptedPackage"), "F105", "password"),
        (stream("WordDocument"), "F106", "Word"),
        (zipped("xl/workbook.bin"), "F104", ".xlsb"),
        (zipped("mimetype", "content.xml"), "F104", ".ods"),
        (zipped("word/document.xml"), "F104", ".docx"),
        (zipped("notes.txt"), "F104", "zip archive"),
        (zipped(), "F104", "zip archive"),
        (zipped("xl/workbook.xml")[:60], "F107", "cut off"),
        (b"%PDF-1.7\n%\xe2\xe3", "F104", "PDF"),
        (gzip.compress(b"a,b", mtime=0), "F104", "gzip"),
        (b"\x89PNG\r\n\x1a\n\0\0", "F104", "PNG"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "F104", "JPEG"),
        (b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">', "F104", "XML spr"),
        (b"\xef\xbb\xbf\n <!DOCTYPE html><html>", "F106", "web page"),
        (b"<table><tr><td>1</td></tr></table>", "F106", "web page"),
        ("\ufeff<html><body>".encode("utf-16-le"), "F106", "web page"),
        (b'{"id": 1}', "F106", "JSON"),
        (b' [\n {"id": 1}]', "F106", "JSON"),
        (b"{\\rtf1\\ansi", "F106", "RTF"),
        (b'<?xml version="1.0"?><data/>', "F106", "XML"),
        (bytes(range(256)) * 8, "F106", "binary"),
        (b"\x7fELF\x02\x01\x01" + bytes(100), "F106", "binary"),
    ],
)
def test_other_files_are_refused_by_what_they_are(content: bytes, code: str, wording: str) -> None:
    """Everything else is refused and named, so that a person knows what was handed in."""
    found, message = refusal(content)
    assert found == code
    assert wording in message


def test_huge_zip_directory_is_refused_unread() -> None:
    """A table of contents of megabytes is refused before it is loaded."""
    assert refusal(zipped(*(f"{n:0200}" for n in range(10_000))))[0] == "F112"


@needs_corpus
@pytest.mark.parametrize("specimen", [*corpus("csv/"), *corpus("xlsx/"), *corpus("other/")], ids=lambda each: each.file)
def test_corpus_is_recognised(specimen: Specimen) -> None:
    """Each real file is recognised as what its index says."""
    codes = {"EMPTY_FILE": "F102", "ENCRYPTED": "F105", "UNSUPPORTED_FORMAT": "F104", "NOT_A_SPREADSHEET": "F106"}
    if specimen.message_class in codes:
        assert refusal(specimen.path.read_bytes())[0] == codes[specimen.message_class]
    else:
        with specimen.path.open("rb") as file:
            assert sniff(file) == specimen.file.split("/")[0]
