"""Publishing: the container becomes equal to the files, and stays so."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests
from azure.storage.blob import BlobClient

from local import REPOSITORY
from local.emulators.azurite import Account
from local.node import NODE
from local.progress import StepFailed
from local.publishing.bundle import EMBED, FOLDER
from local.publishing.publisher import Publisher, assets
from signin.website.names import is_blob_name
from signin.website.site import CONTAINER

CONTENT = REPOSITORY / "content"
PAGES = ["index.html", "404.html"]

IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the content, which is published in place of the original."""
    monkeypatch.setattr("local.publishing.publisher.REPOSITORY", tmp_path)
    return shutil.copytree(CONTENT, tmp_path / "content")


@pytest.fixture
def publisher(account: Account, content: Path) -> Iterator[Publisher]:
    """Publishes the copy into an empty account."""
    with closing(Publisher(account.connection_string)) as publisher:
        yield publisher


def bundled(name: str, suffix: str) -> str:
    """The current name of the bundle of a script or a style sheet."""
    (found,) = [
        asset.name for asset in assets() if re.fullmatch(rf"{FOLDER}/{name}-\w+{re.escape(suffix)}", asset.name)
    ]
    return found


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def read(account: Account, name: str) -> requests.Response:
    """Read a blob without credentials."""
    return requests.get(f"{account.blob_url}/{CONTAINER}/{name}", timeout=10)


def test_all_assets_are_published_for_public_access(publisher: Publisher, account: Account) -> None:
    published = publisher.publish()
    assert sorted(published) == sorted(asset.name for asset in assets())
    for asset in assets():
        blob = read(account, asset.name)
        assert (blob.status_code, blob.content) == (200, asset.data), asset.name


def test_unbundled_files_are_published_unchanged() -> None:
    published = {asset.name: asset.data for asset in assets()}
    for name in ("images/favicon.svg", "images/preview.png", "site.webmanifest", "robots.txt"):
        assert published[name] == (CONTENT / name).read_bytes()


def test_blobs_have_types_and_cache_headers(publisher: Publisher, account: Account, content: Path) -> None:
    (content / "data.bin.unheard-of").write_bytes(b"\0")
    publisher.publish()
    page = "text/html; charset=utf-8"
    expected = {
        "index.html": (page, "no-cache"),
        "404.html": (page, "no-cache"),
        "images/favicon.svg": ("image/svg+xml", "no-cache"),
        "site.webmanifest": ("application/manifest+json", "no-cache"),
        EMBED: ("text/javascript; charset=utf-8", "no-cache"),
        "data.bin.unheard-of": ("application/octet-stream", "no-cache"),
        bundled("main", ".css"): ("text/css; charset=utf-8", IMMUTABLE),
        bundled("main", ".js"): ("text/javascript; charset=utf-8", IMMUTABLE),
        bundled("instrument-sans-latin-wght-normal", ".woff2"): ("font/woff2", IMMUTABLE),
    }
    headers = {name: read(account, name).headers for name in expected}
    assert {name: (of["Content-Type"], of["Cache-Control"]) for name, of in headers.items()} == expected


def test_only_changed_files_are_uploaded(publisher: Publisher, account: Account, content: Path) -> None:
    publisher.publish()
    etag = read(account, "index.html").headers["ETag"]
    assert publisher.publish() == []

    append(content / "404.html", "<!-- A new version. -->")
    (content / "images" / "new.txt").write_text("A new file.")
    assert publisher.publish() == ["images/new.txt", "404.html"]
    assert read(account, "404.html").text.endswith("<!-- A new version. -->")
    assert read(account, "images/new.txt").text == "A new file."
    assert read(account, "index.html").headers["ETag"] == etag


