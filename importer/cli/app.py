"""The command tree: one function a command, each with its help. The work is done in the modules beside this one."""

from pathlib import Path
from typing import Annotated

import typer

from importer.cli.options import (
    Bulk,
    Canary,
    Concurrency,
    File,
    Fixes,
    Format,
    HeaderRow,
    Map,
    MaxFailures,
    NoAudit,
    Notifications,
    OnDrift,
    OneRun,
    Out,
    PlanName,
    Profile,
    PublicUrl,
    Rate,
    RequireApproval,
    Run,
    Sandbox,
    ServerCheck,
    Sheet,
    Skip,
    SkipReason,
    StateDir,
    Target,
    TrackFor,
    TrackOption,
    UserName,
    Yes,
)

EXIT_CODES = """
Exit codes: 0 done, all rows fine (or nothing to do) · 1 unexpected failure, the message names the log; or all was done but the reports · 2 wrong usage,
settings or unreadable file · 3 rows with errors were found (check, preview) · 4 approval missing, or plan altered or
stale · 5 the run ended, or was stopped for failing rows, and some were not created · 6 not authorised: credentials or scope · 7 service
unavailable, resume will continue · 8 another importer sends, or has taken the run over · 130/143 interrupted, resume will continue
"""

app = typer.Typer(
    name="importer",
    help="Turns spreadsheets of task requests into Genesys Cloud tasks: previewed, approved, created exactly once, followed to the end.",
    epilog=EXIT_CODES,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
plan_app = typer.Typer(help="Looks at plans.", rich_markup_mode=None, no_args_is_help=True)
approver_app = typer.Typer(help="Whose decisions count that come by mail.", rich_markup_mode=None, no_args_is_help=True)
app.add_typer(approver_app, name="approver")
config_app = typer.Typer(help="Shows the settings in force.", rich_markup_mode=None, no_args_is_help=True)
app.add_typer(plan_app, name="plan")
ledger_app = typer.Typer(help="Looks at the ledger.", rich_markup_mode=None, no_args_is_help=True)
app.add_typer(config_app, name="config")
app.add_typer(ledger_app, name="ledger")
serve_app = typer.Typer(rich_markup_mode=None)
app.add_typer(serve_app, name="serve")
user_app = typer.Typer(help="Who may use the page, and as what.", rich_markup_mode=None, no_args_is_help=True)
serve_app.add_typer(user_app, name="user")


@app.callback(invoke_without_command=True)
def importer(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Turns spreadsheets of task requests into Genesys Cloud tasks."""
    if version:
        from importer import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.command()
def check(
    file: File, map: Map = None, sheet: Sheet = None, header_row: HeaderRow = None, skip: Skip = None,  # noqa: A002
    target: Target = None, profile: Profile = None, state_dir: StateDir = None, format: Format = "human",  # noqa: A002
) -> int:  # fmt: skip
    """Judges a file offline: headings, values, repeats. Sends nothing and needs no credentials."""
    from importer.cli import look

    flags = {"map": map, "state_dir": state_dir, "target": target}
    return look.check(file, look.Asked(sheet, header_row, skip), flags, profile, format)


@app.command()
def preview(
    file: File, map: Map = None, sheet: Sheet = None, header_row: HeaderRow = None, skip: Skip = None,  # noqa: A002
    skip_reason: SkipReason = "", fixes: Fixes = None,
    out: Out = None, rate: Rate = None, target: Target = None, server_check: ServerCheck = False,
    sandbox: Sandbox = False, profile: Profile = None,
    state_dir: StateDir = None, format: Format = "human",  # noqa: A002
) -> int:  # fmt: skip
    """Judges a file against the target's queues and tasks; writes a plan and two reports. Changes nothing there."""
    from importer.cli import look

    flags = {
        "map": map, "out": out, "rate": rate, "target": target, "server_check": server_check or None,
        "sandbox": sandbox or None, "state_dir": state_dir,
    }  # fmt: skip
    return look.preview(file, look.Asked(sheet, header_row, skip, skip_reason, fixes), flags, profile, format)


@app.command()
def run(
    source: Annotated[str, typer.Argument(help="A plan (ID or file), or a .csv/.xlsx file.", show_default=False)],
    map: Map = None, sheet: Sheet = None, header_row: HeaderRow = None, skip: Skip = None,  # noqa: A002
    skip_reason: SkipReason = "", fixes: Fixes = None,
    out: Out = None, rate: Rate = None, concurrency: Concurrency = None, track: TrackOption = None,
    track_for: TrackFor = None, no_audit: NoAudit = False, require_approval: RequireApproval = False,
    canary: Canary = None, max_failures: MaxFailures = None, target: Target = None, bulk: Bulk = None,
    on_drift: OnDrift = None, server_check: ServerCheck = False,
    notifications: Notifications = None,
    yes: Yes = False, sandbox: Sandbox = False, profile: Profile = None, state_dir: StateDir = None,
    format: Format = "human",  # noqa: A002
) -> int:  # fmt: skip
    """Creates the tasks of a plan, or of a file after a preview and a question; follows them; writes the results."""
    from importer.cli import look, send

    flags = {
        "map": map, "out": out, "rate": rate, "concurrency": concurrency, "track": track, "track_for": track_for,
        "audit": False if no_audit else None, "require_approval": require_approval or None,
        "sandbox": sandbox or None, "state_dir": state_dir, "canary": canary, "max_failures": max_failures,
        "target": target, "bulk": bulk, "server_check": server_check or None, "notifications": notifications,
        "on_drift": on_drift,
    }  # fmt: skip
    return send.run(source, look.Asked(sheet, header_row, skip, skip_reason, fixes), flags, profile, format, yes=yes)


@app.command()
def resume(
    run: Run = None, out: Out = None, rate: Rate = None, concurrency: Concurrency = None, track: TrackOption = None,
    track_for: TrackFor = None, no_audit: NoAudit = False, canary: Canary = None, max_failures: MaxFailures = None,
    bulk: Bulk = None, notifications: Notifications = None, sandbox: Sandbox = False, profile: Profile = None,
    state_dir: StateDir = None, format: Format = "human",  # noqa: A002
) -> int:  # fmt: skip
    """Carries a run on after any end; without RUN all unfinished ones, oldest first."""
    from importer.cli import again

    flags = {
        "out": out, "rate": rate, "concurrency": concurrency, "track": track, "track_for": track_for,
        "audit": False if no_audit else None, "sandbox": sandbox or None, "state_dir": state_dir,
        "canary": canary, "max_failures": max_failures, "bulk": bulk,
        "notifications": notifications,
    }  # fmt: skip
    return again.resume(run, flags, profile, format)


@app.command()
def reconcile(
    run: Run = None,
    resend: Annotated[bool, typer.Option("--resend", help="Send rows again that are surely absent.")] = False,
    adopt: Annotated[bool, typer.Option("--adopt", help="Take over a ledger that has moved here for good.")] = False,
    out: Out = None, rate: Rate = None, sandbox: Sandbox = False, profile: Profile = None,
    state_dir: StateDir = None, format: Format = "human",  # noqa: A002
) -> int:  # fmt: skip
    """Looks up rows whose outcome is unknown, and sends nothing (but with --resend); without RUN in all runs."""
    from importer.cli import settle

    flags = {"out": out, "rate": rate, "sandbox": sandbox or None, "state_dir": state_dir}
    return settle.reconcile(run, flags, profile, format, resend=resend, adopt=adopt)


@app.command()
def track(
    run: OneRun, out: Out = None, rate: Rate = None, track: TrackOption = None, track_for: TrackFor = None,
    no_audit: NoAudit = False, notifications: Notifications = None, sandbox: Sandbox = False, profile: Profile = None,
    state_dir: StateDir = None, format: Format = "human",  # noqa: A002
) -> int:  # fmt: skip
    """Follows the states of a run's tasks later, tomorrow too, and fills the results further."""
    from importer.cli import again

    flags = {
        "out": out, "rate": rate, "track": track, "track_for": track_for, "audit": False if no_audit else None,
        "notifications": notifications, "sandbox": sandbox or None, "state_dir": state_dir,
    }  # fmt: skip
    return again.track(run, flags, profile, format)


@app.command()
def report(
    run: OneRun, out: Out = None, results: Annotated[str, typer.Option("--results", help="Some of xlsx, json, csv, rejects and annotated, with commas; default: xlsx,json.")] = "",
    profile: Profile = None, state_dir: StateDir = None, format: Format = "human",  # noqa: A002
) -> int:  # fmt: skip
    """Writes the reports of a run again, at any time."""
    from importer.cli import books

    return books.report(run, results, {"out": out, "state_dir": state_dir}, profile, format)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="The folder of a run's reports.", show_default=False)],
    given: Annotated[Path | None, typer.Option("--input", help="The file that was read, where the folder has no copy.", metavar="FILE")] = None,
    format: Format = "human",  # noqa: A002
) -> int:  # fmt: skip
    """Checks a run's folder: input, plan, approval, results and log are what was sealed, and agree. Needs no account."""
    from importer.cli import seal

    return seal.verify(folder, given, format)


