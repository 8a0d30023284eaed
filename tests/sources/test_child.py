"""The child process: what it hands over, what it may not do, and how its death is told. Hostile sources are real programs."""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pydantic_core
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.errors import FileRefused
from importer.core.rows import Line, Mark, Row
from importer.sources.child import rows_frame
from importer.sources.reader import PROGRAM, Limits, fingerprint, limits_for, open_source, unpack

from .conftest import Program, children

Make = Callable[[str], Program]

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's limits are tested on Linux")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A small table."""
    path = tmp_path / "table.csv"
    path.write_text("id,text\n1,a\n2,b\n", encoding="utf-8")
    return path


def read(path: Path, program: Program | None = None, limits: Limits | None = None) -> list[Row]:
    with open_source(path, limits=limits, program=program or PROGRAM) as reading:
        return list(reading.rows)


def problem(path: Path, program: Program, limits: Limits | None = None) -> str:
    """What the person reads when the program fails on the file."""
    with pytest.raises(FileRefused) as refused:
        read(path, program, limits)
    assert refused.value.finding.code == "F109"
    return refused.value.finding.message


# Reading


def test_child_hands_over_rows_and_findings(tmp_path: Path) -> None:
    """Rows, lines, the sheet and the findings come through the process as the source gave them."""
    path = tmp_path / "table.xls"  # the name decides nothing
    path.write_bytes('id;text\n1;"a\nb"\n\n2;Größe 字\n'.encode())
    with open_source(path) as reading:
        rows = list(reading.rows)
    assert rows == [
        Row(Line(1), ["id", "text"]),
        Row(Line(2), ["1", "a\nb"]),
        Row(Line(4), ["2", "Größe 字"], 5),
    ]
    assert reading.sheet.delimiter == ";"
    assert [each.code for each in reading.findings] == ["F209", "F202"]
    assert children() == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_child_reads_marked_encodings_under_limits(tmp_path: Path, encoding: str) -> None:
    """A file with a byte order mark is read in the child, whose limits allow no import any more."""
    path = tmp_path / "table.csv"
    path.write_text("id,text\n1,Größe\n", encoding=encoding)
    assert [list(row.cells) for row in read(path)] == [["id", "text"], ["1", "Größe"]]


def test_child_guesses_an_encoding_under_limits(tmp_path: Path) -> None:
    """A guess that needs many modules works although none can be imported after the limits are taken."""
    path = tmp_path / "table.csv"
    path.write_bytes(
        b"id;text\n" + "1;Клиент просит вернуть деньги за заказ и отменить доставку\n".encode("cp1251") * 9
    )
    assert read(path)[1].cells[1].startswith("Клиент")


def test_child_streams_many_batches(tmp_path: Path) -> None:
    """A table of many frames arrives whole and in order."""
    path = tmp_path / "table.csv"
    path.write_text("id,text\n" + "".join(f"{n},text {n}\n" for n in range(2, 20_001)), encoding="utf-8")
    assert all(row.line == n and row.cells[0] == str(n) for n, row in enumerate(read(path)[1:], 2))


def test_child_refuses_like_its_source(tmp_path: Path) -> None:
    """A refusal in the child is the same finding in the parent, also after rows have come."""
    path = tmp_path / "table.csv"
    path.write_text("id,text\n" + "1,a\n" * 5000 + '2,"open\n', encoding="utf-8")
    with pytest.raises(FileRefused) as refused:
        read(path)
    assert (refused.value.finding.code, refused.value.finding.line) == ("F114", 5002)


@pytest.mark.parametrize("name", ["missing.csv", ".", "fifo", "\0"])
def test_opening_takes_regular_files_only(tmp_path: Path, name: str) -> None:
    """What is missing, a folder, a pipe or no name at all is refused without waiting."""
    if name == "fifo":
        if not hasattr(os, "mkfifo"):
            pytest.skip("no pipes with names on this system")
        os.mkfifo(tmp_path / name)
    with pytest.raises(FileRefused) as refused:
        read(tmp_path / name)
    assert refused.value.finding.code == "F101"


def test_opening_happens_once(table: Path, program: Make) -> None:
    """The child reads the file that was recognised, even when another has taken its name since."""
    with open_source(table) as reading:
        table.rename(table.with_name("old.csv"))
        table.write_text("other", encoding="utf-8")
        assert len(list(reading.rows)) == 3


def test_fingerprint_is_the_content_only(table: Path) -> None:
    """SHA-256 and size of the bytes, as any other tool gives them."""
    assert fingerprint(table) == (hashlib.sha256(b"id,text\n1,a\n2,b\n").hexdigest(), 16)


