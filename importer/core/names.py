"""Names that resemble each other: suggestions for a person, never a match."""

from collections.abc import Sequence
from functools import lru_cache

ALIKE = 80.0
"""From this score (of 100) on, `token_sort_ratio` makes a suggestion. `WRatio` maps “Video” to “id”; it is not used."""


def nearest(name: str, candidates: Sequence[str], most: int = 3) -> list[str]:
    """Up to `most` candidates that resemble `name`, the nearest first."""
    return list(_nearest(name, tuple(candidates), most))


@lru_cache(maxsize=1024)
def _nearest(name: str, candidates: tuple[str, ...], most: int) -> tuple[str, ...]:
    """A misspelt name usually stands in many rows; it is looked up once."""
    from rapidfuzz import fuzz, process, utils  # 14 ms that only a misspelt name has to pay

    hits = process.extract(
        name, candidates, scorer=fuzz.token_sort_ratio, processor=utils.default_process, score_cutoff=ALIKE, limit=most
    )
    return tuple(dict.fromkeys(hit[0] for hit in hits))


def did_you_mean(name: str, candidates: Sequence[str]) -> str:
    """` Did you mean “a” or “b”?`, or an empty text where nothing resembles `name`."""
    near = nearest(name, candidates)
    return f" Did you mean {' or '.join(f'“{each}”' for each in near)}?" if near else ""
