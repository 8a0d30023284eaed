"""Settings: what beats what, where credentials may go, and what is said about mistakes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.cli.books import config
from importer.cli.look import Asked, check
from importer.core.errors import FileRefused, NotAuthorised, SettingsError
from importer.core.file_limits import COMMAND_LINE
from importer.hosts import REGIONS, checked_url, may_fetch
from importer.quantities import parse_duration, parse_rate
from importer.settings import DEFAULTS, ENVIRONMENT, Settings, load

SECRET = "canary-secret-4711"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the machine, in a folder of its own."""
    names = {name for names in ENVIRONMENT.values() for name in names} | {"IMPORTER_PROFILE"}
    for name in (
        *names, "GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET", "GENESYSCLOUD_OAUTHCLIENT_ID",
        "GENESYSCLOUD_OAUTHCLIENT_SECRET",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "importer.toml") -> None:
    """A settings file in the working folder."""
    Path(name).write_text(text, "utf-8")


def origin(settings: Settings, name: str) -> tuple[Any, str]:
    """A setting's value and origin."""
    return settings.values[name].value, settings.values[name].origin


# What beats what


def test_settings_come_from_the_strongest_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag beats the environment, that beats the profile, that beats the default; each value names its origin."""
    assert origin(load({}), "rate") == ("300/min", "default")
    write('[profile.default]\nrate = "4/s"\n[profile.night]\nrate = "3/s"\n')
    assert origin(load({}), "rate") == ("4/s", "importer.toml [profile.default]")
    assert origin(load({}, "night"), "rate") == ("3/s", "importer.toml [profile.night]")
    monkeypatch.setenv("IMPORTER_RATE", "2/s")
    assert origin(load({}, "night"), "rate") == ("2/s", "IMPORTER_RATE")
    assert origin(load({"rate": "1/s"}, "night"), "rate") == ("1/s", "--rate")
    assert origin(load({"rate": None}, "night"), "rate") == ("2/s", "IMPORTER_RATE")


def test_settings_flag_that_says_no_beats_a_profile_that_says_yes() -> None:
    """A false flag counts as given."""
    write("[profile.default]\naudit = true\nrequire_approval = true\n")
    settings = load({"audit": False})
    assert (settings.audit, settings.require_approval) == (False, True)


def test_settings_blank_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set to nothing changes nothing."""
    monkeypatch.setenv("IMPORTER_RATE", "")
    assert origin(load({}), "rate") == ("300/min", "default")


def test_settings_profile_is_named_by_flag_before_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """IMPORTER_PROFILE chooses a profile unless a flag does."""
    write('[profile.day]\nrate = "4/s"\n[profile.night]\nrate = "3/s"\n')
    monkeypatch.setenv("IMPORTER_PROFILE", "day")
    assert load({}).text("rate") == "4/s"
    assert load({}, "night").text("rate") == "3/s"


def test_settings_of_the_sandbox_yield_to_what_was_said() -> None:
    """With --sandbox its own rate and lag replace defaults, never what a person set."""
    settings = load({"sandbox": True})
    assert (settings.rate, settings.seconds("index_lag")) == ((100, 1.0), 5.0)
    assert load({"sandbox": True, "rate": "7/s"}).rate == (7, 1.0)


def test_settings_state_folder_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """--state-dir beats IMPORTER_STATE_DIR, that beats the platform's folder."""
    assert load({}).state_dir.is_absolute()
    monkeypatch.setenv("IMPORTER_STATE_DIR", "there")
    assert load({}).state_dir == tmp_path / "there"
    assert load({"state_dir": "here"}).state_dir == tmp_path / "here"


def test_settings_take_a_mapping_from_file_or_profile() -> None:
    """--map names a file; without one the profile's own [mapping] counts."""
    write('[profile.default.mapping.columns]\nqueue = "Team"\n')
    write('[columns]\nqueue = "Squad"\n', "map.toml")
    assert load({}).mapping.columns["queue"].text == "Team"
    settings = load({"map": "map.toml"})
    assert settings.mapping.columns["queue"].text == "Squad"
    assert settings.mapping_file == str(Path("map.toml").absolute())


