"""Settings: flags over environment over importer.toml over defaults; each value knows where it came from. Opens no network."""

import os
import re
import tomllib
import zoneinfo
from collections.abc import Mapping as Table
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from importer.core.errors import NotAuthorised, SettingsError
from importer.core.file_limits import COMMAND_LINE, UPLOAD, FileLimits
from importer.core.mapping import Mapping, fit, read_mapping
from importer.core.names import did_you_mean
from importer.hosts import REGIONS, checked_url, login_of
from importer.quantities import SIZE, SIZES, parse_duration, parse_rate
from importer.targets.limits import LIMITS

DEFAULTS: dict[str, Any] = {
    "target": "tasks",
    "host": None,
    "api_url": None,
    "login_url": None,
    "allow_hosts": [],
    "rate": "300/min",
    "concurrency": 8,
    "bulk": True,
    "server_check": False,
    "time_zone": "UTC",
    "index_lag": "30s",
    "track": "closed",
    "track_for": None,
    "audit": True,
    "notifications": False,
    "require_approval": False,
    "approval_expires": "24h",
    "four_eyes": None,
    "on_drift": "stop",
    "sandbox": False,
    "map": None,
    "out": "reports",
    "state_dir": None,
    "timeout": "30s",
    "longest_wait": "5m",
    "outage_wait": "5m",
    "lease": "30s",
    "canary": 0,
    "max_failures": None,
    "ca_file": None,
    "retention_days": 90,
}
SERVE: dict[str, Any] = {
    "bind": "127.0.0.1", "public_url": None, "identity": "os", "identity_header": "X-Forwarded-User", "trusted": [],
    "tls_cert": None, "tls_key": None, "session_idle": "8h", "session_most": "24h", "read_only": False,
}  # fmt: skip
"""How the page is offered: importer serve."""
DEFAULTS |= SERVE
DEFAULTS |= {f"file_limits.{name}": value for name, value in asdict(COMMAND_LINE).items()}
SANDBOX_DEFAULTS: dict[str, Any] = {"rate": "100/s", "index_lag": "5s", "outage_wait": "1m"}
"""The built-in sandbox's own figures, so that a rehearsal does not take an evening."""

ENVIRONMENT = {
    "host": ("GENESYS_ENV_HOST", "GENESYSCLOUD_REGION"),
    "api_url": ("GENESYS_API_URL",),
    "login_url": ("GENESYS_LOGIN_URL",),
    "allow_hosts": ("IMPORTER_ALLOW_HOSTS",),
    **{
        name: (f"IMPORTER_{name.upper()}",)
        for name in (
            "target", "rate", "concurrency", "bulk", "server_check", "time_zone", "index_lag", "track", "track_for", "audit", "notifications", "require_approval", "sandbox",
            "approval_expires", "four_eyes", "on_drift",
            "map", "out", "state_dir", "timeout", "longest_wait", "outage_wait", "lease", "canary", "max_failures",
            "ca_file", "retention_days", *SERVE,
        )
    },
}  # fmt: skip
ENVIRONMENT |= {
    key: (f"IMPORTER_{key.replace('.', '_').upper()}",) for key in DEFAULTS if key.startswith("file_limits.")
}
CLIENT_ID = ("GENESYS_CLIENT_ID", "GENESYSCLOUD_OAUTHCLIENT_ID")
CLIENT_SECRET = ("GENESYS_CLIENT_SECRET", "GENESYSCLOUD_OAUTHCLIENT_SECRET")


@dataclass(frozen=True, slots=True)
class Value:
    """A setting's value and where it came from."""

    value: Any
    origin: str  # "--rate", "IMPORTER_RATE", "importer.toml [profile.night]", "default"


