"""Package: the zip file of a workbook, its parts opened for reading within limits. Knows nothing of sheets."""

import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from importer.core.errors import FileRefused
from importer.core.findings import finding, shorten

MIB = 1 << 20
BLOCK = MIB
"""Parts are read in blocks of so many bytes."""
MOST_MEMBERS = 10_000
MOST_UNPACKED = 4096 * MIB
"""All parts together may unpack to so many bytes."""
FREE_UNPACKED = 64 * MIB
"""Up to so many unpacked bytes a part may be packed as tightly as it likes."""
MOST_RATIO = 200
"""Beyond FREE_UNPACKED, a packed byte may stand for so many; sheets of real programs reach 40."""
ENCRYPTED = 0x1


def damaged(problem: str) -> FileRefused:
    """The refusal of a workbook that is broken: F107."""
    return FileRefused(finding("F107", problem=problem))


def beyond(problem: str) -> FileRefused:
    """The refusal of a workbook that is too big: F112. `problem` names the limit."""
    return FileRefused(finding("F112", problem=problem))


class Package:
    """The parts of a workbook by name; names are compared as Excel does, without regard to case and kind of slash."""

    def __init__(self, file: BinaryIO) -> None:
        """Reads the directory only. `file` stays open and belongs to the caller. Raises FileRefused."""
        file.seek(0)
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError) as error:
            raise damaged("its zip directory cannot be read") from error
        members = [each for each in self._zip.infolist() if not each.is_dir()]
        _check_directory(members)
        self._members = {_plain_name(each.filename): each for each in members}
        if len(self._members) < len(members):
            raise damaged("two of its parts have the same name")

    def __contains__(self, name: str) -> bool:
        return _plain_name(name) in self._members

    def blocks(self, name: str) -> Iterator[bytes]:
        """The part's unpacked bytes. Raises FileRefused when it is missing or broken, at the latest at its end."""
        member = self._members.get(_plain_name(name))
        if member is None:
            raise damaged(f"its part {shorten(name, 80)} is missing")
        try:
            with self._zip.open(member) as part:
                while block := part.read(BLOCK):
                    yield block
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, ValueError) as error:
            raise damaged(f"its part {shorten(name, 80)} cannot be unpacked") from error

    def content(self, name: str, most: int = 64 * MIB) -> bytes:
        """The whole part, for parts that are small in real workbooks. Raises FileRefused beyond `most` bytes."""
        pieces, size = [], 0
        for block in self.blocks(name):
            size += len(block)
            if size > most:
                raise beyond(f"its part {shorten(name, 80)} unpacks to more than {most // MIB} MiB")
            pieces.append(block)
        return b"".join(pieces)


def _plain_name(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()


def _check_directory(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MOST_MEMBERS:
        raise beyond(f"it has {len(members):,} parts, more than {MOST_MEMBERS:,}")
    unpacked = sum(each.file_size for each in members)
    if unpacked > MOST_UNPACKED:
        raise beyond(f"it unpacks to {unpacked // MIB:,} MiB, more than {MOST_UNPACKED // MIB:,} MiB")
    for each in members:
        _check_member(each)
    _check_overlaps(members)


def _check_member(member: zipfile.ZipInfo) -> None:
    name = shorten(member.filename, 80)
    if member.flag_bits & ENCRYPTED:
        raise FileRefused(finding("F105"))
    if member.file_size > FREE_UNPACKED and member.file_size > MOST_RATIO * member.compress_size:
        size = member.file_size // MIB
        raise beyond(f"its part {name} unpacks to {size:,} MiB, more than {MOST_RATIO} times its packed size")


def _check_overlaps(members: list[zipfile.ZipInfo]) -> None:
    end = 0
    for each in sorted(members, key=lambda member: member.header_offset):
        if each.header_offset < end:
            raise damaged("its parts overlap in the zip file")
        end = each.header_offset + each.compress_size
