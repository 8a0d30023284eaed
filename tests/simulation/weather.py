"""Weather: everything that chance decides about one simulated run, drawn from a seed. Decides; does nothing."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from importer.sandbox.scenario import Fault, Life, Limit, Scenario
from importer.sandbox.workitems.settings import WorkitemLife, WorkitemSettings

Death = Literal["turn", "before a write", "after a write"]
Trouble = Literal["refused", "cut", "deaf", "overdue"]

TROUBLES: tuple[Trouble, ...] = ("refused", "cut", "deaf", "overdue")
"""No connection; the request is lost on its way; the answer comes too late; the request is carried out too late."""

CREATE_FAULTS = (
    *(f"status:{status}" for status in (400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504)),
    *(
        "reset_before",
        "reset_after",
        "reset_late",
        "error_after",
        "hang",
        "hang_after",
        "html",
        "html_after",
        "redirect",
    ),
    *("truncated", "short", "empty", "no_id", "wrong_type", "duplicate_keys", "bad_utf8"),
)
READ_FAULTS = (
    *(f"status:{status}" for status in (401, 403, 408, 429, 500, 502, 503, 504)),
    *("reset_before", "reset_after", "hang", "hang_after", "html", "redirect"),
    *("truncated", "short", "empty", "no_id", "wrong_type", "bad_utf8", "empty_page"),
)
TOKEN_FAULTS = ("status:429", "status:500", "status:503", "reset_before", "hang", "html", "truncated", "empty")
ANY_FAULTS = tuple(kind for kind in READ_FAULTS if kind in TOKEN_FAULTS)
HINTS = ("1", "3", "0", "date+2", "date+5", "date-3", "soon", "-4", "1e9", "", "400")
"""What Retry-After may say; some of it makes no sense, and 400 s are more than anyone waits."""

LIFE = Life(
    queued=(1, 4), assigned=(1, 5), accepted=(1, 3), working=(1, 9), wrapup=(1, 3), closed=(1, 4), skip=0.2, back=0.2
)
WORKITEM_LIFE = WorkitemLife(alerting=(0.5, 4), connected=(1, 5), working=(1, 5), disconnected=(1, 4), closed=(1, 4))
WORKITEM_CREATES = ("workitem_create", "bulk_add_create", "bulk_add_patch", "bulk_add_delete")
WORKITEM_READS = (
    "workitem_query",
    "workitem_get",
    "workitem_versions",
    "bulk_add_get",
    "bulk_add_results",
    "token_get",
)
DONE_ALL_THE_SAME = ("reset_after", "reset_late", "error_after", "hang_after", "truncated", "empty") * 2
WORKITEM_READ_FAULTS = tuple(kind for kind in READ_FAULTS if kind != "empty_page")
"""A query of workitems has no total: an empty page without a cursor cannot be told from the truth."""
CLOSED_FOR_S = (1.0, 25.0)


@dataclass(frozen=True, slots=True)
class Network:
    """How long a call's three legs take, in seconds [shortest, longest], and what goes wrong with some calls."""

    up_s: tuple[float, float]
    served_s: tuple[float, float]
    down_s: tuple[float, float]
    troubles: Mapping[int, Trouble]  # by the number of the call


@dataclass(frozen=True, slots=True)
class Ending:
    """How and when a process dies: in its n-th turn of the loop, or at its n-th write to the ledger."""

    kind: Death
    n: int
    restart_s: float  # how long until the next one starts
    known: bool  # whether the next one can tell that this one is gone
    power: bool  # the whole machine went down