@dataclass(frozen=True, slots=True)
class Settings:
    """What is in force. Parsed on use, so that a wrong value is told only where it matters, with its origin."""

    values: dict[str, Value]
    mapping: Mapping = field(default_factory=Mapping)
    mapping_file: str = ""

    def text(self, name: str) -> str:
        """A setting as text."""
        return str(self.values[name].value)

    def given(self, name: str) -> Any:
        """A setting as it was given."""
        return self.values[name].value

    @property
    def sandbox(self) -> bool:
        """Whether the built-in sandbox stands for the target."""
        return _truth(self.values["sandbox"], "sandbox")

    @property
    def audit(self) -> bool:
        """Whether audit entries are fetched."""
        return _truth(self.values["audit"], "audit")

    @property
    def notifications(self) -> bool:
        """Whether the target may tell when to look at tasks, where it can."""
        return _truth(self.values["notifications"], "notifications")

    @property
    def bulk(self) -> bool:
        """Whether tasks are created by jobs of many, where the target has such jobs."""
        return _truth(self.values["bulk"], "bulk")

    @property
    def server_check(self) -> bool:
        """Whether the target checks the rows of a preview too, by jobs that are never started."""
        return _truth(self.values["server_check"], "server_check")

    @property
    def time_zone(self) -> str:
        """The zone of dates and times that are written without an offset, such as Europe/Berlin."""
        value = self.values["time_zone"]
        try:
            zoneinfo.ZoneInfo(str(value.value))
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
            raise _wrong("time_zone", value, "Give a name such as Europe/Berlin, or UTC.") from None
        return str(value.value)

    @property
    def require_approval(self) -> bool:
        """Whether only approved plans run."""
        return _truth(self.values["require_approval"], "require_approval")

    @property
    def approval_expires_s(self) -> float:
        """So long an approval holds unless told otherwise, in seconds."""
        return self.seconds("approval_expires")

    def four_eyes(self, identity: str = "os") -> bool:
        """Whether who prepared a plan may not approve it. Unless set: where people are known by more than the system's login."""
        if self.values["four_eyes"].value is None:
            return identity != "os"
        return _truth(self.values["four_eyes"], "four_eyes")

    @property
    def on_drift(self) -> str:
        """What is done about rows whose queue has changed since the plan: stop (nothing is sent) or skip (they are left out)."""
        value = self.values["on_drift"]
        if value.value not in ("stop", "skip"):
            raise _wrong("on_drift", value, "Give stop or skip.")
        return str(value.value)

    @property
    def rate(self) -> tuple[int, float]:
        """The cap: calls, seconds."""
        return parse_rate(self.text("rate"), self.values["rate"].origin)

    @property
    def concurrency(self) -> int:
        """Calls in flight at most: 1 to 100."""
        value = self.values["concurrency"]
        text = str(value.value)
        if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= 100:
            raise _wrong("concurrency", value, "Give a whole number from 1 to 100.")
        return int(text)

    @property
    def canary(self) -> int:
        """So many rows must be created before the rest is sent; 0: none."""
        value = self.values["canary"]
        if not re.fullmatch("[0-9]{1,6}", str(value.value)):
            raise _wrong("canary", value, "Give a number of rows, such as 5.")
        return int(value.value)

    def max_failures(self, rows: int) -> int | None:
        """More failed rows than that stop a run of so many rows; None: any number. `5` or `2%`."""
        value = self.values["max_failures"]
        if value.value is None:
            return None
        match = re.fullmatch(r"([0-9]{1,9})( ?%)?", str(value.value).strip())
        if match is None or (match[2] and int(match[1]) > 100):
            raise _wrong("max_failures", value, "Give a number of rows or a share, such as 20 or 5%.")
        return rows * int(match[1]) // 100 if match[2] else int(match[1])

    def seconds(self, name: str) -> float:
        """A duration in seconds."""
        return parse_duration(self.text(name), self.values[name].origin)

    @property
    def track(self) -> str:
        """none, created or closed."""
        value = self.values["track"]
        if value.value not in ("none", "created", "closed"):
            raise _wrong("track", value, "Give none, created or closed.")
        return str(value.value)

    @property
    def file_limits(self) -> FileLimits:
        """How much a file may hold: whole numbers, sizes such as 20MiB, or none."""
        return FileLimits(**{name: self._file_limit(name) for name in asdict(COMMAND_LINE)})

    def _file_limit(self, name: str) -> Any:
        value = self.values[f"file_limits.{name}"]
        if value.value is None or str(value.value).strip().lower() == "none":
            return 0 if name == "ratio_free" else None
        match = SIZE.fullmatch(str(value.value).strip().lower().replace("_", ""))
        if match is None:
            raise _wrong(f"file_limits.{name}", value, "Give a whole number, a size such as 20MiB, or none.")
        return int(match[1]) * SIZES[match[2]]

    @property
    def upload_limits(self) -> FileLimits:
        """The same for files that come by way of the page: closer bounds, where none were given."""
        given = {name: self._file_limit(name) for name in asdict(UPLOAD) if self._is_given(f"file_limits.{name}")}
        return replace(UPLOAD, **given)

    def _is_given(self, name: str) -> bool:
        return self.values[name].origin != "default"

    @property
    def retention_days(self) -> int:
        """So many days uploads are kept that nobody touches: 1 to 3650."""
        value = self.values["retention_days"]
        if not re.fullmatch("[0-9]{1,4}", str(value.value)) or not 1 <= int(value.value) <= 3650:
            raise _wrong("retention_days", value, "Give a number of days from 1 to 3650.")
        return int(value.value)

    @property
    def state_dir(self) -> Path:
        """The folder of ledger, plans and sandbox."""
        chosen = self.values["state_dir"].value
        if chosen:
            return Path(chosen).expanduser().absolute()
        import platformdirs

        return Path(platformdirs.user_state_dir("genesys-task-importer", appauthor=False))

    @property
    def ca_file(self) -> Path | None:
        """The certificates of the authorities that are trusted instead of the system's; None for the system's."""
        chosen = self.values["ca_file"].value
        return Path(str(chosen)).expanduser().absolute() if chosen else None

    @property
    def endpoints(self) -> tuple[str, str]:
        """The base URLs of API and login, without a slash at the end. Raises SettingsError."""
        api, login, host = (self.values[name] for name in ("api_url", "login_url", "host"))
        allowed = self.allowed_hosts
        if api.value:
            api_url = checked_url(str(api.value), api.origin, allowed)
            login_url, origin = (str(login.value), login.origin) if login.value else (login_of(api_url), api.origin)
            return api_url, checked_url(login_url, origin, allowed)
        if not host.value:
            raise SettingsError(
                "It is not set where Genesys Cloud is.",
                "Set GENESYS_ENV_HOST (such as mypurecloud.com) or GENESYS_API_URL, or try it with --sandbox.",
            )
        name = str(host.value).strip().lower().removesuffix(".")
        domain = REGIONS.get(name, name).removeprefix("api.")
        api_url = checked_url(f"https://api.{domain}", host.origin, allowed)
        login_url, origin = (
            (str(login.value), login.origin) if login.value else (f"https://login.{domain}", host.origin)
        )
        return api_url, checked_url(login_url, origin, allowed)

    @property
    def allowed_hosts(self) -> list[str]:
        """Hosts beside those of the regions that may be called."""
        return self.names("allow_hosts", "Give a list of hosts.")

    def names(self, name: str, fix: str) -> list[str]:
        """A list, or words with commas between, in lower case."""
        given = self.values[name].value
        if not isinstance(given, str | list):
            raise _wrong(name, self.values[name], fix)
        names = given.split(",") if isinstance(given, str) else [str(each) for each in given]
        return [each.strip().lower() for each in names if each.strip()]

    @property
    def read_only(self) -> bool:
        """Whether the page only shows."""
        return _truth(self.values["read_only"], "read_only")

    @property
    def credentials(self) -> tuple[str, str]:
        """Client ID and secret, from the environment only. Raises NotAuthorised naming the variables."""
        client_id, secret = (
            next((os.environ[n] for n in names if os.environ.get(n)), "") for names in (CLIENT_ID, CLIENT_SECRET)
        )
        missing = [names[0] for names, value in ((CLIENT_ID, client_id), (CLIENT_SECRET, secret)) if not value]
        if missing:
            raise NotAuthorised(
                f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set.",
                "Set them to your OAuth client's ID and secret, or try it with --sandbox.",
            )
        return client_id, secret


