from __future__ import annotations

import re

import pytest

from local import REPOSITORY
from local.publishing import bundle
from signin.counting.rows import is_room_name
from signin.identity.credential import Identity
from signin.settings import RESERVED_NAMES, Settings, SettingsError, TableSettings
from tests.support.function_app import load

SECRET = "c2VjcmV0IGtleSBvZiB0aGUgYWNjb3VudA=="

COMPLETE = {
    "TableConnectionString": f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={SECRET};EndpointSuffix=b.net",
    "BlobHost": "account.blob.core.windows.net",
    "AzureSignalRConnectionString": f"Endpoint=https://x.service.signalr.net;AccessKey={SECRET};Version=1.0;",
}


def problem(**changes: str) -> str:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment(COMPLETE | changes)
    return str(raised.value)


def test_complete_settings_are_read() -> None:
    settings = Settings.from_environment(COMPLETE)
    assert settings.table.connection_string == COMPLETE["TableConnectionString"]
    assert settings.blob_url == "https://account.blob.core.windows.net"
    assert settings.signalr.endpoint == "https://x.service.signalr.net"
    assert settings.broadcast_interval == 1.0
    assert settings.maximum_broadcasts is None
    assert settings.here_seconds == 300
    assert settings.content_security_policy is None


def test_error_names_every_missing_setting() -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment({})
    assert str(raised.value) == (
        "TableConnectionString is not set; BlobHost is not set; AzureSignalRConnectionString is not set"
    )


def test_error_names_every_malformed_setting() -> None:
    message = problem(
        TableConnectionString="x",
        BlobHost="ftp://x",
        AzureSignalRConnectionString="x",
        BroadcastIntervalSeconds="x",
        MaxFileMB="x",
    )
    assert message.count("is malformed") == 5
    for name in (*COMPLETE, "BroadcastIntervalSeconds", "MaxFileMB"):
        assert f"{name} is malformed: " in message
    assert "\n" not in message


@pytest.mark.parametrize("name", COMPLETE)
@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_blank_setting_counts_as_not_set(name: str, blank: str) -> None:
    assert problem(**{name: blank}) == f"{name} is not set"


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("account.blob.core.windows.net", "https://account.blob.core.windows.net"),
        ("account.blob.core.windows.net/", "https://account.blob.core.windows.net"),
        (" account.blob.core.windows.net\n", "https://account.blob.core.windows.net"),
        ("localhost:10000/devstoreaccount1", "https://localhost:10000/devstoreaccount1"),
        ("https://account.blob.core.windows.net", "https://account.blob.core.windows.net"),
        ("http://127.0.0.1:10000/devstoreaccount1", "http://127.0.0.1:10000/devstoreaccount1"),
        ("http://127.0.0.1:10000/devstoreaccount1/", "http://127.0.0.1:10000/devstoreaccount1"),
    ],
)
def test_blob_host_is_a_host_or_a_url(setting: str, url: str) -> None:
    assert Settings.from_environment(COMPLETE | {"BlobHost": setting}).blob_url == url


@pytest.mark.parametrize(
    "setting", ["http://", "ftp://host", "https:///path", "host?x", "https://host/#x", "http://[x"]
)
def test_other_blob_host_is_refused(setting: str) -> None:
    assert problem(BlobHost=setting).startswith("BlobHost is malformed")


@pytest.mark.parametrize("setting", ["UseDevelopmentStorage=true", "UseDevelopmentStorage=true;"])
def test_development_storage_is_accepted(setting: str) -> None:
    settings = Settings.from_environment(COMPLETE | {"TableConnectionString": setting})
    assert settings.table.connection_string == "UseDevelopmentStorage=true"


@pytest.mark.parametrize(("setting", "seconds"), [("0.1", 0.1), ("2", 2.0), (" 0.5 ", 0.5), ("3600", 3600.0)])
def test_broadcast_interval_is_in_seconds(setting: str, seconds: float) -> None:
    settings = Settings.from_environment(COMPLETE | {"BroadcastIntervalSeconds": setting})
    assert settings.broadcast_interval == seconds