def test_settings_refuse_a_mapping_for_another_target() -> None:
    """A mapping that names a field which the target does not take is told with its file, from file and profile."""
    write('[profile.default.mapping.columns]\nworktype = "Kind"\n')
    with pytest.raises(SettingsError, match=r"importer\.toml.*worktype is a field of the target workitems"):
        load({})
    assert load({"target": "workitems"}).mapping.columns["worktype"].text == "Kind"
    Path("map.toml").write_text('[constants]\ntype = "email"\n', "utf-8")
    with pytest.raises(SettingsError, match=r"map\.toml: \[constants\] type is a field of the target tasks"):
        load({"map": "map.toml", "target": "workitems"})


# Mistakes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[profile.default]\nrat = "5/s"\n', "rat is unknown. Did you mean “rate”"),
        ("[profile.default]\nconcurency = 5\n", "Did you mean “concurrency”"),
        ('[profile.default]\nclient_secret = "x"\n', "a secret does not belong into a file"),
        ('[profiles.default]\nrate = "5/s"\n', "profiles stands outside of a profile. Did you mean “profile”"),
        ('rate = "5/s"\n', "rate stands outside of a profile"),
        ('profile = "night"\n', "not a table"),
        ("[profile]\ndefault = 5\n", "not a table"),
        ("[profile.default\n", "not valid TOML"),
        ("[profile.default]\nmapping = 5\n", "mapping is not a table"),
        ('[profile.default.mapping.colums]\nqueue = "Team"\n', "Did you mean “columns”"),
    ],
)
def test_settings_mistake_in_the_file_is_told(text: str, said: str) -> None:
    """A mistake in importer.toml is an error that names it, with a suggestion where one is near."""
    write(text)
    with pytest.raises(SettingsError) as told:
        load({})
    assert said in str(told.value)
    assert told.value.exit_code == 2


@pytest.mark.parametrize(
    ("given", "rows", "most"),
    [(None, 200, None), ("0", 200, 0), ("7", 200, 7), ("5%", 200, 10), ("1 %", 50, 0), ("100%", 9, 9)],
)
def test_settings_failures_are_a_number_or_a_share_of_the_rows(given: str | None, rows: int, most: int | None) -> None:
    """`--max-failures` allows so many rows, or so many in a hundred rounded down; not given, any number."""
    assert load({"max_failures": given}).max_failures(rows) == most


def test_settings_unknown_profile_is_told() -> None:
    """A profile that is not there is an error that lists those that are."""
    with pytest.raises(SettingsError, match=r"no importer\.toml"):
        load({}, "night")
    write('[profile.day]\nrate = "4/s"\n')
    with pytest.raises(SettingsError, match="no profile night; it has: day"):
        load({}, "night")


WRONG: list[tuple[str, Any]] = [
    ("concurrency", 0), ("concurrency", 101), ("concurrency", "²"), ("concurrency", "8.0"), ("concurrency", "-1"),
    ("concurrency", ""), ("track", "all"), ("sandbox", "perhaps"), ("audit", "perhaps"), ("require_approval", 2),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_settings_wrong_value_is_told_with_its_origin(name: str, value: Any) -> None:
    """A value that is not possible is an error that names flag and value."""
    with pytest.raises(SettingsError, match="--" + name.replace("_", "-")):
        getattr(load({name: value}), name)


# Rates and durations


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("300/min", (300, 60.0)), ("300/m", (300, 60.0)), ("5/s", (5, 1.0)), ("300/4s", (300, 4.0)),
        (" 300 / 4 s ", (300, 4.0)), ("300/MIN", (300, 60.0)), ("10/1.5h", (10, 5400.0)), ("10/500ms", (10, 0.5)),
    ],
)  # fmt: skip
def test_rate_is_calls_in_seconds(text: str, rate: tuple[int, float]) -> None:
    """Calls, a slash, and a time."""
    assert parse_rate(text, "--rate") == rate


@pytest.mark.parametrize(
    "text",
    [
        "",
        "300",
        "0/s",
        "-5/s",
        "5/0s",
        "5/",
        "/s",
        "1e3/s",
        "5/s/s",
        "5 per s",
        "٣/s",
        "5/d",
        "9" * 5000 + "/s",
        "5/" + "9" * 5000 + "s",
        "1_0/s",
    ],
)
def test_rate_of_another_form_is_refused(text: str) -> None:
    """Anything else is an error that names the origin."""
    with pytest.raises(SettingsError, match="--rate: .* is not a rate"):
        parse_rate(text, "--rate")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15m", 900.0), ("90s", 90.0), ("1.5h", 5400.0), ("30", 30.0), ("250ms", 0.25), ("2D", 172800.0), ("0", 0.0)],
)
def test_duration_is_seconds(text: str, seconds: float) -> None:
    """A number with a unit; seconds without one."""
    assert parse_duration(text, "--track-for") == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "m", "-5s", "1h30m", "5 s", "1e3", "inf", "nan", "٣s", "5w", "9" * 5000 + "s", "1_0s"]
)
def test_duration_of_another_form_is_refused(text: str) -> None:
    """Anything else is an error that names the origin."""
    with pytest.raises(SettingsError, match="--track-for: .* is not a duration"):
        parse_duration(text, "--track-for")