@app.command()
def status(run: Run = None, profile: Profile = None, state_dir: StateDir = None, format: Format = "human") -> int:  # noqa: A002
    """Shows how far a run is; without RUN the newest."""
    from importer.cli import books

    return books.status(run, {"state_dir": state_dir}, profile, format)


@app.command()
def runs(profile: Profile = None, state_dir: StateDir = None, format: Format = "human") -> int:  # noqa: A002
    """Lists all runs."""
    from importer.cli import books

    return books.runs({"state_dir": state_dir}, profile, format)


@app.command()
def approve(
    plan: PlanName,
    comment: Annotated[str, typer.Option("--comment", help="Why; kept with the decision.")] = "",
    reject: Annotated[bool, typer.Option("--reject", help="Reject instead.")] = False,
    expires: Annotated[str | None, typer.Option("--expires", help="How long it holds; default: 24h.", metavar="24h")] = None,
    skip: Annotated[str | None, typer.Option("--skip", help="Rows to leave out, such as 17,20-25.", metavar="LINES")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why they are left out.")] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Write the decision to a file too, to be mailed.", metavar="FILE")] = None,
    given: Annotated[Path | None, typer.Option("--from", help="Take a decision over that was made elsewhere.", metavar="FILE")] = None,
    profile: Profile = None, state_dir: StateDir = None, format: Format = "human",  # noqa: A002
) -> int:  # fmt: skip
    """Records who approves exactly this plan, and when."""
    from importer.cli import plans

    asked = plans.Decided(comment, not reject, expires, skip, reason, to, given)
    return plans.approve(plan, asked, {"state_dir": state_dir}, profile, format)