def test_unchanged_content_is_not_bundled(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    publisher.publish()
    monkeypatch.delattr("local.publishing.publisher.bundle")
    assert publisher.publish() == []


def test_changed_script_gets_new_name_in_page(publisher: Publisher, account: Account, content: Path) -> None:
    publisher.publish()
    before = bundled("main", ".js")
    append(content / "scripts" / "main.js", "console.log('a new version');")
    changed = publisher.publish()
    after = bundled("main", ".js")
    assert after != before
    assert changed.index(after) < changed.index("index.html"), "The page names a script that is not there yet."
    assert after in read(account, "index.html").text


def test_changed_script_for_other_sites_keeps_its_name(publisher: Publisher, account: Account, content: Path) -> None:
    publisher.publish()
    append(content / "scripts" / "socket.js", "console.log('a new version');")
    assert publisher.publish() == [EMBED]
    assert "a new version" in read(account, EMBED).text


def test_content_may_lack_the_script_for_other_sites(publisher: Publisher, content: Path) -> None:
    (content / EMBED).rename(content / f"{EMBED}on")
    assert {f"{EMBED}on", "index.html"} < set(publisher.publish())


def test_script_for_other_sites_is_classic_and_has_at_most_1500_bytes() -> None:
    (script,) = [asset.data for asset in assets() if asset.name == EMBED]
    assert script.startswith(b"(()=>{"), "its names are not those of the page, and it is no module"
    assert not re.search(rb"\b(import|export)\b", script)
    # By Node's compressors, whose version is fixed: those of Python differ by a few bytes.
    measure = "[zlib.gzipSync(script, { level: 9 }), zlib.brotliCompressSync(script)].map(({ length }) => length)"
    program = f"const script = fs.readFileSync(0); console.log(JSON.stringify({measure}))"
    sizes = subprocess.run([NODE, "-e", program], input=script, capture_output=True, check=True).stdout
    assert max(json.loads(sizes)) <= 1_500, sizes


def test_previous_bundles_stay_for_one_publication(publisher: Publisher, account: Account, content: Path) -> None:
    publisher.publish()
    versions = [bundled("main", ".js")]
    for number in (1, 2):
        append(content / "scripts" / "main.js", f"console.log({number});")
        with closing(Publisher(account.connection_string)) as restarted:  # it knows only the blobs in the container
            restarted.publish()
        versions.append(bundled("main", ".js"))
    assert [read(account, name).status_code for name in versions] == [404, 200, 200]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("scripts/format.js", "export function {"),
        ("styles/home.css", '@import "missing.css";'),
        (EMBED, 'import "./missing.js";'),
    ],
)
def test_bundling_error_leaves_published_content(
    publisher: Publisher, account: Account, content: Path, path: str, text: str
) -> None:
    publisher.publish()
    page = read(account, "index.html").text
    whole = (content / path).read_text(encoding="utf-8")
    (content / path).write_text(text + whole)
    with pytest.raises(StepFailed, match=path):
        publisher.publish()
    assert publisher.publish() == []
    assert read(account, "index.html").text == page

    (content / path).write_text(f"{whole}\n/* mended */")
    publisher.publish()


def test_page_in_another_encoding_is_one_line(content: Path) -> None:
    (content / "404.html").write_bytes("<p>Café".encode("latin-1"))
    with pytest.raises(StepFailed, match=r"^404\.html is not in UTF-8, .*\.$"):
        assets()


def test_removed_files_are_deleted(publisher: Publisher, account: Account, content: Path) -> None:
    publisher.publish()
    (content / "robots.txt").unlink()
    assert publisher.publish() == ["robots.txt"]
    assert read(account, "robots.txt").status_code == 404
    assert publisher.publish() == []


def test_restarted_publisher_publishes_only_changes(publisher: Publisher, account: Account, content: Path) -> None:
    publisher.publish()
    append(content / "index.html", "<!-- A new version. -->")
    (content / "robots.txt").unlink()
    with closing(Publisher(account.connection_string)) as restarted:
        assert restarted.publish() == ["index.html", "robots.txt"]
        assert restarted.publish() == []


def test_hidden_files_are_not_published(publisher: Publisher, content: Path) -> None:
    (content / ".DS_Store").write_bytes(b"")
    (content / "images" / ".favicon.svg.swp").write_bytes(b"")
    (content / ".idea").mkdir()
    (content / ".idea" / "workspace.xml").write_bytes(b"")
    assert [name for name in publisher.publish() if "/." in f"/{name}"] == []


def test_file_that_cannot_be_published_is_reported(publisher: Publisher, content: Path) -> None:
    publisher.publish()
    assert publisher.refused == []
    (content / "a#b.txt").write_text("text")
    assert publisher.publish() == []
    assert publisher.refused == ["a#b.txt is not published: the app serves no name with '#'."]


def test_hidden_file_that_was_published_is_deleted(publisher: Publisher, account: Account) -> None:
    """An earlier version, or another program, has published it."""
    with BlobClient.from_connection_string(account.connection_string, CONTAINER, ".idea/workspace.xml") as blob:
        blob.upload_blob(b"secret")
    assert read(account, ".idea/workspace.xml").status_code == 200
    with closing(Publisher(account.connection_string)) as restarted:
        assert ".idea/workspace.xml" in restarted.publish()
    assert read(account, ".idea/workspace.xml").status_code == 404


def test_app_serves_all_asset_names() -> None:
    assert [asset.name for asset in assets() if not is_blob_name(asset.name)] == []


@pytest.mark.parametrize("page", PAGES)
def test_all_references_of_page_are_published(page: str) -> None:
    published = {asset.name: asset.data for asset in assets()}
    html = published[page].decode()
    references = {reference.removeprefix("/") for reference in re.findall(r'\b(?:src|href)="([^"#]*)"', html)}
    references |= {reference[1:] for reference in re.findall(r'"og:image" content="([^"]*)"', html)}
    assert references - {"", "./"} <= published.keys()


def test_social_picture_has_absolute_address() -> None:
    (page,) = [asset.data.decode() for asset in assets("https://signin.example") if asset.name == "index.html"]
    assert '<meta property="og:image" content="https://signin.example/images/preview.png">' in page


def test_first_view_is_below_80_kb() -> None:
    """The files that load before the numbers appear: not icons, source maps and the script for other sites."""
    first_view = [
        asset
        for asset in assets()
        if asset.name == "index.html" or (asset.name.endswith((".js", ".css", ".woff2")) and asset.name != EMBED)
    ]
    sizes = {asset.name: len(gzip.compress(asset.data)) for asset in first_view}
    assert sum(sizes.values()) < 80_000, f"Compressed: {sizes}"