# Hosts


@pytest.mark.parametrize("domain", REGIONS.values())
def test_host_of_every_region_is_known(domain: str) -> None:
    """A region's domain, with or without `api.`, gives its API and login hosts."""
    expected = (f"https://api.{domain}", f"https://login.{domain}")
    for host in (domain, f"api.{domain}", domain.upper(), f" {domain} ", f"{domain}."):
        assert load({"host": host}).endpoints == expected
    assert load({"api_url": f"https://api.{domain}/"}).endpoints == expected


NAMES = {
    "us-east-1": "mypurecloud.com", "us-west-2": "usw2.pure.cloud", "us-east-2": "use2.us-gov-pure.cloud",
    "ca-central-1": "cac1.pure.cloud", "mx-central-1": "mxc1.pure.cloud", "sa-east-1": "sae1.pure.cloud",
    "eu-west-1": "mypurecloud.ie", "eu-west-2": "euw2.pure.cloud", "eu-central-1": "mypurecloud.de",
    "eu-central-2": "euc2.pure.cloud", "eusc-de-east-1": "edee1.eusc-pure.cloud", "me-central-1": "mec1.pure.cloud",
    "ap-south-1": "aps1.pure.cloud", "ap-southeast-1": "apse1.pure.cloud", "ap-southeast-2": "mypurecloud.com.au",
    "ap-northeast-1": "mypurecloud.jp", "ap-northeast-2": "apne2.pure.cloud", "ap-northeast-3": "apne3.pure.cloud",
}  # fmt: skip
"""The platform's regions, as its SDKs and command line list them: 18."""


