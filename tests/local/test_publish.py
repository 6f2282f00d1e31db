"""Publishing: the container becomes, and stays, what the files are."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from local import publish
from local.publish import LIBRARIES, Publisher, assets, library_name
from local.storage import Account
from signin.content import CONTAINER, is_blob_name

REPOSITORY = Path(__file__).parents[2]
CONTENT = REPOSITORY / "content"
PAGES = ["index.html", "404.html"]


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the content, which is what gets published."""
    monkeypatch.setattr(publish, "REPOSITORY", tmp_path)
    return shutil.copytree(CONTENT, tmp_path / "content")


@pytest.fixture
def publisher(account: Account, content: Path) -> Iterator[Publisher]:
    """Publishes the copy into an empty account."""
    with closing(Publisher(account.connection_string)) as publisher:
        yield publisher


def read(account: Account, name: str) -> requests.Response:
    """The blob, as anybody may read it."""
    return requests.get(f"{account.blob_url}/{CONTAINER}/{name}", timeout=10)


def test_every_file_is_published_as_it_is_for_anybody_to_read(publisher: Publisher, account: Account) -> None:
    published = publisher.publish()
    assert sorted(published) == sorted(asset.name for asset in assets())
    for asset in assets():
        blob = read(account, asset.name)
        assert (blob.status_code, blob.content) == (200, asset.path.read_bytes()), asset.name


def test_types_and_cache_headers_are_those_a_browser_needs(
    publisher: Publisher, account: Account, content: Path
) -> None:
    (content / "data.bin.unheard-of").write_bytes(b"\0")
    publisher.publish()
    script, page = "text/javascript; charset=utf-8", "text/html; charset=utf-8"
    revalidate, keep = "no-cache", "public, max-age=31536000, immutable"
    expected = {
        "index.html": (page, revalidate),
        "404.html": (page, revalidate),
        "styles/theme.css": ("text/css; charset=utf-8", revalidate),
        "scripts/main.js": (script, revalidate),
        "images/favicon.svg": ("image/svg+xml", revalidate),
        "data.bin.unheard-of": ("application/octet-stream", revalidate),
        **{library_name(package): (script, keep) for package in LIBRARIES},
    }
    headers = {name: read(account, name).headers for name in expected}
    assert {name: (of["Content-Type"], of["Cache-Control"]) for name, of in headers.items()} == expected


def test_only_what_has_changed_is_uploaded(publisher: Publisher, account: Account, content: Path) -> None:
    publisher.publish()
    etag = read(account, "404.html").headers["ETag"]
    assert publisher.publish() == []

    (content / "index.html").write_text("A new page.")
    (content / "images" / "new.txt").write_text("A new file.")
    assert publisher.publish() == ["images/new.txt", "index.html"]
    assert read(account, "index.html").text == "A new page."
    assert read(account, "images/new.txt").text == "A new file."
    assert read(account, "404.html").headers["ETag"] == etag


def test_what_is_gone_is_deleted(publisher: Publisher, account: Account, content: Path) -> None:
    publisher.publish()
    (content / "404.html").unlink()
    assert publisher.publish() == ["404.html"]
    assert read(account, "404.html").status_code == 404
    assert publisher.publish() == []


def test_a_restart_uploads_and_deletes_only_what_changed_meanwhile(
    publisher: Publisher, account: Account, content: Path
) -> None:
    publisher.publish()
    (content / "index.html").write_text("A new page.")
    (content / "404.html").unlink()
    with closing(Publisher(account.connection_string)) as restarted:
        assert restarted.publish() == ["index.html", "404.html"]
        assert restarted.publish() == []


def test_the_hidden_files_of_editors_and_systems_are_not_published(publisher: Publisher, content: Path) -> None:
    (content / ".DS_Store").write_bytes(b"")
    (content / "styles" / ".theme.css.swp").write_bytes(b"")
    assert [name for name in publisher.publish() if "/." in f"/{name}"] == []


def test_every_name_is_one_that_the_app_serves() -> None:
    assert [asset.name for asset in assets() if not is_blob_name(asset.name)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_refers_to_is_published(page: str) -> None:
    names = {asset.name for asset in assets()}
    html = (CONTENT / page).read_text(encoding="utf-8")
    references = {reference.removeprefix("/") for reference in re.findall(r'\b(?:src|href)="([^"#]*)"', html)}
    assert references - {"", "./"} <= names


def test_the_libraries_are_published_under_the_names_by_which_the_content_refers_to_them() -> None:
    texts = [path.read_text(encoding="utf-8") for path in CONTENT.rglob("*") if path.suffix in (".html", ".js")]
    references = {name for text in texts for name in re.findall(r"\blib/[\w.-]+", text)}
    assert references == {library_name(package) for package in LIBRARIES}