@pytest.mark.parametrize("setting", ["0", "-1", "0.09", "3601", "nan", "inf", "1s", "one"])
def test_broadcast_interval_out_of_range_is_refused(setting: str) -> None:
    assert "is not a number of seconds from 0.1 to 3600" in problem(BroadcastIntervalSeconds=setting)


@pytest.mark.parametrize(("setting", "seconds"), [("", 300), ("0", 0), ("30", 30), (" 60 ", 60), ("3600", 3600)])
def test_period_of_open_pages_is_in_seconds(setting: str, seconds: int) -> None:
    assert Settings.from_environment(COMPLETE | {"HereSeconds": setting}).here_seconds == seconds


@pytest.mark.parametrize("setting", ["1", "29", "3601", "-30", "60.5", "1e2", "one", "\u0663\u0660", "9" * 5000])
def test_period_of_open_pages_out_of_range_is_refused(setting: str) -> None:
    message = problem(HereSeconds=setting)
    assert message == "HereSeconds is malformed: it is neither 0 nor a whole number of seconds from 30 to 3600"


@pytest.mark.parametrize(("setting", "megabytes"), [("", 100), ("4", 4), (" 30 ", 30), ("1000", 1000)])
def test_largest_file_is_in_megabytes(setting: str, megabytes: int) -> None:
    assert Settings.from_environment(COMPLETE | {"MaxFileMB": setting}).max_file_mb == megabytes


@pytest.mark.parametrize("setting", ["0", "3", "1001", "-5", "4.5", "1e2", "30 MB", "all", "٣٠"])
def test_largest_file_out_of_range_is_refused(setting: str) -> None:
    assert "is not a whole number of megabytes from 4 to 1000" in problem(MaxFileMB=setting)


@pytest.mark.parametrize(
    ("setting", "broadcasts"), [("", None), (" ", None), ("1000", 1_000), (" 20000\n", 20_000), ("1000000", 1_000_000)]
)
def test_maximum_of_broadcasts_is_a_number_or_none(setting: str, broadcasts: int | None) -> None:
    settings = Settings.from_environment(COMPLETE | {"MaximumBroadcastsPerDay": setting})
    assert settings.maximum_broadcasts == broadcasts


@pytest.mark.parametrize(
    "setting",
    [
        "0",
        "999",
        "1000001",
        "-1000",
        "1e4",
        "10000.0",
        "10_000",
        "10,000",
        "inf",
        "nan",
        "none",
        "9" * 5000,
        "\u0661000",
    ],
)
def test_maximum_of_broadcasts_out_of_range_is_refused(setting: str) -> None:
    message = problem(MaximumBroadcastsPerDay=setting)
    assert message == "MaximumBroadcastsPerDay is malformed: it is not a whole number from 1000 to 1000000"


@pytest.mark.parametrize(
    ("setting", "policy"),
    [
        ("", None),
        (" \n", None),
        ("none", ""),
        (" None ", ""),
        ("default-src 'self' data:", "default-src 'self' data:"),
        (
            "script-src 'unsafe-inline' https://cdn.example; sandbox;\n",
            "script-src 'unsafe-inline' https://cdn.example; sandbox;",
        ),
        ("upgrade-insecure-requests;; Img-Src *", "upgrade-insecure-requests;; Img-Src *"),
    ],
)
def test_content_security_policy_is_ours_another_or_none(setting: str, policy: str | None) -> None:
    settings = Settings.from_environment(COMPLETE | {"ContentSecurityPolicy": setting})
    assert settings.content_security_policy == policy


@pytest.mark.parametrize(
    "setting",
    [
        *("off", "false", "*", "'none'", "'self'", "https://cdn.example", ";", "default-src: 'self'"),
        *("default-src 'self'\nSet-Cookie: a=b", "default-src\r'self'", "default-src\t'self'"),
        *("default-src 'self'\x00", "default-src 'self'\x7f", "default-src https://münchen.example", "lin\u212a-src *"),
    ],
)
def test_malformed_content_security_policy_is_refused(setting: str) -> None:
    """Browsers would ignore it, or the rest of it would be another header."""
    message = problem(ContentSecurityPolicy=setting)
    assert message.startswith("ContentSecurityPolicy is malformed: it is neither none nor a policy")


