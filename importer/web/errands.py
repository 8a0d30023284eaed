"""Errands: what goes on for a draft after the answer was given: a preview, or a plan. One at a time for each draft."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from importer.core.errors import ImporterError
from importer.logs import places

log = logging.getLogger(__name__)

PATIENCE_S = 1.0
"""So long the answer waits for an errand: a small file needs no page that says to wait."""


class Errands:
    """Owns its tasks; `close` ends them. How an errand ended is kept until the next one of the same draft."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._problems: dict[str, ImporterError] = {}

    async def begin(self, draft: str, work: Coroutine[Any, Any, object], patience_s: float = PATIENCE_S) -> None:
        """Begins an errand, and waits for its end, but not for long. One that is under way goes on, and this one is not begun."""
        task = self._tasks.get(draft)
        if task is None:
            self._problems.pop(draft, None)
            task = self._tasks[draft] = asyncio.create_task(self._carried_out(draft, work))
        else:
            work.close()
        await asyncio.wait({task}, timeout=patience_s)

    def under_way(self, draft: str) -> bool:
        """Whether something goes on for a draft."""
        return draft in self._tasks

    def problem(self, draft: str) -> ImporterError | None:
        """Why the last errand of a draft did not end well."""
        return self._problems.get(draft)

    async def close(self) -> None:
        """Ends all errands; drafts can be previewed again."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carried_out(self, draft: str, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except ImporterError as problem:
            self._problems[draft] = problem
        except Exception as problem:  # noqa: BLE001 - the door of the task: nobody waits for it
            log.error("errand failed", extra={"trace": places(problem)})
            self._problems[draft] = ImporterError(
                "Something went wrong here.", "Try again. Whoever runs this server finds more in its log."
            )
        finally:
            self._tasks.pop(draft, None)
