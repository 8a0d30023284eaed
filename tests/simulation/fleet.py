"""Fleet: many seeds at once, on two processors."""

import logging
import multiprocessing
import tempfile
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.simulation.judge import wrongs
from tests.simulation.voyage import Voyage, sailed

WORKERS = 2
MEMORY = Path("/dev/shm")
"""Files of a simulation need no disk: nothing in it loses power."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What is wrong by seed, seeds with which nothing is left out; and how often what went wrong in their worlds."""

    wrong: dict[int, list[str]]
    met: Counter[str]


def tried(seeds: Iterable[int], target: str = "tasks") -> Tried:
    """All seeds, each in an empty folder."""
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(partial(_tried, target), seeds, chunksize=10))
    met: Counter[str] = Counter()
    for _, _, each in found:
        met.update(each)
    return Tried({seed: what for seed, what, _ in found if what}, met)


def _tried(target: str, seed: int) -> tuple[int, list[str], Counter[str]]:
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        try:
            voyage = sailed(seed, Path(folder), target)
        except Exception as problem:  # noqa: BLE001 - a door: the seed must be known
            return seed, [f"{type(problem).__name__}: {problem}"], Counter()
    return seed, wrongs(voyage), _met(voyage)


def _met(voyage: Voyage) -> Counter[str]:
    met = Counter(f"fault {visit.fault.kind}" for visit in voyage.site.service.visits if visit.fault)
    for line in voyage.site.journal:
        words = line.split(maxsplit=1)[1]
        if " dies (" in words:
            met["death " + words.partition("(")[2].rstrip(")").rpartition(" ")[0]] += 1
        elif words.endswith(")") and words.startswith("#"):
            met["network " + words.rpartition("(")[2].rstrip(")")] += 1
        elif not words.startswith(("#", "process")):
            met[words] += 1
    return met
