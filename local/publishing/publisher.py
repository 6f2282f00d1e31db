"""Publishing the content: our pages and what they load, into the container that the app serves."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from azure.core.credentials import TokenCredential
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient, ContentSettings, LinearRetry, PublicAccess

from local import REPOSITORY
from local.progress import StepFailed
from local.publishing.bundle import FOLDER, bundle, sources
from signin.website.site import CONTAINER

_SOURCES = ("scripts", "styles")  # folders whose files are published as parts of bundles

_REVALIDATED = "no-cache"  # by etag, on every use: a new version shows at once
_IMMUTABLE = "public, max-age=31536000, immutable"
_RETRY = LinearRetry(backoff=1, retry_total=2, random_jitter_range=0)  # the SDK's own takes 90 seconds to give up


@dataclass(frozen=True, slots=True)
class Asset:
    """A file to publish: under which blob name, and how long browsers may keep it."""

    name: str
    data: bytes
    cache_control: str

    @property
    def content_type(self) -> str:
        """With the charset of texts, and the same on every machine."""
        suffix = Path(self.name).suffix
        return _TYPES.get(suffix) or mimetypes.guess_type(self.name)[0] or "application/octet-stream"


def assets(site: str = "") -> list[Asset]:
    """Everything to publish, pages last: what a page loads is there before it.

    `site` is the public address, without a trailing slash: social networks look for a page's picture at an absolute
    address only. Raises StepFailed where a script or a style sheet cannot be bundled.
    """
    content = REPOSITORY / "content"
    files = {path.relative_to(content).as_posix(): path for path in _files(content)}
    pages = {name: files.pop(name).read_text(encoding="utf-8") for name in list(files) if name.endswith(".html")}
    bundles = bundle(content, set().union(*map(sources, pages.values())))
    return [
        *(Asset(name, data, _IMMUTABLE) for name, data in bundles.files.items()),
        *(
            Asset(name, path.read_bytes(), _REVALIDATED)
            for name, path in files.items()
            if not name.startswith(tuple(f"{folder}/" for folder in _SOURCES))
        ),
        *(Asset(name, bundles.rewrite(_at(site, page)).encode(), _REVALIDATED) for name, page in pages.items()),
    ]


class Publisher:
    """Keeps the container equal to the files."""

    def __init__(self, storage: str, site: str = "", credential: TokenCredential | None = None) -> None:
        """Create the container unless it is there. `site`: see `assets`.

        `storage` is a connection string, and anybody may then read what is published; or, with a credential, the url
        of a Blob Storage account, and nobody may without a role.
        """
        self._site = site
        public_access: PublicAccess | None
        if credential is None:
            self._container = ContainerClient.from_connection_string(storage, CONTAINER, retry_policy=_RETRY)
            public_access = PublicAccess.BLOB
        else:
            self._container = ContainerClient(storage, CONTAINER, credential, retry_policy=_RETRY)
            public_access = None
        self._published: dict[str, bytes] = {}  # blob name: MD5 of its content
        self._seen: object = None
        try:  # who may publish need not be allowed to make containers
            for blob in self._container.list_blobs():
                self._published[blob.name] = bytes(blob.content_settings.content_md5 or b"")
        except ResourceNotFoundError:
            self._container.create_container(public_access=public_access)

    def close(self) -> None:
        """Close the connections to storage."""
        self._container.close()

    def publish(self) -> list[str]:
        """Upload what has changed and delete what is gone; the names of the blobs concerned.

        Costs next to nothing while no file changes. Raises StepFailed, once, for a change that cannot be bundled.
        """
        if (state := _state()) == self._seen:
            return []
        try:
            changed = self._synchronize()
        except StepFailed:
            self._seen = state
            raise
        self._seen = state
        return changed

    def _synchronize(self) -> list[str]:
        wanted = {asset.name: asset for asset in assets(self._site)}
        changed = []
        in_use = self._bundles_of_published_pages()
        for name, asset in wanted.items():
            digest = hashlib.md5(asset.data, usedforsecurity=False).digest()
            if self._published.get(name) != digest:
                self._upload(asset, digest)
                self._published[name] = digest
                changed.append(name)
        for name in self._published.keys() - wanted.keys() - in_use:
            self._container.delete_blob(name)
            del self._published[name]
            changed.append(name)
        return changed

    def _bundles_of_published_pages(self) -> set[str]:
        """What somebody who has just got a page is about to ask for: it stays until the next change is published."""
        pages = [name for name in self._published if name.endswith(".html")]
        texts = [self._container.download_blob(name, encoding="utf-8").readall() for name in pages]
        return {name for text in texts for name in re.findall(rf"\b{FOLDER}/[^\"]+", text)}

    def _upload(self, asset: Asset, digest: bytes) -> None:
        settings = ContentSettings(
            content_type=asset.content_type, content_md5=bytearray(digest), cache_control=asset.cache_control
        )
        self._container.upload_blob(asset.name, asset.data, overwrite=True, content_settings=settings)


def _files(content: Path) -> Iterator[Path]:
    """All but the hidden files, which are those of editors and file managers."""
    return (path for path in sorted(content.rglob("[!.]*")) if path.is_file())


def _state() -> object:
    """What changes whenever a file is saved."""
    return [(path, path.stat().st_mtime_ns, path.stat().st_size) for path in _files(REPOSITORY / "content")]


def _at(site: str, page: str) -> str:
    """A page whose picture for social networks has its full address."""
    return re.sub(r'(?<="og:image" content=")(?=/)', site, page)


# mimetypes answers differently from machine to machine, and names no charset.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
