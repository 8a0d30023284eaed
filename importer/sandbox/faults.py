"""Which call goes wrong and what its answer then looks like. Decides; the server carries it out."""

import json
import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from email.utils import formatdate

from importer.sandbox.answers import Answer, error
from importer.sandbox.scenario import Fault
from importer.sandbox.workitems.names import CREATES

HUGE_BYTES = 5_000_000
BOMB_BYTES = 100_000_000
GZIP = 31
"""zlib's window size that stands for the gzip format."""
HTML = b"<html><head><title>Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


class FaultPlan:
    """Counts calls and picks the fault of each; the same seed and the same calls give the same faults."""

    def __init__(self, rules: Iterable[Fault], seed: int, per_row: int | None = None) -> None:
        self.rules = tuple(rules)
        self._per_row = per_row
        self._chance = random.Random(f"{seed}:faults")
        self._calls: Counter[str] = Counter()
        self._hits: Counter[int] = Counter()
        self._rows: Counter[str] = Counter()

    def needs_row(self, operation: str) -> bool:
        """Whether `next` wants to know the external ID of a call of `operation`."""
        return self._per_row is not None and operation in ("create", *CREATES)

    def next(self, operation: str, row: str | None = None) -> Fault | None:
        """The fault of this call of `operation`, or None; every call that the limit let pass is counted here once.

        A `row` that was hit as often as one may be is spared.
        """
        self._calls[operation] += 1
        self._calls["any"] += 1
        for number, rule in enumerate(self.rules):
            if rule.operation in (operation, "any") and self._strikes(number, rule):
                if row is not None and self._per_row is not None:
                    if self._rows[row] >= self._per_row:
                        return None
                    self._rows[row] += 1
                self._hits[number] += 1
                return rule
        return None

    def _strikes(self, number: int, rule: Fault) -> bool:
        if rule.times is not None and self._hits[number] >= rule.times:
            return False
        n = self._calls[rule.operation]
        if rule.probability is not None and self._chance.random() < rule.probability:
            return True
        if n in rule.at or (rule.every is not None and n % rule.every == 0):
            return True
        return rule.probability is None and rule.every is None and not rule.at


def instead_of(fault: Fault) -> int | None:
    """The status that a fault answers with without any processing, or None if the call is processed."""
    if fault.kind.startswith("status:"):
        return int(fault.kind.removeprefix("status:"))
    if fault.kind == "html":
        return fault.status or 200
    return 307 if fault.kind == "redirect" else None


def distorted(answer: Answer, fault: Fault, now: float) -> Answer:
    """The answer after the fault had its way with it; kinds that concern the connection leave it as it is."""
    changed = _DISTORTIONS.get(fault.kind, _as_it_is)(answer, fault)
    if fault.body is not None:
        changed = replace(changed, body=fault.body.encode("utf-8", "surrogatepass"))
    if fault.retry_after is not None:
        header = retry_after(str(fault.retry_after), now)
        changed = replace(changed, headers={**changed.headers, "Retry-After": header})
    return changed


def retry_after(setting: str, now: float) -> str:
    """The header's value: verbatim, but `date+N` and `date-N` become an HTTP date N seconds from `now`."""
    if not setting.startswith(("date+", "date-")):
        return setting
    return formatdate(now + float(setting.removeprefix("date")), usegmt=True)


def _as_it_is(answer: Answer, fault: Fault) -> Answer:  # noqa: ARG001 - the signature is the table's
    return answer


def _body(change: Callable[[bytes], bytes], status: int | None = None) -> Callable[[Answer, Fault], Answer]:
    """What a fault makes of a body; of a 204 there is nothing to spoil."""

    def changed(answer: Answer, fault: Fault) -> Answer:  # noqa: ARG001 - the signature is the table's
        return replace(answer, body=change(answer.body), status=status or answer.status) if answer.body else answer

    return changed


def _html(answer: Answer, fault: Fault) -> Answer:
    return Answer(fault.status or 200, HTML, {**answer.headers, "Content-Type": "text/html"})


def _short(answer: Answer, fault: Fault) -> Answer:  # noqa: ARG001 - the signature is the table's
    return replace(answer, headers={**answer.headers, "Content-Length": str(len(answer.body) + 100)})


def _without_id(body: bytes) -> bytes:
    value = json.loads(body)
    if isinstance(value, dict):
        value.pop("id", None)
        value["entities"] = [{k: v for k, v in each.items() if k != "id"} for each in value.get("entities", [])]
        if not value["entities"]:
            del value["entities"]
    return json.dumps(value, ensure_ascii=False).encode()


def _padded(body: bytes) -> bytes:
    return b'{"padding":"' + b"x" * HUGE_BYTES + b'",' + body.lstrip()[1:]


def _twice(body: bytes) -> bytes:
    return b'{"id":"00000000-0000-4000-8000-000000000000",' + body.lstrip()[1:]


def _bomb(answer: Answer, fault: Fault) -> Answer:  # noqa: ARG001 - the signature is the table's
    packer = zlib.compressobj(9, wbits=GZIP)
    packed = [packer.compress(b" " * 1_000_000) for _ in range(BOMB_BYTES // 1_000_000)]
    body = b"".join([*packed, packer.compress(answer.body), packer.flush()])
    return replace(answer, body=body, headers={**answer.headers, "Content-Encoding": "gzip"})


def _redirect(answer: Answer, fault: Fault) -> Answer:
    location = fault.body or "http://redirected.invalid/"
    return Answer(fault.status or 307, b"", {**answer.headers, "Location": location})


def _emptied(body: bytes) -> bytes:
    value = json.loads(body)
    return json.dumps({**value, "entities": []} if isinstance(value, dict) else value, ensure_ascii=False).encode()


_DISTORTIONS: dict[str, Callable[[Answer, Fault], Answer]] = {
    "error_after": lambda _, fault: error(fault.status or 500),
    "html": _html,
    "html_after": _html,
    "redirect": _redirect,
    "truncated": _body(lambda body: body[: max(1, len(body) // 2)]),
    "short": _short,
    "empty": _body(lambda _: b"", status=200),
    "no_id": _body(_without_id),
    "wrong_type": _body(lambda body: b"[" + body + b"]"),
    "duplicate_keys": _body(_twice),
    "bad_utf8": _body(lambda body: body.replace(b'{"', b'{"\xff\xfe', 1)),
    "huge": _body(_padded),
    "gzip_bomb": _bomb,
    "empty_page": _body(_emptied),
}