@pytest.mark.parametrize(("name", "domain"), NAMES.items())
def test_host_may_be_a_regions_name(name: str, domain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cloud provider's name of each region stands for its domain, in the platform's own variable as well."""
    monkeypatch.setenv("GENESYSCLOUD_REGION", f" {name.upper()} ")
    assert load({}).endpoints == (f"https://api.{domain}", f"https://login.{domain}")


def test_host_knows_every_region_and_no_other() -> None:
    """The known regions are those of the platform's SDKs."""
    assert REGIONS == NAMES


def test_platform_variables_are_second_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """GENESYSCLOUD_REGION, …_OAUTHCLIENT_ID and …_OAUTHCLIENT_SECRET count where GENESYS_… ones are not set, and no further."""
    monkeypatch.setenv("GENESYSCLOUD_REGION", "mypurecloud.ie")
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_ID", "second")
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", SECRET)
    assert load({}).endpoints[0] == "https://api.mypurecloud.ie"
    assert load({}).credentials == ("second", SECRET)
    monkeypatch.setenv("GENESYS_ENV_HOST", "mypurecloud.de")
    monkeypatch.setenv("GENESYS_CLIENT_ID", "first")
    monkeypatch.setenv("GENESYS_CLIENT_SECRET", "canary-secret-first")
    assert load({}).endpoints[0] == "https://api.mypurecloud.de"
    assert load({}).credentials == ("first", "canary-secret-first")


def test_platform_variable_with_a_token_is_no_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ready token cannot be renewed in mid-run: GENESYSCLOUD_ACCESS_TOKEN alone is not enough."""
    monkeypatch.setenv("GENESYSCLOUD_ACCESS_TOKEN", SECRET)
    with pytest.raises(NotAuthorised, match="GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET are not set"):
        _ = load({}).credentials


def test_host_urls_win_over_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """GENESYS_API_URL and GENESYS_LOGIN_URL win over GENESYS_ENV_HOST, each for itself."""
    monkeypatch.setenv("GENESYS_ENV_HOST", "mypurecloud.ie")
    monkeypatch.setenv("GENESYS_LOGIN_URL", "http://127.0.0.1:2")
    assert load({}).endpoints == ("https://api.mypurecloud.ie", "http://127.0.0.1:2")
    monkeypatch.setenv("GENESYS_API_URL", "http://localhost:1")
    assert load({}).endpoints == ("http://localhost:1", "http://127.0.0.1:2")


REFUSED_URLS = [
    "http://api.mypurecloud.com", "http://mypurecloud.com", "http://192.168.0.1", "http://10.0.0.1:8080",
    "http://0.0.0.0", "http://[::]", "http://[fe80::1]", "http://[::ffff:127.0.0.1]", "http://127.0.0.1.evil.test",
    "http://localhost.evil.test", "http://127.1", "http://2130706433", "http://0x7f000001",
    "https://evil.test", "https://api.evil.test", "https://mypurecloud.com.evil.test", "https://evilmypurecloud.com",
    "https://api.mypurecloud.com.", "https://api.mypurecloud.con", "https://xn--mypurecloud-abc.com",
    "https://192.168.0.1", "https://api.zendesk.com",
    "https://api.mypurecloud.com@evil.test", "https://user@api.mypurecloud.com", "https://u:p@api.mypurecloud.com",
    "https://@api.mypurecloud.com", "https://evil.test\\@api.mypurecloud.com", "https://api.mypurecloud.com\\.evil.test",
    "https://evil.test/api.mypurecloud.com", "https://evil.test#api.mypurecloud.com",
    "https://api.mypurecloud.com?x=1", "https://api.mypurecloud.com#x", "https://api.mypurecloud.com?",
    "https://api.mypurecloud.com#", "https://api.mypure\ncloud.com", "https://api.mypurecloud.com\t", " https://api.mypurecloud.com",
    "https://api.mypurecloud.com:port", "https://api.mypurecloud.com:99999", "https://[::1", "https://", "https:///x",
    "ftp://api.mypurecloud.com", "file:///etc/passwd", "javascript:alert(1)", "//api.mypurecloud.com",
    "api.mypurecloud.com", "", "https:api.mypurecloud.com", "wss://api.mypurecloud.com", "https://аpi.mypurecloud.com",
    "https://mypurecloud。com", "https://api.api.evil.test", "https://login.evil.test",
    "https://api。mypurecloud。com", "https://api.mypurecloud．com", "https://api.mypurecloud｡com", "https://ａpi.mypurecloud.com",
    "https://api.mypurecloud.com..", "https://api..mypurecloud.com", "https://.mypurecloud.com", "https://mypurecloud.com.",
    "https://api.api.mypurecloud.com", "https://login.api.login.mypurecloud.com", "https://evil.api.mypurecloud.com",
    "https://api-mypurecloud.com", "https://api.mypurecloud.com-evil.test", "https://api.mypurecloud.co", "https://mypurecloud.de.evil.test",
    "https://rnypurecloud.com", "https://mypurec1oud.com", "https://mypurecIoud.co", "https://api.usw2.pure.cloud.evil.test",
    "https://pure.cloud", "https://usw9.pure.cloud", "https://xn--ypurecloud-.com", "https://api.xn--mypurecloud-com.test",
    "https://3232235521", "https://0300.0250.0.1", "https://0xc0a80001", "https://192.168.1", "https://[::1%25eth0]",
    "http://0177.0.0.1", "http://127.0.0.1.", "http://localhost.", "http://127.0.0.01.evil.test", "http://127.0.0.1@evil.test",
    "http://[::ffff:7f00:1]", "http://[0:0:0:0:0:0:0:2]", "http://[::1].evil.test", "http://[::1]evil.test:80", "http://127.999.1.1", "http://127.0.0.256", "http://0", "http://127.0.0", "http://local­host",
    "https://api.mypurecloud.com:443@evil.test", "https://api.mypurecloud.com%2eevil.test", "https://api.mypurecloud.com%00.evil.test",
    "https://evil.test%2f@api.mypurecloud.com", "https://api.mypurecloud.com\0", "https://\u202eapi.mypurecloud.com",
    "https://api.mypurecloud.com:", "https://api.mypurecloud.com:0", "https://api.mypurecloud.com:-1", "https://api.mypurecloud.com:٤٤٣",
    "HTTP://api.mypurecloud.com", "httpſ://api.mypurecloud.com", "http+unix://api.mypurecloud.com", "https//api.mypurecloud.com",
    "data:text/plain,api.mypurecloud.com", "gopher://127.0.0.1", "https://login.salesforce.com", "https://api.five9.com",
    "https://169.254.169.254", "http://169.254.169.254", "https://metadata.google.internal", "https://[fd00::1]",
]  # fmt: skip


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_host_that_is_not_known_is_refused(url: str) -> None:
    """Credentials go to https on a region's host or to loopback alone; everything else is an error with its origin."""
    with pytest.raises(SettingsError, match="GENESYS_API_URL"):
        checked_url(url, "GENESYS_API_URL", [])


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080", "http://127.1.2.3", "http://localhost:1", "http://[::1]:8080", "https://localhost",
        "https://api.mypurecloud.com", "https://API.MyPureCloud.com", "https://login.usw2.pure.cloud/", "HTTPS://api.mypurecloud.com:443",
    ],
)  # fmt: skip
def test_host_that_is_known_is_taken(url: str) -> None:
    """http is accepted on loopback, https on the hosts of regions; a slash at the end goes."""
    assert checked_url(url, "GENESYS_API_URL", []) == url.rstrip("/")