@dataclass(frozen=True, slots=True)
class Weather:
    """One seed's choices. Times are seconds."""

    seed: int
    rows: int
    concurrency: int
    rate: tuple[int, float]  # calls, window
    patience_s: float  # a call's time-out
    lag_s: float  # what the importer is told
    scenario: Scenario
    skew_s: float  # the server's clock against ours
    network: Network
    endings: tuple[Ending, ...]
    canary: int
    track: Literal["none", "created", "closed"]
    tokens_die_at: tuple[float, ...]
    queue_turns_at: tuple[tuple[float, float], ...]  # when, and for how long
    stopped_at: float | None  # someone presses Ctrl-C
    held_up: tuple[int, float] | None  # in which turn of its loop each process stands still, and for how long
    target: str = "tasks"
    bulk: int | None = None  # rows a job; None: row by row
    singly: frozenset[int] = frozenset()  # processes that are told to go row by row all the same


def weather(seed: int) -> Weather:
    """The weather of a seed."""
    dice = random.Random(f"weather {seed}")
    lag_s = dice.choice((3.0, 5.0, 8.0))
    late_s = dice.choice((0.0, 0.5, 1.5))  # how much later than its client knows may a request be carried out
    patience_s = dice.choice((1.0, 2.0, 5.0))
    rate = dice.choice(((8, 1.0), (20, 1.0), (30, 5.0), (100, 10.0), (300, 60.0)))
    rows = dice.randint(12, 40)
    faults = tuple(_fault(dice, late_s, patience_s) for _ in range(dice.randint(1, 4)))
    shown = any(fault.kind == "empty_page" for fault in faults)  # such a page can only be told by its total
    limit = Limit(
        calls=rate[0],
        window_s=rate[1],
        kind=dice.choice(("sliding", "fixed", "bucket")),
        retry_after=dice.choice(("seconds", "date", "absent")),
        headers=dice.random() < 0.7,
    )
    scenario = Scenario(
        unique=dice.random() < 0.4,
        idempotency=dice.choice(("ignored", "ignored", "honoured")),
        index_lag_s=round(dice.uniform(0.0, lag_s - late_s - 1.0), 3),
        totals=shown or dice.random() < 0.8,
        token_lifetime_s=dice.choice((2, 15, 86399)),
        scope_told=dice.random() < 0.5,
        limit=limit,
        life=LIFE,
        faults=faults,
    )
    return Weather(
        seed=seed,
        rows=rows,
        concurrency=dice.choice((1, 2, 4, 8)),
        rate=rate,
        patience_s=patience_s,
        lag_s=lag_s,
        scenario=scenario,
        skew_s=dice.choice((0.0, 0.0, 0.7, -600.0, 600.0)),
        network=_network(dice, rows),
        endings=tuple(_ending(dice) for _ in range(dice.choice((0, 1, 2, 4)))),
        canary=dice.choice((0, 0, 3)),
        track=dice.choice(("none", "none", "created", "closed")),
        tokens_die_at=tuple(dice.uniform(0, 20) for _ in range(dice.choice((0, 0, 1, 3)))),
        queue_turns_at=tuple((dice.uniform(0, 10), dice.uniform(*CLOSED_FOR_S)) for _ in range(dice.choice((0, 0, 1)))),
        stopped_at=dice.uniform(0, 15) if dice.random() < 0.15 else None,
        held_up=(int(10 ** dice.uniform(0.3, 3.0)), dice.choice((2.0, 12.0, 50.0))) if dice.random() < 0.2 else None,
    )


def workitem_weather(seed: int) -> Weather:
    """The same for workitems: what the platform's definition leaves open is answered by chance."""
    dice = random.Random(f"workitems {seed}")
    chosen = weather(seed)
    late_s = dice.choice((0.0, 0.5, 1.5))
    queued_s, running_s = dice.choice((0.2, 2.0, 8.0)), dice.choice((0.2, 2.0, 8.0))
    settings = WorkitemSettings(
        status_404_after_create_s=dice.choice((0.0, 0.5, 2.0)),
        in_external_tag=dice.random() < 0.6,
        in_values_max=dice.choice((1, 7, 100)),
        empty_pages=dice.choice((0, 0, 1, 3)),
        page_fill=dice.choice((1.0, 1.0, 0.5)),
        results_shuffled=dice.random() < 0.5,
        bulk_queued=(0.0, queued_s),
        bulk_running=(0.0, running_s),
        bulk_jobs_concurrent=dice.choice((1, 2, 10)),
        acd_started_per_queue=dice.choice((None, None, 10)),
        life=WORKITEM_LIFE,
    )
    scenario = chosen.scenario.model_copy(
        update={
            "unique": False,
            "index_lag_s": round(dice.uniform(0.0, chosen.lag_s - late_s - 1.0), 3),
            "faults": tuple(_workitem_fault(dice, late_s, chosen.patience_s) for _ in range(dice.randint(0, 4))),
            "workitems": settings,
        }
    )
    return replace(
        chosen,
        scenario=scenario,
        target="workitems",
        bulk=dice.choice((3, 7, 50, None)),
        queue_turns_at=(),
        singly=frozenset(dice.sample(range(1, 8), dice.choice((0, 0, 3)))),
    )


