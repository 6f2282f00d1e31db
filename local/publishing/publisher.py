"""Publishing the content: the pages and the files that they load, into the container that the app serves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from azure.core.credentials import TokenCredential
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient, ContentSettings, LinearRetry, PublicAccess

from local import REPOSITORY
from local.progress import StepFailed
from local.publishing.bundle import EMBED, FOLDER, bundle, sources
from local.publishing.content import Content, read_folder
from signin.website.media_types import media_type
from signin.website.site import CONTAINER

_SOURCES = ("scripts", "styles")  # folders of files that are published in bundles only

_REVALIDATED = "no-cache"  # browsers revalidate by ETag on every use, so that a new version appears at once
_IMMUTABLE = "public, max-age=31536000, immutable"
_RETRY = LinearRetry(backoff=1, retry_total=2, random_jitter_range=0)  # the SDK's default fails only after 90 seconds


@dataclass(frozen=True, slots=True)
class Asset:
    """A file to publish: its blob name, its content and its Cache-Control header."""

    name: str
    data: bytes
    cache_control: str

    @property
    def content_type(self) -> str:
        """The media type, with a charset for text; the same on every machine."""
        return media_type(self.name)


def assets(site: str = "") -> list[Asset]:
    """All files to publish. Pages come last, so that the files they load are there before them.

    `site` is the app's public address, without a trailing slash: social networks load a page's picture from an absolute
    address only. Raises StepFailed if a script or a style sheet cannot be bundled, or a page is not in UTF-8.
    """
    files = dict(_content().files)
    pages = {name: _text(name, files.pop(name)) for name in list(files) if name.endswith(".html")}
    bundles = bundle(REPOSITORY / "content", set().union(*map(sources, pages.values())))
    return [
        *(Asset(name, data, _REVALIDATED if name == EMBED else _IMMUTABLE) for name, data in bundles.files.items()),
        *(
            Asset(name, path.read_bytes(), _REVALIDATED)
            for name, path in files.items()
            if name != EMBED and not name.startswith(tuple(f"{folder}/" for folder in _SOURCES))
        ),
        *(Asset(name, bundles.rewrite(_with_site(site, page)).encode(), _REVALIDATED) for name, page in pages.items()),
    ]


class Publisher:
    """Keeps the container equal to the files in `content/`.

    `refused` has one line for each file that could not be published the last time.
    """

    def __init__(self, storage: str, site: str = "", credential: TokenCredential | None = None) -> None:
        """Create the container if it does not exist. `site`: see `assets`.

        `storage` is a connection string, and the container allows public access; or, with a credential, it is the url
        of a Blob Storage account, and reading the container requires a role.
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
        self.refused: Sequence[str] = ()
        try:  # first, since the right to publish does not include the right to create containers
            for blob in self._container.list_blobs():
                self._published[blob.name] = bytes(blob.content_settings.content_md5 or b"")
        except ResourceNotFoundError:
            self._container.create_container(public_access=public_access)

    def close(self) -> None:
        """Close the connections to storage."""
        self._container.close()

    def publish(self) -> list[str]:
        """Upload changed files and delete the blobs of removed ones. Returns the names of these blobs.

        Makes no request if no file has changed. Raises StepFailed, once, for a change that cannot be bundled.
        """
        content = _content()
        if (state := _state(content)) == self._seen:
            return []
        self.refused = content.refused
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
        """The bundles of the pages in the container.

        Browsers that have just loaded such a page will request them, so they stay until the next change is published.
        """
        pages = [name for name in self._published if name.endswith(".html")]
        texts = [self._container.download_blob(name, encoding="utf-8").readall() for name in pages]
        return {name for text in texts for name in re.findall(rf"\b{FOLDER}/[^\"]+", text)}

    def _upload(self, asset: Asset, digest: bytes) -> None:
        settings = ContentSettings(
            content_type=asset.content_type, content_md5=bytearray(digest), cache_control=asset.cache_control
        )
        self._container.upload_blob(asset.name, asset.data, overwrite=True, content_settings=settings)


def _content() -> Content:
    return read_folder(REPOSITORY / "content")


def _state(content: Content) -> object:
    """A value that changes whenever a file is saved or its permissions change."""
    files = [(path, path.stat()) for path in content.files.values()]
    return content.refused, [(path, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size) for path, stat in files]


def _text(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise StepFailed(f"{name} is not in UTF-8, so the page stays as it was published. Save it as UTF-8.") from error


def _with_site(site: str, page: str) -> str:
    """Make the address of a page's picture for social networks absolute."""
    return re.sub(r'(?<="og:image" content=")(?=/)', site, page)