@pytest.mark.parametrize(
    ("setting", "origins"),
    [
        ("", ()),
        (" , ", ()),
        ("*", ("*",)),
        ("https://a.example, http://b.example:8000\n", ("https://a.example", "http://b.example:8000")),
    ],
)
def test_allowed_origins_are_a_list_or_all(setting: str, origins: tuple[str, ...]) -> None:
    assert Settings.from_environment(COMPLETE | {"AllowedOrigins": setting}).allowed_origins.listed == origins


def test_malformed_origin_is_refused() -> None:
    expected = "AllowedOrigins is malformed: entry 2 has to be https://b.example, as browsers send it"
    assert problem(AllowedOrigins="https://a.example https://b.example/") == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"AllowedOrigins": SECRET},
        {"AllowedOrigins": COMPLETE["TableConnectionString"]},
        {"AllowedOrigins": f"https://me:{SECRET}@www.example.com"},
        {"AllowedOrigins": f"https://www.example.com/?sig={SECRET}"},
        {"TableConnectionString": f"AccountKey={SECRET}"},
        {"TableConnectionString": f"AccountName=a;AccountName=b;AccountKey={SECRET}"},
        {"TableConnectionString": f"TableEndpoint=http://[x;AccountName=a;AccountKey={SECRET}"},
        {"TableConnectionString": SECRET},
        {"TableConnectionString": f"https://account.table.core.windows.net/?sv=2024&sig={SECRET}"},
        {"BlobHost": f"https://account.blob.core.windows.net/?sv=2024&sig={SECRET}"},
        {"BlobHost": f"account.blob.core.windows.net?sv=2024&sig={SECRET}"},
        {"BlobHost": COMPLETE["TableConnectionString"] + "://"},
        {"AzureSignalRConnectionString": f"AccessKey={SECRET}"},
        {"AzureSignalRConnectionString": f"Endpoint=x;AccessKey={SECRET}"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_error_does_not_contain_secrets(changes: dict[str, str]) -> None:
    """Visitors of a misconfigured app see the message, too."""
    assert SECRET not in problem(**changes)


# Access by identity

KEYLESS = {name: value for name, value in COMPLETE.items() if name != "TableConnectionString"} | {
    "TableConnectionString__tableServiceUri": "https://account.table.core.windows.net/"
}


@pytest.mark.parametrize("name", ["TableConnectionString__tableServiceUri", "TableConnectionString__serviceUri"])
def test_table_url_is_accepted(name: str) -> None:
    settings = Settings.from_environment(KEYLESS | {"TableConnectionString__tableServiceUri": "", name: "https://a.b/"})
    assert settings.table == TableSettings(url="https://a.b")


@pytest.mark.parametrize(
    ("changes", "identity"),
    [
        ({}, Identity()),
        ({"__credential": "managedidentity"}, Identity(is_managed=True)),
        ({"__credential": "managedidentity", "__clientId": "me"}, Identity(is_managed=True, client_id="me")),
        ({"__clientId": "me"}, Identity(client_id="me")),
    ],
)
def test_table_identity_defaults_to_environment_credential(changes: dict[str, str], identity: Identity) -> None:
    settings = {f"TableConnectionString{name}": value for name, value in changes.items()}
    assert Settings.from_environment(KEYLESS | settings).table.identity == identity


def test_connection_string_takes_precedence_over_url() -> None:
    settings = Settings.from_environment(KEYLESS | COMPLETE)
    assert settings.table == TableSettings(COMPLETE["TableConnectionString"])


def test_connection_by_key_or_identity_sends_no_request() -> None:
    for settings in (TableSettings("UseDevelopmentStorage=true"), TableSettings(url="https://account.invalid")):
        assert settings.connect()


def test_blob_access_defaults_to_anonymous() -> None:
    assert Settings.from_environment(COMPLETE).blob_identity is None
    identity = {"BlobHost__credential": "managedidentity", "BlobHost__clientId": "me"}
    assert Settings.from_environment(COMPLETE | identity).blob_identity == Identity(is_managed=True, client_id="me")


@pytest.mark.parametrize("url", ["http://account.table.core.windows.net", "account", "https://a/?sig=x", "https://"])
def test_other_table_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="TableConnectionString__tableServiceUri is malformed: it is not the https"):
        Settings.from_environment(KEYLESS | {"TableConnectionString__tableServiceUri": url})