def _workitem_fault(dice: random.Random, late_s: float, patience_s: float) -> Fault:
    operation = dice.choice((*WORKITEM_CREATES, *WORKITEM_CREATES, *WORKITEM_READS, "token", "any"))
    kinds = {"token": TOKEN_FAULTS, "any": ANY_FAULTS}.get(operation, WORKITEM_READ_FAULTS)
    kind = dice.choice((*CREATE_FAULTS, *DONE_ALL_THE_SAME) if operation in WORKITEM_CREATES else kinds)
    fault = _made(dice, operation, kind, late_s, patience_s)
    if "bulk" in operation and dice.random() < 0.7:  # of jobs there are few
        return fault.model_copy(update={"at": tuple(sorted(dice.sample(range(1, 6), 2))), "probability": None})
    return fault


def _fault(dice: random.Random, late_s: float, patience_s: float) -> Fault:
    operation = dice.choice(("create", "create", "create", "find", "get", "token", "any"))
    kinds = {"create": CREATE_FAULTS, "token": TOKEN_FAULTS, "any": ANY_FAULTS}.get(operation, READ_FAULTS)
    kind = dice.choice(kinds)
    return _made(dice, operation, kind, late_s, patience_s)


def _made(dice: random.Random, operation: str, kind: str, late_s: float, patience_s: float) -> Fault:
    more: dict[str, Any] = {}
    if kind in ("status:429", "status:503") and dice.random() < 0.8:
        more["retry_after"] = dice.choice(HINTS)
    if kind == "reset_late":
        more["seconds"] = late_s
    if kind in ("hang", "hang_after"):
        more["seconds"] = round(dice.uniform(0.2, 2.5) * patience_s, 3)
    if kind == "error_after":
        more["status"] = dice.choice((408, 500, 502, 503, 504))
    if kind.startswith("html"):
        more["status"] = dice.choice((200, 502, 503))
    if dice.random() < 0.5:
        more["at"] = tuple(sorted(dice.sample(range(1, 30), dice.randint(1, 4))))
    else:
        more["probability"] = dice.choice((0.05, 0.2, 0.6))
        more["times"] = dice.randint(1, 12)
    return Fault.model_validate({"operation": operation, "kind": kind, **more})


def _network(dice: random.Random, rows: int) -> Network:
    slow = dice.choice((0.01, 0.05, 0.3))
    troubled = dice.sample(range(1, rows + 10), dice.choice((0, 0, 1, 3)))
    return Network(
        up_s=(0.001, slow),
        served_s=(0.001, slow),
        down_s=(0.001, slow),
        troubles={number: dice.choice(TROUBLES) for number in sorted(troubled)},
    )


def _ending(dice: random.Random) -> Ending:
    kind: Death = dice.choice(("turn", "turn", "before a write", "after a write"))
    n = int(10 ** dice.uniform(0.3, 3.4)) if kind == "turn" else int(10 ** dice.uniform(0.0, 2.0))
    restart_s = dice.choice((0.0, 0.01, 1.0, 40.0))
    return Ending(kind, n, restart_s, known=dice.random() < 0.7, power=dice.random() < 0.2)
