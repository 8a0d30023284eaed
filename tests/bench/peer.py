"""The named peer of the benchmarks: pandas reads the file, a pydantic model is made of each row, repeats are counted."""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import BaseModel, Field, StringConstraints, ValidationError

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Row(BaseModel):
    """The same rules as the importer's, written as anyone would."""

    external_id: Annotated[Text, Field(max_length=100)]
    queue: Annotated[Text, Field(max_length=200)]
    priority: Annotated[int, Field(ge=0, le=99)] = 50
    description: Annotated[Text, Field(max_length=255)]
    type: Literal["call", "callback", "chat", "email", "message", "workitem"] = "email"
    due_at: str = ""
    customer_ref: str = ""
    notes: str = ""


def check(path: Path) -> Counter[str]:
    """Counts by verdict."""
    if path.suffix == ".csv":
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    else:
        table = pd.read_excel(path, dtype=str, keep_default_na=False, engine="openpyxl")
    counts: Counter[str] = Counter()
    seen: dict[str, Row] = {}
    problems = []
    columns = [str(name) for name in table.columns]
    for values in table.itertuples(index=False, name=None):
        try:
            row = Row(**dict(zip(columns, values, strict=True)))
        except ValidationError as found:
            problems.append(found.errors())
            counts["invalid"] += 1
            continue
        counts["duplicate" if row.external_id in seen else "ready"] += 1
        seen.setdefault(row.external_id, row)
    return counts


if __name__ == "__main__":
    sys.stdout.write(f"{dict(check(Path(sys.argv[1])))}\n")