def test_limits_grow_with_the_file() -> None:
    """Small files get 512 MB and 30 s; a large workbook more of both, a large CSV file more time only."""
    assert limits_for("xlsx", 8_000) == limits_for("csv", 8_000) == Limits(512, 30)
    assert limits_for("csv", 10**9).memory_mb == 512
    assert limits_for("csv", 10**9).cpu_s > 200
    assert limits_for("xlsx", 60 * 10**6).memory_mb > 1300
    assert limits_for("xlsx", 10**10).memory_mb == 4096


# Frames


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
_LINE = st.integers(1, 10**6)


@given(
    st.lists(st.tuples(st.lists(_TEXT, max_size=4), st.none() | _LINE, st.booleans()), min_size=1, max_size=8),
    st.lists(st.integers(1, 3), min_size=8, max_size=8),
)
def test_frames_bring_every_row_back(parts: list[tuple[list[str], int | None, bool]], steps: list[int]) -> None:
    """Rows with and without gaps, lines of the file's own and marks come out of a frame as they went in."""
    rows = [
        Row(Line(sum(steps[: n + 1])), cells, file_line, (Mark(0, "V206"),) if marked else ())
        for n, (cells, file_line, marked) in enumerate(parts)
    ]
    assert list(unpack(pydantic_core.from_json(pydantic_core.to_json(rows_frame(rows))))) == rows


@pytest.mark.parametrize(
    "frame",
    [
        ["rows", 1, [["a", 2]], None, None],
        ["rows", 1, [["a", None]], None, None],
        ["rows", 1, ["ab"], None, None],
        ["rows", 1, [{"a": 1}], None, None],
        ["rows", [1], [["a"], ["b"]], None, None],
        ["rows", ["1"], [["a"]], None, None],
        ["rows", 1, [["a"]], [1, 2], None],
        ["rows", 1, [["a"]], None, [[["x", "V206"]]]],
        ["rows", 1, [["a"]], None, [[[0, "nonsense"]]]],
        ["rows", 1, None, None, None],
        ["rows"],
    ],
)
def test_frames_of_another_shape_are_refused(frame: list[object]) -> None:
    """A frame that no honest child sends is an error, not a row."""
    with pytest.raises((TypeError, ValueError)):
        list(unpack(frame))


# Deaths


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("os.abort()", "unexpectedly"),
        ("os._exit(0)", "unexpectedly"),
        ("os._exit(3)", "exit code 3"),
        ("os.kill(os.getpid(), 11)", "unexpectedly"),
        ("raise RuntimeError('x')", "unexpectedly"),
        ("raise BaseException('as a panic in Rust')", "unexpectedly"),
        ("sys.exit(0)", "unexpectedly"),
        ("raise RecursionError", "unexpectedly"),
    ],
)
def test_death_of_the_child_is_a_refusal(table: Path, program: Make, body: str, reason: str) -> None:
    """However the child ends, the person reads that this file could not be read, and the next one works."""
    assert reason in problem(table, program(f"def read(file, options):\n    {body}\n"))
    assert len(read(table)) == 3
    assert children() == []


def test_death_half_way_comes_after_the_rows(table: Path, program: Make) -> None:
    """Rows that came before the death are there; then comes the refusal."""
    dying = program("""
        def rows():
            yield from (Row(n, ["x"]) for n in range(1, 65))
            os.abort()
        def read(file, options):
            return Reading(Sheet("csv", None), rows())
        """)
    with open_source(table, program=dying) as reading:
        assert [next(reading.rows).line for _ in range(64)] == list(range(1, 65))
        with pytest.raises(FileRefused):
            next(reading.rows)


@linux_only
def test_memory_is_limited(table: Path, program: Make) -> None:
    """A source that wants more memory than it may have is refused with the figure."""
    hog = program("def read(file, options):\n    return rows_of('x' * 600_000_000)\n")
    assert "more than 512 MB of memory" in problem(table, hog)


@linux_only
def test_memory_is_limited_when_it_grows_slowly(table: Path, program: Make) -> None:
    """The same holds for very many small objects, and for a smaller limit."""
    hog = program("def read(file, options):\n    kept = []\n    while True: kept.append([None] * 1000)\n")
    assert "more than 64 MB of memory" in problem(table, hog, Limits(memory_mb=64))


@linux_only
def test_processor_time_is_limited(table: Path, program: Make) -> None:
    """A source that computes for ever is ended and told as such."""
    burner = program("def read(file, options):\n    while True: pass\n")
    assert "more than 1 s of processor time" in problem(table, burner, Limits(cpu_s=1))


@linux_only
def test_silence_is_limited(table: Path, program: Make) -> None:
    """A source that waits for ever, using no time of the processor, is ended too."""
    idler = program("import time\ndef read(file, options):\n    time.sleep(600)\n")
    assert "silent for more than 0.5 s" in problem(table, idler, Limits(silence_s=0.5))
    assert children() == []