def load(flags: Table[str, Any], profile: str | None = None, folder: Path | None = None) -> Settings:
    """The settings in force. `flags` holds what was given on the command line; None means not given.

    Raises SettingsError for an unknown key, profile or malformed file.
    """
    name = profile or os.environ.get("IMPORTER_PROFILE")
    table, where = _profile(name, folder or Path.cwd())
    mapping_table = table.pop("mapping", None)
    table |= _file_limits(table.pop("file_limits", {}), where)
    _known_keys(table, where)
    values = {key: Value(default, "default") for key, default in DEFAULTS.items()}
    values |= {key: Value(value, where) for key, value in table.items()}
    values |= _from_environment()
    values |= {key: Value(value, _flag(key)) for key, value in flags.items() if value is not None}
    settings = Settings(values)
    if settings.sandbox:
        values |= {k: Value(v, "sandbox") for k, v in SANDBOX_DEFAULTS.items() if values[k].origin == "default"}
    mapping, file = _mapping(values["map"], mapping_table, where)
    target = str(values["target"].value)
    if target in LIMITS:  # an unknown one is told by who needs it
        fit(mapping, target, LIMITS, file or where)
    return Settings(values, mapping, file)


def _from_environment() -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, names in ENVIRONMENT.items():
        name = next((each for each in names if os.environ.get(each)), None)
        if name is not None:
            found[key] = Value(os.environ[name], name)
    return found


