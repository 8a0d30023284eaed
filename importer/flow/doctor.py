"""Doctor: the preflight before a first dry run. Asks the target harmlessly and judges what it says; changes nothing there."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from importer.core.account import Audited, Bearer, Glance, Grant, LimitsTold, Listing, LogIn
from importer.core.errors import ImporterError, NotAuthorised, TargetDown
from importer.core.findings import listed
from importer.core.health import Line, fine, unchecked, warning, wrong

CLOCK_OFF_MOST_S = 60.0
NAMESPACES = ("platform.api", "task.management", "audit")
RATE_LIMIT = "client.credentials.token.rate.per.minute"
KNOWN_RATE = 300
"""Calls a minute of one token, as the platform's documents say; what is told counts more."""
EVERYWHERE = "*"
ROLES_PAGE = "in Genesys Cloud under Admin, Integrations, OAuth, on the client's Roles page"
WAIT = "it takes up to five minutes to count"


@dataclass(frozen=True, slots=True)
class Need:
    """A permission (or scope) and what it is for. Without one that is a `must` no run can succeed."""

    name: str
    purpose: str
    must: bool = False
    instead: str = ""  # what does without it


SINGLY = "Or create one by one (--no-bulk)."
WORKITEM_NEEDS = (
    Need("workitems:workitem:view", "finding existing workitems, following states", must=True),
    Need("workitems:worktype:view", "worktypes by name", must=True),
    Need("routing:queue:view", "queues by name", must=True),
    Need("workitems:workbin:view", "workbins by name"),
    Need("workitems:status:view", "the statuses of worktypes", instead="No run fails without it."),
    Need("workitems:workitemSchema:view", "custom fields as columns"),
    Need("routing:skill:view", "skills by name"),
    Need("languages", "languages by name"),
    Need("routing:wrapupCode:view", "wrap-up codes by name"),
    Need("directory:user:view", "assignees by e-mail"),
    Need("workitems:queryJob:view", "finding existing workitems by query job"),
    Need("workitems:queryJobResults:view", "finding existing workitems by query job"),
    Need("workitems:bulkAddJob:view", "creating in bulk", instead=SINGLY),
    Need("workitems:bulkAddJobResults:view", "creating in bulk", instead=SINGLY),
    Need("audits:audit:view", "audit entries", instead="Or let the counts come from the histories (--no-audit)."),
)
FIRST_ROW = "It shows at the first row: importer run --canary 1 sends one row and stops if it fails."
FIRST_JOB = "It is needed for creating in bulk, and shows at the first job; --no-bulk does without."
WORKITEM_UNSEEN = {
    "workitems:workitem:add": FIRST_ROW,
    "workitems:queryJob:add": "It is needed for finding existing workitems by query job alone, and shows in the first preview.",
    "workitems:bulkAddJob:add": FIRST_JOB,
    "workitems:bulkAddJob:edit": FIRST_JOB,
    "workitems:bulkAddJob:delete": FIRST_JOB,
}
"""Permissions that no read needs, and when a missing one is noticed."""
TASK_NEEDS = (
    Need("queue:view", "queues by name", must=True),
    Need("task:view", "finding existing tasks, following states", must=True),
    Need("audit:view", "audit entries"),
)
TASK_UNSEEN = {"task:create": FIRST_ROW}


Step = tuple[str, Callable[[], Awaitable[None]]]
"""What a line says it is about where it cannot be asked, and the asking."""


class Examiner(Protocol):
    """Harmless reads. Each raises NotAuthorised or TargetDown where no further call can succeed."""

    clock_off_s: float | None  # our clock less the server's, by its last answer

    async def log_in(self) -> LogIn:
        """Fetches a token."""
        ...

    async def bearer(self) -> tuple[Glance, Bearer]:
        """Whose token it is."""
        ...

    async def divisions(self, ids: Sequence[str]) -> Mapping[str, str]:
        """The names of divisions by ID, as far as they can be read."""
        ...

    async def glance(self, permission: str) -> Glance:
        """One read that needs the permission or scope."""
        ...

    async def takes_in(self) -> Glance:
        """Whether many external tags can be asked for at once: 200 if so."""
        ...

    async def limits(self, namespace: str) -> LimitsTold:
        """The limits in force."""
        ...

    async def audited(self, *, realtime: bool) -> Audited:
        """What can be audited of the service of workitems."""
        ...

    async def worktypes(self) -> Listing:
        """The worktypes that can be seen."""
        ...

    async def queues(self) -> Listing:
        """The queues that can be seen."""
        ...


