"""JSON at the border: what is no JSON, or could not be written again, counts as unreadable."""

import asyncio
import json

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from importer.core.columns import match_headings
from importer.core.facts import Facts
from importer.core.mapping import Mapping
from importer.core.outcomes import Created, Lost
from importer.core.rows import Line, Row
from importer.core.shape import Shaper
from importer.core.task import whole_number
from importer.targets.limits import TASKS
from importer.targets.transport import DEPTH_MOST, ID_MOST, HttpTransport, Reply, Request, json_of
from tests.hostile import NUMBERS
from tests.targets.conftest import Stands

NO_JSON = (
    b'{"id": NaN}', b'{"id": Infinity}', b'{"id": -Infinity}', b'{"id": 1e999}', b'{"id": -1e999}', b"{'id': 1}",
    b'{"id": 1,}', b'{"id": 0x10}', b'{"id": 1_000}', b'{"id": +1}', b'{"id": 01}', b'{"id": .5}', b'{"id": "\n"}', b"", b"nul",
    b'\xff\xfe', b'{"id": "\xff"}', b"[" * 100_000, b'{"a":' * 100_000, b"[" * 900 + b"]" * 900, b'{"id": ' + b"9" * 5000 + b"}",
    b'{"id": 1} {"id": 2}', b"<html>", b'{"id": True}',
)  # fmt: skip


@pytest.mark.parametrize("data", NO_JSON, ids=[repr(each[:24]) for each in NO_JSON])
def test_json_that_is_none_is_unreadable(data: bytes) -> None:
    """NaN, Infinity, 1e999, Python's own spellings, nesting without end and endless digits are unreadable, never a crash."""
    assert json_of(data) is None


@pytest.mark.parametrize("digits", ["12345678901234567890", "-99999999999999999999", "9007199254740993"])
def test_json_numbers_of_20_digits_keep_their_digits(digits: str) -> None:
    """A long whole number is passed on digit for digit."""
    assert json.dumps(json_of(f'{{"n": {digits}}}'.encode())) == f'{{"n": {digits}}}'


def test_json_depth_is_bounded_where_it_is_told() -> None:
    """DEPTH_MOST levels are read, one more is not."""
    assert json_of(b"[" * (DEPTH_MOST - 1) + b"]" * (DEPTH_MOST - 1)) is not None
    assert json_of(b"[" * (DEPTH_MOST + 1) + b"1" + b"]" * (DEPTH_MOST + 1)) is None


def test_json_half_a_surrogate_pair_is_made_writable() -> None:
    """What no encoding can hold becomes `?`; whole pairs stay."""
    assert json_of(rb'{"message": "a\ud800b \ud83d\ude00"}') == {"message": "a?b 😀"}


@pytest.mark.parametrize(
    ("header", "told"), [(b"a\xff\xfe\xb0b", "a???b"), ("größe".encode(), "größe"), (b"x" * 3000, "x" * ID_MOST)]
)
async def test_header_that_is_no_text_is_made_writable(header: bytes, told: str) -> None:
    """A correlation ID of broken bytes, which no ledger can hold, has `?` in their places; a long one is cut."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nININ-Correlation-Id: " + header + b"\r\n\r\n{}")
        writer.close()

    transport = HttpTransport()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        reply = await transport.send(Request("GET", URL(f"http://127.0.0.1:{port}/"), {}))
        await transport.close()
    assert isinstance(reply, Reply)
    assert reply.correlation_id == told


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
        max_leaves=12,
    )
)
def test_json_that_was_read_can_be_written(value: object) -> None:
    """Whatever is read is what was sent, and has a strict UTF-8 form again."""
    read = json_of(json.dumps(value).encode())
    json.dumps(read, ensure_ascii=False, allow_nan=False).encode()


async def yes() -> bool:
    return True


@pytest.mark.parametrize(
    "body", [b'{"id": NaN}', b'{"id": "T", "n": 1e999}', b"[" * 5000, b'{"id": 5}', b'{"id": true}']
)
async def test_answer_that_is_no_json_settles_nothing(stands: Stands, body: bytes) -> None:
    """A 201 whose body cannot be trusted is a lost answer, which is looked up; it is never taken for created."""

    async def odd(request: web.BaseRequest, sent: bytes) -> web.StreamResponse:
        return web.Response(status=201, body=body, content_type="application/json")

    async with stands(odd) as stand:
        assert isinstance(await stand.target.create("{}", "E-1", yes), Lost)


async def test_answer_with_a_long_number_is_an_answer(stands: Stands) -> None:
    """A 20-digit number beside the task's ID does no harm."""

    async def fine(request: web.BaseRequest, sent: bytes) -> web.StreamResponse:
        return web.Response(status=201, body=b'{"id": "T", "n": 12345678901234567890}', content_type="application/json")

    async with stands(fine) as stand:
        answer = await stand.target.create("{}", "E-1", yes)
        assert isinstance(answer, Created)
        assert answer.task_id == "T"


NOT_WHOLE = (
    *NUMBERS,
    "1 000",
    "1'000",
    "5.0",
    "5,0",
    "1e2",
    "1E2",
    "٥",
    "५",
    "５",
    "⑤",
    "V",
    "five",
    "0b1",
    "0o7",
    "--5",
    "5-",
    "9" * 5000,
    "∞",
)


@pytest.mark.parametrize("text", NOT_WHOLE)
def test_priority_is_plain_digits_or_refused(text: str) -> None:
    """`1_000`, `1e2`, `True`, `٥` and their like are no whole numbers; nothing but ASCII digits becomes one."""
    number = whole_number(text)
    assert isinstance(number, str) or (text.lstrip("+-").isascii() and text.lstrip("+-").isdigit())
    header = match_headings(Row(Line(1), ("External ID", "Queue", "Priority", "Description")), Mapping(), TASKS)
    shaped = Shaper(header, Mapping(), TASKS)(Row(Line(2), ("E-1", "Billing", text, "d")))
    assert shaped.request is None or shaped.request["priority"] == int(text) in range(100)


def test_payload_has_no_number_that_json_lacks() -> None:
    """A payload is numbers and texts that JSON has: the strict encoder takes it, and the digits of a text stay a text."""
    from importer.targets.tasks import TasksTarget

    request = {
        "external_id": "NaN",
        "queue": "q",
        "priority": 5,
        "type": "email",
        "description": "1e999",
        "attributes": {"a": "12345678901234567890"},
    }
    payload = TasksTarget.payload(None, request, Facts())  # type: ignore[arg-type]
    assert json.loads(json.dumps(payload, allow_nan=False))["customAttributes"] == {
        "a": "12345678901234567890",
        "externalId": "NaN",
        "source": "api-integration",
    }
