"""Tells what a file is by its content, never by its name. Reads no rows and unpacks nothing."""

import re
import struct
import zipfile
from collections.abc import Iterator
from typing import BinaryIO, Never

from importer.core.errors import FileRefused
from importer.core.file_limits import beyond
from importer.core.findings import finding

HEAD = 64 * 1024
"""So many bytes from the start decide whether a file is text."""

MAX_ZIP_DIRECTORY = 2 * 1024 * 1024
"""Bytes: about 20,000 parts. A workbook has some dozens."""

_OLE_SCANNED = 64 * 1024 * 1024  # bytes of an OLE2 file that are searched for stream names
_BLOCK = 1024 * 1024

_BLANKS = b" \t\r\n\v\f"
_WIDE_BOMS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_BOMS = {**_WIDE_BOMS, b"\xef\xbb\xbf": "utf-8-sig"}  # UTF-32 first: its little-endian mark begins with that of UTF-16

_OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_UNREAD = {  # magic bytes → what it is (F104)
    b"%PDF-": "a PDF document",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\0": "an xz archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"\x89PNG\r\n\x1a\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF87a": "a GIF image",
    b"GIF89a": "a GIF image",
    b"II*\0": "a TIFF image",
    b"MM\0*": "a TIFF image",
    b"\x09\x00\x04\x00": "a very old Excel worksheet (.xls)",
    b"\x09\x02\x06\x00": "a very old Excel worksheet (.xls)",
    b"\x09\x04\x06\x00": "a very old Excel worksheet (.xls)",
    b"PAR1": "a Parquet file",
    b"SQLite format 3\0": "an SQLite database",
    b"ID;PWXL;": "a SYLK file (.slk)",
}

_OLE_STREAMS = {  # UTF-16 name of a stream → what the file is; the first one found decides
    "WordDocument": ("F106", "a Word document (.doc)"),
    "PowerPoint Document": ("F106", "a PowerPoint presentation (.ppt)"),
    "__nameid_version": ("F106", "an Outlook message (.msg)"),
    "Workbook": ("F104", "an old Excel workbook (.xls)"),
    "Book": ("F104", "an old Excel workbook (.xls)"),
}

_TEXTS = [  # what the text begins with → what it is; the first match decides
    (r"(<\?xml|<\?mso|<Workbook)[\s\S]*?urn:schemas-microsoft-com:office:spreadsheet", "F104", "an XML spreadsheet of Excel 2003"),
    (r"<\?xml[\s\S]*?<office:document", "F104", "a flat OpenDocument file"),
    (r"<!doctype\s+html|<(html|head|body|table|meta|script|style|center|div|form|title)\b", "F106", "a web page (HTML)"),
    (r"(<\?xml|<!--)[\s\S]*?<html\b", "F106", "a web page (HTML)"),
    (r"<\?xml|<!DOCTYPE|<svg\b", "F106", "an XML document"),
    (r"MIME-Version:[\s\S]*?multipart/", "F106", "a web archive (MHTML)"),
    (r"\{\\rtf", "F106", "an RTF document"),
    (r"\{\s*(\"[^\"]*\"\s*:|\})|\[\s*[\[{\"]", "F106", "a JSON document"),
    (r"%!PS", "F106", "a PostScript document"),
]  # fmt: skip


def sniff(file: BinaryIO) -> str:
    """`"csv"` or `"xlsx"`; raises FileRefused for anything else. Leaves the position anywhere."""
    file.seek(0)
    head = file.read(HEAD)
    if _is_blank(file, head):
        raise FileRefused(finding("F102"))
    if head.startswith(b"PK\x03\x04"):
        return _zip(file)
    if head.startswith((b"PK\x05\x06", b"PK\x07\x08")):
        _refuse("F104", "a zip archive")
    if head.startswith(_OLE2):
        _ole(file)
    if len(head) in (162, 165) and 0 < head[0] < 55 and b"\0" in head:
        _refuse("F106", "a lock file of Office (~$…), which stands beside a workbook that is open")
    _magic(head)
    _text(head)
    return "csv"


def bom(head: bytes) -> str | None:
    """The encoding that a byte order mark announces, or None without one."""
    return next((encoding for mark, encoding in _BOMS.items() if head.startswith(mark)), None)


def _refuse(code: str, found: str) -> Never:
    raise FileRefused(finding(code, found=found))


def _is_blank(file: BinaryIO, head: bytes) -> bool:
    blanks = _BLANKS
    if mark := next((mark for mark in _BOMS if head.startswith(mark)), None):
        head = head.removeprefix(mark)
        blanks += b"\0" if mark in _WIDE_BOMS else b""
    return not head.strip(blanks) and not any(block.strip(blanks) for block in _blocks(file))


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(_BLOCK), b"")