@pytest.mark.parametrize("name", ["TableConnectionString", "BlobHost"])
def test_unknown_credential_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}__credential is malformed: it can only be managedidentity"):
        Settings.from_environment(KEYLESS | {f"{name}__credential": "workload"})


def test_identity_requires_https_blob_host() -> None:
    settings = {"BlobHost": "http://account.blob.core.windows.net", "BlobHost__credential": "managedidentity"}
    with pytest.raises(SettingsError, match="BlobHost is malformed: an identity's tokens are sent by https only"):
        Settings.from_environment(COMPLETE | settings)


def test_problem_of_a_setting_is_named_once() -> None:
    settings = COMPLETE | {"BlobHost": "ftp://x", "BlobHost__credential": "x"}
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment(settings)
    assert [text.split(" is ")[0] for text in str(raised.value).split("; ")] == ["BlobHost", "BlobHost__credential"]


def test_documented_policy_is_accepted() -> None:
    text = (REPOSITORY / "docs/from-the-csharp-sample.md").read_text(encoding="utf-8")
    (policy,) = re.findall(r"^ *(default-src .*)$", text, re.MULTILINE)
    settings = Settings.from_environment(COMPLETE | {"ContentSecurityPolicy": policy})
    assert settings.content_security_policy == policy


def rooms(**settings: str) -> list[tuple[str, str]]:
    return [(room.name, room.title) for room in Settings.from_environment(COMPLETE | settings).rooms.values()]


def test_without_rooms_there_is_the_default_counter() -> None:
    assert rooms() == rooms(Rooms=" ; ", Title=" ") == [("", "")]
    assert rooms(Title=" Our event ") == [("", "Our event")]


def test_rooms_have_names_and_titles() -> None:
    setting = " keynote = Opening = keynote ;hall-a=Hall A; shop;\nblog= ;"
    assert rooms(Rooms=setting) == [
        ("", ""),
        ("keynote", "Opening = keynote"),
        ("hall-a", "Hall A"),
        ("shop", ""),
        ("blog", ""),
    ]


@pytest.mark.parametrize(
    "name", ["Keynote", "key_note", "a b", "-a", "a-", "a--b", "å", "a/b", "badge.svg", "a" * 33, "=x"]
)
def test_malformed_room_is_named(name: str) -> None:
    shown = name.partition("=")[0]
    assert f"Rooms is malformed: {shown!r} is not a name of at most 32 lower-case" in problem(Rooms=f"ok; {name}")


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_room_may_not_hide_a_route(name: str) -> None:
    assert problem(Rooms=name) == f"Rooms is malformed: the app uses the name {name!r} itself"


def test_reserved_names_cover_content_and_routes() -> None:
    folders = {path.name for path in (REPOSITORY / "content").iterdir() if path.is_dir()} | {bundle.FOLDER}
    segments = {(f.get_trigger().route or "").split("/")[0] for f in load().app.get_functions()}
    routes = {segment for segment in segments if is_room_name(segment)}
    assert folders | routes | {"admin", "runtime"} == RESERVED_NAMES


def test_room_given_twice_is_refused() -> None:
    assert problem(Rooms="a=A; b; a=B") == "Rooms is malformed: the room 'a' is given twice"


def test_number_of_rooms_is_limited() -> None:
    names = [f"room-{number}" for number in range(21)]
    assert len(rooms(Rooms=";".join(names[:20]))) == 21
    assert problem(Rooms=";".join(names)) == "Rooms is malformed: it has 21 rooms, and 20 are the most"


@pytest.mark.parametrize("title", ["x" * 101, "two\nlines", "tab\there", "a\x85b", "a\u2028b", "\udcff"])
def test_malformed_title_is_refused(title: str) -> None:
    expected = "is malformed: it is not a title of at most 100 characters on one line"
    assert problem(Title=title) == f"Title {expected}"
    assert problem(Rooms=f"a={title}") == f"Rooms {expected}"