def test_host_table_is_long() -> None:
    """More than 100 different URLs are refused."""
    assert len(set(REFUSED_URLS)) == len(REFUSED_URLS) > 100


def test_host_of_a_country_of_its_own_is_no_wildcard() -> None:
    """What is allowed is allowed by its whole name: no star, no ending, no URL opens more."""
    for allowed in ("*", "*.test", ".test", "test", "https://evil.test", "evil.test:443", "evil", "", "evil.test/"):
        with pytest.raises(SettingsError):
            checked_url("https://api.evil.test", "x", [allowed])
    assert checked_url("https://api.evil.test", "x", ["evil.test"]) == "https://api.evil.test"
    with pytest.raises(SettingsError, match="not https"):
        checked_url("http://api.evil.test", "x", ["evil.test"])


@given(st.from_regex(r"[a-z0-9.@:/\\?#-]{1,40}", fullmatch=True))
def test_host_check_lets_no_other_host_through(text: str) -> None:
    """Whatever text follows https://, what passes is a region's own host."""
    try:
        url = checked_url(f"https://{text}", "x", [])
    except SettingsError:
        return
    host = url.removeprefix("https://").split("/")[0].split(":")[0]
    assert host.startswith("127.") or host.removeprefix("api.").removeprefix("login.") in REGIONS.values()


@pytest.mark.parametrize("allowed", ["example.org", "other.test, Example.org", ["example.org"]])
def test_host_of_another_vendor_needs_to_be_allowed(allowed: Any) -> None:
    """Another vendor's host is refused unless it is allowed, by a list or a text with commas."""
    with pytest.raises(SettingsError, match="credentials would go there"):
        _ = load({"host": "example.org"}).endpoints
    settings = load({"host": "example.org", "allow_hosts": allowed})
    assert settings.endpoints == ("https://api.example.org", "https://login.example.org")


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://files.mypurecloud.de/a?b=c", True),
        ("https://bucket.s3.example.com/a", True),
        ("https://s3.example.com/a", True),
        ("https://s3.example.com.evil.example/a", False),
        ("https://mypurecloud.de.evil.example/a", False),
        ("https://evilmypurecloud.de/a", False),
        ("http://files.mypurecloud.de/a", False),
        ("http://127.0.0.1:80/a", False),
        ("https://user@files.mypurecloud.de/a", False),
        ("ftp://files.mypurecloud.de/a", False),
        ("//files.mypurecloud.de/a", False),
        ("", False),
        ("https://[", False),
    ],
)
def test_download_is_fetched_from_known_hosts_alone(url: str, *, may: bool) -> None:
    """A download that the API points to is called over https, on the API's own domain or on a host that is allowed."""
    assert may_fetch(url, "https://api.mypurecloud.de", ["s3.example.com"]) is may


def test_host_that_follows_from_an_allowed_one_is_checked_too() -> None:
    """Where the API's host alone is allowed, the login host derived from it is not."""
    with pytest.raises(SettingsError, match=r"login\.example\.org is not a Genesys Cloud region"):
        _ = load({"api_url": "https://api.example.org", "allow_hosts": ["api.example.org"]}).endpoints


def test_host_allowance_of_another_type_is_told() -> None:
    """An allow list that is no list is an error, not a crash."""
    with pytest.raises(SettingsError, match="--allow-hosts"):
        _ = load({"host": "example.org", "allow_hosts": 5}).endpoints


def test_host_error_names_where_a_login_url_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong login URL is told by its own variable, not by the host's."""
    monkeypatch.setenv("GENESYS_ENV_HOST", "mypurecloud.ie")
    monkeypatch.setenv("GENESYS_LOGIN_URL", "http://evil.test")
    with pytest.raises(SettingsError, match="^GENESYS_LOGIN_URL"):
        _ = load({}).endpoints