@approver_app.command("add")
def approver_add(
    name: Annotated[str, typer.Argument(help="What this person is called in the log.", show_default=False)],
    file: Annotated[Path, typer.Argument(help="Their public key, or a decision of theirs.", show_default=False)],
    profile: Profile = None, state_dir: StateDir = None,
) -> int:  # fmt: skip
    """Takes decisions of this person that were made elsewhere."""
    from importer.cli import approvers

    return approvers.add(name, file, {"state_dir": state_dir}, profile)


@approver_app.command("list")
def approver_list(profile: Profile = None, state_dir: StateDir = None, format: Format = "human") -> int:  # noqa: A002
    """Shows whose decisions are taken, and by which key."""
    from importer.cli import approvers

    return approvers.listing({"state_dir": state_dir}, profile, format)


@approver_app.command("remove")
def approver_remove(name: str, profile: Profile = None, state_dir: StateDir = None) -> int:
    """Takes no more decisions of this person; those that were taken stand."""
    from importer.cli import approvers

    return approvers.remove(name, {"state_dir": state_dir}, profile)


@approver_app.command("key")
def approver_key(profile: Profile = None, state_dir: StateDir = None) -> int:
    """Shows your own public key, and its name to be read out."""
    from importer.cli import approvers

    return approvers.key({"state_dir": state_dir}, profile)