def _zip(file: BinaryIO) -> str:
    names = _zip_names(file)
    kind = _opened(names)
    if kind is None:
        return "xlsx"
    _refuse("F104", kind)


def _opened(names: set[str]) -> str | None:
    """What a zip with these parts is; None for a workbook that can be read."""
    if "xl/workbook.bin" in names:
        return "a binary Excel workbook (.xlsb)"
    if "xl/workbook.xml" in names or any(name.startswith(("xl/workbook", "xl/worksheets/")) for name in names):
        return None  # some programs write xl/workbook22.xml
    if "content.xml" in names and "mimetype" in names:
        return "an OpenDocument file (.ods)"
    if "index/document.iwa" in names or "index.zip" in names:
        return "an Apple Numbers document"
    if any(name.startswith("word/") for name in names):
        return "a Word document (.docx)"
    if any(name.startswith("ppt/") for name in names):
        return "a PowerPoint presentation (.pptx)"
    return "a zip archive"


def _zip_names(file: BinaryIO) -> set[str]:
    """Names of all parts, in lower case and with forward slashes: some programs write xl\\Workbook.xml."""
    _limit_directory(file)
    try:
        with zipfile.ZipFile(file) as archive:
            return {name.replace("\\", "/").lower() for name in archive.namelist()}
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, OverflowError, OSError) as error:
        problem = "its table of contents is missing or broken; it may have been cut off"
        raise FileRefused(finding("F107", problem=problem)) from error


def _limit_directory(file: BinaryIO) -> None:
    """Keeps `zipfile` from loading a huge directory: this is read in the parent, where no limits hold."""
    size = file.seek(0, 2)
    tail_at = max(0, size - 65_557 - 56 - 20)  # the end record, its longest comment, and the zip64 records before it
    file.seek(tail_at)
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    zip64 = tail.rfind(b"PK\x06\x06")
    length = int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0
    if length == 0xFFFFFFFF and zip64 >= 0:
        length = int.from_bytes(tail[zip64 + 40 : zip64 + 48], "little")
    if length > MAX_ZIP_DIRECTORY:
        raise beyond(f"its table of contents has {length:,} bytes, more than {MAX_ZIP_DIRECTORY:,}")


def _ole(file: BinaryIO) -> Never:
    found = _ole_streams(file)
    if "EncryptedPackage" in found:
        raise FileRefused(finding("F105"))
    code, kind = next(
        (_OLE_STREAMS[name] for name in _OLE_STREAMS if name in found), ("F106", "an old Office document")
    )
    _refuse(code, kind)


def _ole_streams(file: BinaryIO) -> set[str]:
    """Those of the stream names we know that stand anywhere in the file. Enough for the wording; it is refused anyway."""
    names = {name: f"{name}\0".encode("utf-16-le") for name in (*_OLE_STREAMS, "EncryptedPackage")}
    found: set[str] = set()
    file.seek(0)
    before = b""
    for block in _blocks(file):
        window = before + block
        found |= {name for name, raw in names.items() if raw in window}
        before = window[-64:]
        if file.tell() >= _OLE_SCANNED:
            break
    return found


def _magic(head: bytes) -> None:
    for magic, found in _UNREAD.items():
        if head.startswith(magic) and (len(magic) > 3 or not _is_text(head)):
            _refuse("F104", found)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        _refuse("F104", "a WebP image")


def _text(head: bytes) -> None:
    encoding = bom(head)
    if encoding is None and not _is_text(head):
        _refuse("F106", "binary data")
    start = head.decode(encoding or "latin-1", "replace").lstrip("\ufeff \t\r\n")
    for pattern, code, found in _TEXTS:
        if re.match(pattern, start, re.IGNORECASE):
            _refuse(code, found)


def _is_text(head: bytes) -> bool:
    """Whether the bytes may be a text. NULs count as text here: they are refused later, with their line.

    Random bytes have 11 % of the control characters counted here; texts in any encoding next to none.
    """
    if head.startswith(b"\x7fELF"):
        return False
    controls = sum(head.count(byte) for byte in (*range(1, 8), *range(14, 27), *range(28, 32), 127))
    nuls = head.count(0)
    try:
        head[: len(head) - 4 if len(head) == HEAD else None].decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 8:
            # A text that is neither UTF-8 nor marked has no NULs, but for UTF-16: that has them in every other place
            return controls <= 0.03 * len(head) and (nuls == 0 or 0.2 * len(head) < nuls <= 0.5 * len(head))
    return controls <= 0.2 * len(head)
