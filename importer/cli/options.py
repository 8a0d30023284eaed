"""The options and arguments that several commands share: name, type and help of each."""

from pathlib import Path
from typing import Annotated

import typer

File = Annotated[Path, typer.Argument(help="A .csv, .xlsx or .xlsm file.", show_default=False)]
Map = Annotated[str | None, typer.Option("--map", help="A mapping file (TOML).", metavar="FILE", show_default=False)]
Sheet = Annotated[str | None, typer.Option("--sheet", help="The sheet to read; default: the first visible one.")]
HeaderRow = Annotated[int | None, typer.Option("--header-row", min=1, help="The line of the headings; default: found.")]
Skip = Annotated[str | None, typer.Option("--skip", help="Lines to leave out, such as 17,20-25.", metavar="LINES")]
SkipReason = Annotated[str, typer.Option("--skip-reason", help="Why these lines are left out; kept in the plan.")]
Fixes = Annotated[
    Path | None, typer.Option("--fixes", help="Corrections of cells (JSON), as the page gives them.", metavar="FILE")
]
Out = Annotated[str | None, typer.Option("--out", help="The folder of reports; default: reports.", metavar="DIR")]
Rate = Annotated[str | None, typer.Option("--rate", help="The cap: 300/min, 5/s, 300/4s; default: 300/min.")]
Concurrency = Annotated[str | None, typer.Option("--concurrency", help="Calls in flight at most; default: 8.")]
TrackOption = Annotated[
    str | None,
    typer.Option("--track", help="none, created (one look) or closed (to the end, then audits); default: closed."),
]
TrackFor = Annotated[
    str | None, typer.Option("--track-for", help="How long to follow, such as 15m (the default without a terminal).")
]
Notifications = Annotated[
    bool | None,
    typer.Option(
        "--notifications/--no-notifications",
        help="Let the target tell when to look at tasks (workitems alone); default: they are polled.",
    ),
]
NoAudit = Annotated[bool, typer.Option("--no-audit", help="Do not fetch audit entries.")]
Canary = Annotated[
    str | None, typer.Option("--canary", help="So many rows go first and must be created before the rest.", metavar="N")
]
MaxFailures = Annotated[
    str | None, typer.Option("--max-failures", help="More failed rows than that stop the run.", metavar="N|P%")
]
Target = Annotated[
    str | None, typer.Option("--target", help="tasks, or workitems (what a live organisation has).", metavar="NAME")
]
Bulk = Annotated[
    bool | None,
    typer.Option("--bulk/--no-bulk", help="Create by jobs of up to 50; default: where the target has them."),
]
ServerCheck = Annotated[
    bool, typer.Option("--server-check", help="Have the target check the rows too, by jobs that are never started.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="Use the built-in sandbox; no account is needed.")]
Profile = Annotated[str | None, typer.Option("--profile", "-p", help="A profile of importer.toml.")]
StateDir = Annotated[str | None, typer.Option("--state-dir", help="The folder of ledger and plans.", metavar="DIR")]
Format = Annotated[str, typer.Option("--format", help="human or json.")]
OnDrift = Annotated[
    str | None,
    typer.Option(
        "--on-drift",
        help="Where queues changed since the plan: stop (default), or skip their rows.",
        metavar="stop|skip",
    ),
]
RequireApproval = Annotated[bool, typer.Option("--require-approval", help="Run approved plans alone.")]
PublicUrl = Annotated[str | None, typer.Option("--public-url", help="What the page is called outside.", metavar="URL")]
UserName = Annotated[str, typer.Argument(help="A person's name, as others know it.", show_default=False)]
Run = Annotated[str | None, typer.Argument(help="A run's ID, or its beginning.", show_default=False)]
OneRun = Annotated[str, typer.Argument(help="A run's ID, or its beginning.", show_default=False)]
PlanName = Annotated[str, typer.Argument(help="A plan's ID (or its beginning) or file.", show_default=False)]
