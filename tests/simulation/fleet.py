"""Fleet: many seeds at once, on two processors."""

import logging
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.simulation.judge import wrongs
from tests.simulation.voyage import sailed

WORKERS = 2
MEMORY = Path("/dev/shm")
"""Files of a simulation need no disk: nothing in it loses power."""


def tried(seeds: Iterable[int]) -> dict[int, list[str]]:
    """What is wrong, by seed; seeds with which nothing is are left out."""
    with ProcessPoolExecutor(WORKERS) as pool:
        found = list(pool.map(_tried, seeds, chunksize=10))
    return {seed: what for seed, what in found if what}


def _tried(seed: int) -> tuple[int, list[str]]:
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        try:
            return seed, wrongs(sailed(seed, Path(folder)))
        except Exception as problem:  # noqa: BLE001 - a door: the seed must be known
            return seed, [f"{type(problem).__name__}: {problem}"]
