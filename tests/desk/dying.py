"""A process that works on an upload until it is killed: a program for tests/desk/test_killed.py."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from importer.core.fixes import FixMany
from tests.desk.room import ANNA, HEADINGS, opened


async def main(folder: Path, when: str) -> None:
    """Uploads, previews, fixes; then previews again, makes the plan, or fixes many, and dies in the middle of it."""
    async with opened(folder) as room:
        lines = [f"E-{n},Billing,{n % 3 * 60},email,some text" for n in range(400)]
        head = await room.previewed("\n".join([HEADINGS, *lines]))
        await room.drafting.fix(head.id, head.revision, 4, 2, "120", "9", ANNA)
        head = await room.drafting.head(head.id)
        seen = 0

        async def die() -> None:
            nonlocal seen
            print(head.id, flush=True)  # noqa: T201
            os.kill(os.getpid(), signal.SIGKILL)

        if when in ("preview", "plan"):
            drafting = room.drafting
            going_on = asyncio.ensure_future(
                drafting.preview(head.id) if when == "preview" else drafting.plan(head.id, head.revision, ANNA)
            )
            while (await drafting.head(head.id)).rows_done < 100:  # noqa: ASYNC110 - the loop's turns are what is waited for
                await asyncio.sleep(0)
            await die()
            await going_on
        changing = asyncio.ensure_future(
            room.drafting.fix_many(head.id, head.revision, FixMany("replace", 2, "7", "60"), ANNA)
        )
        while not list((folder / "drafts" / head.id).glob("draft.sqlite-wal")):  # noqa: ASYNC110
            await asyncio.sleep(0)
        await die()
        await changing


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
