"""Package: the zip file of a workbook, its parts opened for reading within limits. Knows nothing of sheets."""

import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from importer.core.errors import FileRefused
from importer.core.file_limits import COMMAND_LINE, MIB, FileLimits, beyond, check
from importer.core.findings import finding, shorten

BLOCK = MIB
"""Parts are read in blocks of so many bytes."""
ENCRYPTED = 0x1


def damaged(problem: str) -> FileRefused:
    """The refusal of a workbook that is broken: F107."""
    return FileRefused(finding("F107", problem=problem))


class Package:
    """The parts of a workbook by name; names are compared as Excel does, without regard to case and kind of slash."""

    def __init__(self, file: BinaryIO, limits: FileLimits = COMMAND_LINE) -> None:
        """Reads the directory only. `file` stays open and belongs to the caller. Raises FileRefused."""
        file.seek(0)
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError) as error:
            raise damaged("its zip directory cannot be read") from error
        members = [each for each in self._zip.infolist() if not each.is_dir()]
        _check_directory(members, limits)
        self._members = {_plain_name(each.filename): each for each in members}
        if len(self._members) < len(members):
            raise damaged("two of its parts have the same name")

    def names(self) -> list[str]:
        """The parts' names, in lower case and with forward slashes."""
        return list(self._members)

    def __contains__(self, name: str) -> bool:
        return _plain_name(name) in self._members

    def blocks(self, name: str, size: int = BLOCK) -> Iterator[bytes]:
        """The part's unpacked bytes. Raises FileRefused when it is missing or broken, at the latest at its end."""
        member = self._members.get(_plain_name(name))
        if member is None:
            raise damaged(f"its part {shorten(name, 80)} is missing")
        try:
            with self._zip.open(member) as part:
                while block := part.read(size):
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


def _check_directory(members: list[zipfile.ZipInfo], limits: FileLimits) -> None:
    check(len(members), limits.members, "members", "it has {found} parts")
    check(sum(each.file_size for each in members), limits.unpacked, "unpacked", "it unpacks to {found} bytes")
    for each in members:
        _check_member(each, limits)
    _check_overlaps(members)


def _check_member(member: zipfile.ZipInfo, limits: FileLimits) -> None:
    name = shorten(member.filename, 80)
    if member.flag_bits & ENCRYPTED:
        raise FileRefused(finding("F105"))
    packed, unpacked, ratio = member.compress_size, member.file_size, limits.ratio
    if ratio is not None and unpacked > max(limits.ratio_free, ratio * packed):
        problem = f"its part {name} unpacks from {packed:,} to {unpacked:,} bytes, more than {ratio} times as many"
        raise beyond(problem, "ratio")


def _check_overlaps(members: list[zipfile.ZipInfo]) -> None:
    end = 0
    for each in sorted(members, key=lambda member: member.header_offset):
        if each.header_offset < end:
            raise damaged("its parts overlap in the zip file")
        end = each.header_offset + each.compress_size