def test_host_that_is_not_set_is_told() -> None:
    """Without a host the error names the variables and the sandbox."""
    with pytest.raises(SettingsError) as told:
        _ = load({}).endpoints
    assert "GENESYS_ENV_HOST" in told.value.fix
    assert "--sandbox" in told.value.fix


# Secrets


def test_credentials_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is named; what is set is given."""
    with pytest.raises(NotAuthorised, match="GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET are not set") as told:
        _ = load({}).credentials
    assert "--sandbox" in told.value.fix
    monkeypatch.setenv("GENESYS_CLIENT_ID", "me")
    with pytest.raises(NotAuthorised, match="^GENESYS_CLIENT_SECRET is not set"):
        _ = load({}).credentials
    monkeypatch.setenv("GENESYS_CLIENT_SECRET", SECRET)
    assert load({}).credentials == ("me", SECRET)


def test_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the settings' text forms nor `config show` hold the secret; the latter says that it is set."""
    monkeypatch.setenv("GENESYS_CLIENT_ID", "me")
    monkeypatch.setenv("GENESYS_CLIENT_SECRET", SECRET)
    settings = load({})
    assert SECRET not in f"{settings!r} {settings} {settings.values}"
    assert config(None, {}, origin=True) == 0
    shown = "".join(capsys.readouterr())
    assert SECRET not in shown
    assert "GENESYS_CLIENT_SECRET" in shown


def test_secret_in_a_url_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL with a password is refused without showing it."""
    for url in (f"https://me:{SECRET}@api.mypurecloud.com", f"https://me:{SECRET}@[api", f"https://me:{SECRET}@x:y"):
        monkeypatch.setenv("GENESYS_API_URL", url)
        with pytest.raises(SettingsError) as told:
            _ = load({}).endpoints
        assert SECRET not in f"{told.value} {told.value.fix}"


def test_config_show_lists_every_setting_with_its_origin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`config show --origin` has a line for each setting and says where its value came from."""
    monkeypatch.setenv("IMPORTER_RATE", "2/s")
    config(None, {}, origin=True)
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines if line.strip()} >= set(DEFAULTS)
    assert any(line.split() == ["rate", "2/s", "IMPORTER_RATE"] for line in lines)


# How much a file may hold


def test_file_limits_are_those_of_the_command_line_by_default() -> None:
    """Without a setting the generous limits hold."""
    assert load({}).file_limits == COMMAND_LINE


def test_file_limits_come_from_the_profile_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table in the profile sets them, a variable beats it; sizes have units, and none lifts a limit."""
    write('[profile.default.file_limits]\nunpacked = "200MiB"\nrows = 100_000\nmerges = "none"\ncell = 7\n')
    monkeypatch.setenv("IMPORTER_FILE_LIMITS_CELL", "32767")
    expected = replace(COMMAND_LINE, unpacked=200 * 2**20, rows=100_000, merges=None, cell=32_767)
    assert load({}).file_limits == expected


@pytest.mark.parametrize("value", ['"much"', "-1", "1.5", "true", '"20 MB"', "[1]"])
def test_file_limits_that_are_no_numbers_are_refused_by_name(value: str) -> None:
    """A limit that is neither a number, a size nor none is a mistake that is told with its key."""
    write(f"[profile.default.file_limits]\nrows = {value}\n")
    with pytest.raises(SettingsError, match=r"file_limits\.rows"):
        _ = load({}).file_limits


def test_file_limits_that_do_not_exist_are_refused() -> None:
    """An unknown key in the table is a mistake, and so is a table that is none."""
    write("[profile.default.file_limits]\nrow = 5\n")
    with pytest.raises(SettingsError, match=r"file_limits\.row is unknown.*file_limits\.rows"):
        load({})
    write("[profile.default]\nfile_limits = 5\n")
    with pytest.raises(SettingsError, match="not a table"):
        load({})


def test_file_limits_reach_the_reader() -> None:
    """A limit of the profile refuses a file on the command line, naming number and setting."""
    write("[profile.default.file_limits]\nrows = 1\n")
    write("External ID,Queue\n1,a\n2,b\n", "tasks.csv")
    with pytest.raises(FileRefused, match="more than 1 rows") as refused:
        check(Path("tasks.csv"), Asked(None, None, None), {}, None, "human")
    assert "file_limits.rows" in refused.value.fix