@plan_app.command("show")
def plan_show(plan: PlanName, profile: Profile = None, state_dir: StateDir = None, format: Format = "human") -> int:  # noqa: A002
    """Shows what a plan would do."""
    from importer.cli import plans

    return plans.show(plan, {"state_dir": state_dir}, profile, format)


@plan_app.command("verify")
def plan_verify(plan: PlanName, profile: Profile = None, state_dir: StateDir = None, format: Format = "human") -> int:  # noqa: A002
    """Checks that plan, file and mapping are what they were."""
    from importer.cli import plans

    return plans.verify(plan, {"state_dir": state_dir}, profile, format)


@plan_app.command("diff")
def plan_diff(
    before: PlanName, after: PlanName, profile: Profile = None, state_dir: StateDir = None, format: Format = "human",  # noqa: A002
) -> int:  # fmt: skip
    """Shows what differs between two plans: file, mapping, queues, counts, and row by row."""
    from importer.cli import compare

    return compare.diff(before, after, {"state_dir": state_dir}, profile, format)


@app.command("map")
def map_file(file: File, sheet: Sheet = None, header_row: HeaderRow = None, target: Target = None) -> int:
    """Writes the draft of a mapping from the headings found to standard output."""
    from importer.cli import look

    return look.draft_mapping(file, look.Asked(sheet, header_row, None), target or "tasks")


@app.command()
def explain(code: Annotated[str, typer.Argument(help="A code such as V304; without it, all codes.")] = "") -> int:
    """Explains a code of the messages."""
    from importer.cli import books

    return books.explain(code)


@app.command()
def template(
    out: Annotated[Path, typer.Option("--out", help="The workbook to write.")] = Path("tasks-template.xlsx"),
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask for the queues.")] = False,
    target: Target = None, sandbox: Sandbox = False, profile: Profile = None, state_dir: StateDir = None,
) -> int:  # fmt: skip
    """Writes a workbook to fill in: drop-downs, limits, an example row. Read without a mapping."""
    from importer.cli import books

    flags = {"target": target, "sandbox": sandbox or None, "state_dir": state_dir}
    return books.template(out, flags, profile, offline=offline)


@serve_app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")] = 8765,
    bind: Annotated[
        str | None, typer.Option("--bind", help="The address; any but loopback needs token with TLS, or header.")
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    identity: Annotated[
        str | None, typer.Option("--identity", help="os (one person, all roles), token or header; default: os.")
    ] = None,
    header: Annotated[str | None, typer.Option("--header", help="The proxy's header; default: X-Forwarded-User.")] = None,
    trusted: Annotated[
        list[str] | None, typer.Option("--trusted", help="The proxy's address; may be given more than once.")
    ] = None,
    public_url: PublicUrl = None,
    tls_cert: Annotated[str | None, typer.Option("--tls-cert", help="A certificate with its chain (PEM).")] = None,
    tls_key: Annotated[str | None, typer.Option("--tls-key", help="Its key (PEM).")] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Show, and change nothing.")] = False,
    target: Target = None, sandbox: Sandbox = False, profile: Profile = None, state_dir: StateDir = None,
) -> int:  # fmt: skip
    """Offers the page: upload, preview, approve, watch, download; and POST /api/preview for programs. Ctrl-C ends it."""
    if context.invoked_subcommand is not None:
        return 0
    from importer.cli import doors

    flags = {
        "target": target, "sandbox": sandbox or None, "state_dir": state_dir, "bind": bind, "identity": identity,
        "identity_header": header, "trusted": trusted or None, "public_url": public_url, "tls_cert": tls_cert,
        "tls_key": tls_key, "read_only": read_only or None,
    }  # fmt: skip
    return doors.serve(port, flags, profile, browser=open_browser)