def test_errors_without_end_block_nothing(table: Path, program: Make) -> None:
    """A source that fills the pipe of its errors is read all the same."""
    noisy = program("""
        def read(file, options):
            for _ in range(100): os.write(2, b"noise" * 20_000)
            return rows_of("a")
        """)
    assert read(table, noisy) == [Row(Line(1), ["a"])]


@pytest.mark.parametrize(
    "body",
    [
        "os.write(1, b'\\xff\\xff\\xff\\xff' + b'x' * 100); os._exit(0)",
        "os.write(1, b'\\x03\\0\\0\\0abc'); os._exit(0)",
        "os.write(1, b'\\x02\\0\\0\\0{}'); os._exit(0)",
        "os.write(1, b'\\x02\\0\\0\\0[]'); os._exit(0)",
        "os.write(1, b'\\x0b\\0\\0\\0[\"refused\"]'); os._exit(0)",
        "os.write(1, b'\\x10\\0\\0\\0[\"refused\",[17]]'); os._exit(0)",
    ],
)
def test_nonsense_from_the_child_is_a_refusal(table: Path, program: Make, body: str) -> None:
    """A child that answers anything but frames is a file that could not be read."""
    assert "unexpectedly" in problem(table, program(f"def read(file, options):\n    {body}\n"))


# What the child may not do


_ATTEMPTS = {
    "open": "open('/etc/passwd')",
    "open for writing": "open('importer-was-here', 'w')",
    "socket": "socket.socket()",
    "socket pair": "socket.socketpair()",
    "pipe": "os.pipe()",
    "duplicate": "os.dup(0)",
    "import": "__import__('sqlite3')",
    "write to the file": "os.write(0, b'x')",
}


@linux_only
@pytest.mark.parametrize("attempt", list(_ATTEMPTS))
def test_child_opens_nothing(table: Path, program: Make, attempt: str) -> None:
    """No file, socket or pipe can be opened by a source, and the file itself cannot be changed."""
    nosy = program(f"""
        def read(file, options):
            try: {_ATTEMPTS[attempt]}
            except (OSError, ImportError): return rows_of("denied")
            return rows_of("done")
        """)
    assert read(table, nosy) == [Row(Line(1), ["denied"])]


@linux_only
def test_child_opens_nothing_by_way_of_libc(table: Path, program: Make) -> None:
    """Native code, as a parser that was taken over would run, is denied the same by the kernel."""
    nosy = program("""
        def read(file, options):
            libc = ctypes.CDLL(None, use_errno=True)
            return rows_of(str(libc.open(b"/etc/passwd", 0)), str(libc.socket(2, 1, 0)), str(libc.memfd_create(b"x", 0)))
        """)
    assert [row.cells[0] for row in read(table, nosy)] == ["-1", "-1", "-1"]


def test_child_has_no_environment(table: Path, program: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the parent, so no secret, is there to be found."""
    monkeypatch.setenv("GENESYS_CLIENT_SECRET", "canary")
    teller = program("def read(file, options):\n    return rows_of(*sorted(os.environ))\n")
    assert not {row.cells[0] for row in read(table, teller)} - {"LC_CTYPE", "SYSTEMROOT"}


# Ends


def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.csv"
    path.write_text("id,text\n" + "1,some text\n" * 200_000, encoding="utf-8")
    return path


def test_stopping_early_ends_the_child(tmp_path: Path) -> None:
    """A parent that has seen enough leaves no child, no thread and no open file behind."""
    before, threads = _descriptors(), threading.active_count()
    with open_source(large(tmp_path)) as reading:
        assert next(reading.rows).cells == ["id", "text"]
    assert children() == []
    assert (_descriptors(), threading.active_count()) == (before, threads)


def test_failing_early_ends_the_child(tmp_path: Path) -> None:
    """The same when the parent fails while it reads."""

    def fail() -> None:
        with open_source(large(tmp_path)) as reading:
            next(reading.rows)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert children() == []


def _descriptors() -> Sequence[str]:
    listed = Path("/proc/self/fd")
    return sorted(each.name for each in listed.iterdir()) if listed.exists() else []


def test_parent_imports_no_reader_library(table: Path) -> None:
    """Reading a table loads none of the heavy libraries into the parent."""
    script = (
        "import sys; from pathlib import Path; from importer.sources.reader import open_source\n"
        "with open_source(Path(sys.argv[1])) as reading: list(reading.rows)\n"
        "print([name for name in ('charset_normalizer', 'python_calamine', 'asyncio', 'aiohttp', 'pandas', 'openpyxl')"
        " if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script, str(table)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