class Doctor:
    """Looks at one thing after the other and tells each line as it is known; what follows a failure is not asked."""

    def __init__(self, examiner: Examiner, rate: tuple[int, float], tell: Callable[[Line], None]) -> None:
        """`rate` is the cap on calls: so many in so many seconds."""
        self._examiner = examiner
        self._rate_per_minute = rate[0] * 60.0 / rate[1]
        self._tell = tell
        self._scopes_told: frozenset[str] | None = None
        self._visible: dict[str, Listing] = {}

    async def examine(self, target: str) -> None:
        """Tells all lines on a target, `tasks` or `workitems`."""
        steps = self._task_steps() if target == "tasks" else self._workitem_steps()
        for number, (name, step) in enumerate(steps):
            try:
                await step()
            except (NotAuthorised, TargetDown) as problem:
                self._tell(wrong(name, str(problem), _advice(problem), problem.exit_code))
                if number + 1 < len(steps):
                    self._tell(unchecked("the rest", "nothing else could be asked", "Mend this, then ask again."))
                return

    def _task_steps(self) -> Sequence[Step]:
        return (
            ("log-in", self._log_in),
            ("scopes", self._scopes),
            ("scopes", self._task_scopes),
            ("clock", self._clock),
        )

    def _workitem_steps(self) -> Sequence[Step]:
        return (
            ("log-in", self._log_in),
            ("organization", self._bearer),
            ("clock", self._clock),
            ("permissions", self._permissions),
            ("worktypes", self._worktypes),
            ("queues", self._queues),
            ("divisions", self._divisions),
            ("look-ups", self._look_ups),
            ("limits", self._limits),
            ("audits", self._audits),
        )

    # Who asks

    async def _log_in(self) -> None:
        log_in = await self._examiner.log_in()
        lasts = "not told" if log_in.lasts_s is None else _span(log_in.lasts_s)
        found = f"done in {log_in.took_s:.1f} s; the token's lifetime is {lasts}"
        if log_in.repeats:
            advice = "The log-in host was busy or allows few log-ins a minute: start fewer commands at a time."
            self._tell(warning("log-in", f"{found}; it had to be repeated {log_in.repeats}×", advice))
        else:
            self._tell(fine("log-in", found))
        self._scopes_told = log_in.scopes

    async def _scopes(self) -> None:
        if self._scopes_told is None:
            self._tell(unchecked("scopes", "the log-in does not list any; what is missing shows in the lines below"))
        else:
            self._tell(fine("scopes", f"the log-in lists {listed(sorted(self._scopes_told))}"))

    async def _bearer(self) -> None:
        glance, bearer = await self._examiner.bearer()
        if glance.status != 200:
            self._tell(
                warning("organization", f"tokens/me answers {glance.problem}", "Check the region and the client.")
            )
            return
        self._tell(fine("organization", _named(bearer.organization, bearer.organization_id)))
        self._tell(fine("OAuth client", _named(bearer.client, bearer.client_id)))
        if not bearer.grants:
            advice = f"Give the client a role with the permissions below, {ROLES_PAGE}; {WAIT}."
            self._tell(warning("roles", "none is told, and without a role a client may do nothing", advice))
            return
        ids = sorted({grant.division for grant in bearer.grants} - {EVERYWHERE, ""})
        names = await self._examiner.divisions(ids) if ids else {}
        self._tell(fine("roles", _roles(bearer.grants, names)))

    async def _clock(self) -> None:
        off_s = self._examiner.clock_off_s
        if off_s is None:
            self._tell(unchecked("clock", "the service does not tell its time"))
        elif abs(off_s) > CLOCK_OFF_MOST_S:
            word = "ahead of" if off_s > 0 else "behind"
            advice = "Set this machine's clock (NTP): due dates and the times of reports depend on it."
            self._tell(warning("clock", f"this machine is {_span(abs(off_s))} {word} the service", advice))
        else:
            self._tell(fine("clock", f"within {max(abs(off_s), 1.0):.0f} s of the service's"))

    # What it may do

    async def _permissions(self) -> None:
        for need in WORKITEM_NEEDS:
            self._judge("permission", need, await self._examiner.glance(need.name))
        for name, advice in WORKITEM_UNSEEN.items():
            self._unseen("permission", name, advice)

    async def _task_scopes(self) -> None:
        for need in TASK_NEEDS:
            self._judge("scope", need, await self._examiner.glance(need.name))
        told = self._scopes_told
        for name, notice in TASK_UNSEEN.items():
            if told is None:
                self._unseen("scope", name, notice)
            elif name in told:
                self._tell(fine(f"scope {name}", "listed by the log-in"))
            else:
                advice = "Add it to the OAuth client."
                self._tell(
                    wrong(f"scope {name}", "missing: the log-in does not list it", advice, NotAuthorised.exit_code)
                )

    def _judge(self, kind: str, need: Need, glance: Glance) -> None:
        check = f"{kind} {need.name}" if ":" in need.name else need.name
        if glance.status in (200, 202, 400, 404):
            here = (
                f"{need.purpose}: allowed, in one division at least"
                if kind == "permission"
                else f"{need.purpose}: allowed"
            )
            self._tell(fine(check, here))
        elif glance.allowed:
            self._tell(unchecked(check, f"{need.purpose}: the probe was answered {glance.problem}"))
        else:
            place = f"Give the client a role with it, in the divisions that are used, {ROLES_PAGE}; {WAIT}."
            advice = " ".join(
                filter(None, (place if kind == "permission" else "Add it to the OAuth client.", need.instead))
            )
            found = f"missing, for {need.purpose} ({glance.problem})"
            self._tell(
                wrong(check, found, advice, NotAuthorised.exit_code) if need.must else warning(check, found, advice)
            )

    def _unseen(self, kind: str, name: str, advice: str) -> None:
        self._tell(unchecked(f"{kind} {name}", "not checked: no harmless call needs it", advice))

    # What there is

    async def _worktypes(self) -> None:
        listing = self._visible["worktypes"] = await self._examiner.worktypes()
        if listing.glance.status == 404:
            advice = (
                "Ask Genesys whether work automation is available in this region and licensed for the organization."
            )
            self._tell(
                wrong("worktypes", f"there is no such service: {listing.glance.problem}", advice, TargetDown.exit_code)
            )
        elif listing.glance.status != 200:
            self._tell(unchecked("worktypes", f"not listed: {listing.glance.problem}"))
        elif not listing.places:
            advice = f"Give the client's role in the division of the worktypes ({ROLES_PAGE}), or define a worktype."
            self._tell(
                wrong("worktypes", "none can be seen, and each workitem needs one", advice, NotAuthorised.exit_code)
            )
        else:
            self._tell(fine("worktypes", f"{_counted(listing)}: {_places(listing)}"))

    async def _queues(self) -> None:
        listing = self._visible["queues"] = await self._examiner.queues()
        if listing.glance.status != 200:
            self._tell(unchecked("queues", f"not listed: {listing.glance.problem}"))
        elif not listing.places:
            self._tell(
                warning(
                    "queues", "none can be seen", "Rows cannot name a queue, unless the role is given in its division."
                )
            )
        else:
            self._tell(fine("queues", f"{_counted(listing)}: {_places(listing)}"))

    async def _divisions(self) -> None:
        worktypes, queues = self._visible["worktypes"], self._visible["queues"]
        if not worktypes.places or not queues.places:
            self._tell(unchecked("divisions", "there are no worktypes and queues to compare"))
            return
        served = {queue.division_id for queue in queues.places}
        alone = [place for place in worktypes.places if place.division_id not in served]
        if not alone:
            self._tell(fine("divisions", "each worktype has a queue in its own division"))
            return
        names = listed(f"{place.name} ({place.division})" for place in alone)
        found = f"no queue that can be seen is in the division of {names}"
        if queues.more or worktypes.more:
            self._tell(unchecked("divisions", f"among those read {found}; there are more"))
            return
        advice = "A workitem's queue and worktype must share a division: leave the queue blank there, or give the role in more divisions."
        self._tell(warning("divisions", found, advice))

    async def _look_ups(self) -> None:
        glance = await self._examiner.takes_in()
        if glance.status == 200:
            self._tell(fine("look-ups", "existing workitems are found many at a time (IN works with externalTag)"))
        else:
            self._tell(
                unchecked(
                    "look-ups",
                    f"IN with externalTag is refused ({glance.problem}): a query job or a query a row finds existing ones",
                )
            )

    # What it may ask for

    async def _limits(self) -> None:
        for namespace in NAMESPACES:
            told = await self._examiner.limits(namespace)
            if told.glance.status != 200:
                self._tell(unchecked(f"limits {namespace}", f"not told: {told.glance.problem}"))
                if namespace == "platform.api":
                    self._rate(None)
                continue
            limits = dict(told.limits)
            if namespace == "platform.api":
                self._rate(limits.pop(RATE_LIMIT, None))
            words = [f"{key} {value:,}" for key, value in sorted(limits.items())]
            self._tell(fine(f"limits {namespace}", "; ".join(words) or "none told"))

    def _rate(self, limit: int | None) -> None:
        ours = f"the rate of this importer is {self._rate_per_minute:,.10g} a minute"
        if limit is None:
            if self._rate_per_minute > KNOWN_RATE:
                advice = f"Set rate = {KNOWN_RATE}/min until the organization's own limit is known."
                self._tell(
                    warning(
                        "rate", f"{ours}; the limit is not told, {KNOWN_RATE} is what the platform documents", advice
                    )
                )
            else:
                self._tell(
                    unchecked("rate", f"{ours}; the limit is not told, {KNOWN_RATE} is what the platform documents")
                )
        elif self._rate_per_minute > limit:
            advice = f"Set rate = {limit}/min (--rate or importer.toml): calls beyond the limit are only refused."
            self._tell(warning("rate", f"{ours}, a token is allowed {limit:,}", advice))
        else:
            self._tell(fine("rate", f"{ours}, a token is allowed {limit:,}"))

    async def _audits(self) -> None:
        for realtime in (False, True):
            name = "audits, realtime" if realtime else "audits"
            audited = await self._examiner.audited(realtime=realtime)
            if audited.glance.status != 200:
                self._tell(unchecked(name, f"not told: {audited.glance.problem}"))
                continue
            found = listed(audited.entities or ()) or "nothing"
            workitems = [each for each in audited.entities or () if "workitem" in each.lower().replace(" ", "")]
            if workitems:
                self._tell(fine(name, f"workitems are audited, as {listed(workitems)}; listed: {found}"))
            else:
                text = f"of task management {found} is audited, not workitems"
                self._tell(
                    unchecked(name, text, "The count of audit entries comes from each workitem's history, and says so.")
                )


def _advice(problem: ImporterError) -> str:
    """What to do about it here, where there is no run to resume."""
    return problem.fix.replace("; importer resume carries on", "").replace(", then run importer resume", "")


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _named(name: str, identity: str) -> str:
    return f"{name or '(without a name)'} ({identity or 'no ID told'})"


def _roles(grants: Sequence[Grant], names: Mapping[str, str]) -> str:
    """`role ID in Home, North`; the roles' names and permissions are not told."""
    where: dict[str, list[str]] = defaultdict(list)
    for grant in grants:
        division = "all divisions" if grant.division == EVERYWHERE else names.get(grant.division) or grant.division
        where[grant.role].append(division)
    return "; ".join(f"role {role} in {listed(sorted(divisions))}" for role, divisions in where.items())


def _counted(listing: Listing) -> str:
    return f"{len(listing.places):,}{' and more' if listing.more else ''}"


def _places(listing: Listing) -> str:
    """The places by division, a few names each."""
    by: dict[str, list[str]] = defaultdict(list)
    for place in listing.places:
        by[place.division or "no division told"].append(place.name)
    return "; ".join(f"{division}: {listed(sorted(names))}" for division, names in sorted(by.items()))