@user_app.command("add")
def user_add(
    name: UserName,
    role: Annotated[list[str], typer.Option("--role", help="preparer, approver or operator; may be given more than once.")],
    link: Annotated[bool, typer.Option("--link/--no-link", help="Print a link, or only name a person of the proxy.")] = True,
    public_url: PublicUrl = None, profile: Profile = None, state_dir: StateDir = None,
) -> int:  # fmt: skip
    """Lets a person in, and prints their link, once."""
    from importer.cli import doors

    return doors.user_add(name, role, {"state_dir": state_dir, "public_url": public_url}, profile, link=link)


@user_app.command("list")
def user_list(profile: Profile = None, state_dir: StateDir = None, format: Format = "human") -> int:  # noqa: A002
    """Lists who may come in, and what they may do."""
    from importer.cli import doors

    return doors.user_list({"state_dir": state_dir}, profile, format)


@user_app.command("revoke")
def user_revoke(name: UserName, profile: Profile = None, state_dir: StateDir = None) -> int:
    """Ends a person's link and sessions at once."""
    from importer.cli import doors

    return doors.user_revoke(name, {"state_dir": state_dir}, profile)


@app.command()
def sandbox(
    port: Annotated[int, typer.Option("--port", help="A port on 127.0.0.1; 0 takes a free one.")] = 0,
    seed: Annotated[int | None, typer.Option("--seed", help="Makes the world repeatable.")] = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario",
            help="calm, rate-limited, flaky, outage, workitems, workitems-live, workitems-odd, workitems-flaky, or a TOML file.",
        ),
    ] = None,
    world: Annotated[Path | None, typer.Option("--world", help="A file that keeps the world.")] = None,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="A file to which a line is added for all that really happens.")
    ] = None,
) -> int:
    """Runs the built-in server that stands for Genesys Cloud; prints its address and credentials as one JSON line."""
    from importer.cli import doors

    return doors.sandbox(port, seed, scenario, world, journal)


@app.command()
def demo(out: Out = None, target: Target = None) -> int:
    """Shows the whole story on the sandbox, in about ten seconds."""
    from importer.cli import demo as story

    return story.demo(Path(out or "reports"), target or "tasks")


@app.command()
def doctor(
    target: Target = None, rate: Rate = None, out: Out = None, sandbox: Sandbox = False, profile: Profile = None,
    state_dir: StateDir = None, format: Format = "human",  # noqa: A002
) -> int:  # fmt: skip
    """Checks all that a first preview needs: hosts, log-in, permissions, limits, clock, folders. Changes nothing."""
    from importer.cli import doctor as preflight

    flags = {"target": target, "rate": rate, "out": out, "sandbox": sandbox or None, "state_dir": state_dir}
    return preflight.doctor(flags, profile, format)


@config_app.command("show")
def config_show(
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value came from.")] = False,
    profile: Profile = None, state_dir: StateDir = None,
) -> int:  # fmt: skip
    """Prints the settings in force; secrets are masked."""
    from importer.cli import books

    return books.config(profile, {"state_dir": state_dir}, origin=origin)


@ledger_app.command("verify")
def ledger_verify(profile: Profile = None, state_dir: StateDir = None, format: Format = "human") -> int:  # noqa: A002
    """Checks that the ledger says what was written; changes nothing."""
    from importer.cli import settle

    return settle.verify_ledger({"state_dir": state_dir}, profile, format)


@ledger_app.command("export")
def ledger_export(
    folder: Annotated[Path, typer.Argument(help="A folder for one JSON-lines file a table.", show_default=False)],
    profile: Profile = None, state_dir: StateDir = None,
) -> int:  # fmt: skip
    """Writes everything that can be read of the ledger, also of a damaged one, as JSON lines."""
    from importer.cli import settle

    return settle.export_ledger(folder, {"state_dir": state_dir}, profile)
