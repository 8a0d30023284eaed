"""The kinds of numbers that settings of the sandbox are made of, and their common rules. Pure."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _ascending(span: tuple[float, float]) -> tuple[float, float]:
    if span[0] > span[1]:
        raise ValueError(f"the shortest time comes first: [{span[1]}, {span[0]}]")
    return span


Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Span = Annotated[tuple[Seconds, Seconds], AfterValidator(_ascending)]


class Settings(BaseModel):
    """A table of settings: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
