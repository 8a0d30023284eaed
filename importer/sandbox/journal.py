"""The journal of what really happened at a sandbox: append-only JSON lines, for a referee who trusts nobody else.

    start      a process began: world, tasks that it had, `monotonic` and `now` of the same moment, limit, lag, uniqueness
    arrived    a call came in: n, monotonic, at, method, path, operation, fault (where it is known by then)
    read       a call to create was read whole: n, external_id, sha256 of its body, bytes, fault; `external_ids` too
               where the call asks for several, `external_id` being null then
    committed  a task exists from now on: n of the call that asked for it, task_id, external_id, late
    answered   n, monotonic (taken before the first byte), status, retry_after, fault, sent: handed to the socket or not

Each fact is one write of one line; all but `answered` are written before the client can learn of them. `n` counts from
1 in each process.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Fact = Mapping[str, Any]
Note = Callable[[Fact], None]


def unnoted(fact: Fact) -> None:
    """Keep nothing."""


class Journal:
    """An open journal; several processes may append to one, each line stays whole. Closed by `close` or the block."""

    def __init__(self, path: Path) -> None:
        """Open or make `path` with mode 0600; raises OSError."""
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, fact: Fact) -> None:
        """Write a fact; raises OSError where the disk did not take the whole line."""
        line = json.dumps(fact, separators=(",", ":")).encode() + b"\n"
        if os.write(self._file, line) != len(line):
            raise OSError(f"the disk took only a part of a line of {self._path}")

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