def _profile(name: str | None, folder: Path) -> tuple[dict[str, Any], str]:
    path = folder / "importer.toml"
    if not path.is_file():
        if name:
            raise SettingsError(f"There is no importer.toml here for the profile {name}.", f"Write one in {folder}.")
        return {}, "importer.toml"
    whole = read_toml(path)
    for key in whole:
        if key != "profile":
            raise SettingsError(
                f"importer.toml: {key} stands outside of a profile.{did_you_mean(key, ['profile'])}",
                "Write [profile.default] above the settings.",
            )
    profiles = whole.get("profile", {})
    if not isinstance(profiles, dict) or not all(isinstance(each, dict) for each in profiles.values()):
        raise SettingsError("importer.toml: profile is not a table of profiles.", "Write [profile.NAME] on a line.")
    chosen = name or "default"
    if chosen not in profiles:
        if name:
            known = ", ".join(profiles) or "none"
            raise SettingsError(f"importer.toml has no profile {name}; it has: {known}.", "Choose one of these.")
        return {}, "importer.toml"
    return dict(profiles[chosen]), f"importer.toml [profile.{chosen}]"


def _file_limits(table: Any, where: str) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise SettingsError(f"{where}: file_limits is not a table.", "Write [profile.NAME.file_limits].")
    return {f"file_limits.{name}": value for name, value in table.items()}


def _known_keys(table: Table[str, Any], where: str) -> None:
    for key in table:
        if key in ("client_secret", "secret"):
            raise SettingsError(f"{where}: a secret does not belong into a file.", "Set GENESYS_CLIENT_SECRET.")
        if key not in DEFAULTS:
            suggestion = did_you_mean(key, list(DEFAULTS))
            raise SettingsError(
                f"{where}: {key} is unknown.{suggestion}", f"Use one of: {', '.join(DEFAULTS)}, mapping."
            )


def _mapping(given: Value, table: Any, where: str) -> tuple[Mapping, str]:
    if given.value:
        path = Path(str(given.value))
        return read_mapping(read_toml(path), str(path)), str(path.absolute())
    if table is not None:
        if not isinstance(table, dict):
            raise SettingsError(f"{where}: mapping is not a table.", "Write [profile.NAME.mapping.columns].")
        return read_mapping(table, where), ""
    return Mapping(), ""


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file. Raises SettingsError."""
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as problem:
        raise SettingsError(f"{path} cannot be read: {problem.strerror}.", "Check the path.") from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise SettingsError(f"{path} is not valid TOML: {problem}.", "Correct the line.") from problem


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")


def _truth(value: Value, name: str) -> bool:
    if isinstance(value.value, bool):
        return value.value
    text = str(value.value).strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off", ""):
        return False
    raise _wrong(name, value, "Give true or false.")


def _wrong(name: str, value: Value, fix: str) -> SettingsError:
    return SettingsError(f"{value.origin}: {name} = {value.value!r} is not possible.", fix)
