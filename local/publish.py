"""Publishing the content: our pages and the browser libraries from npm, into the container that the app serves."""

from __future__ import annotations

import hashlib
import json
import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from azure.core.credentials import TokenCredential
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import ContainerClient, ContentSettings, LinearRetry, PublicAccess

from local.node import MODULES, REPOSITORY
from signin.content import CONTAINER

# Node package: the file of it that browsers load.
LIBRARIES = {
    "@microsoft/signalr": "dist/browser/signalr.min.js",
    "qrcode-generator": "dist/qrcode.mjs",
}

_OURS = "no-cache"  # revalidated by etag on every use: a new version shows at once
_RETRY = LinearRetry(backoff=1, retry_total=2, random_jitter_range=0)  # the SDK's own takes 90 seconds to give up
_LIBRARY = "public, max-age=31536000, immutable"  # the version is in the name


@dataclass(frozen=True, slots=True)
class Asset:
    """A file to publish, under which blob name, and how long browsers may keep it."""

    name: str
    path: Path
    cache_control: str


def assets() -> Iterator[Asset]:
    """Everything that is published; hidden files are those of editors and file managers."""
    content = REPOSITORY / "content"
    for path in sorted(path for path in content.rglob("[!.]*") if path.is_file()):
        yield Asset(path.relative_to(content).as_posix(), path, _OURS)
    for package, file in LIBRARIES.items():
        yield Asset(library_name(package), MODULES / package / file, _LIBRARY)


def library_name(package: str) -> str:
    """The blob name of a browser library, e.g. `lib/signalr-10.0.11.min.js`."""
    version = json.loads((MODULES / package / "package.json").read_text(encoding="utf-8"))["version"]
    suffixes = "".join(Path(LIBRARIES[package]).suffixes)
    return f"lib/{package.rpartition('/')[2]}-{version}{suffixes}"


class Publisher:
    """Keeps the container equal to the files."""

    def __init__(self, storage: str, credential: TokenCredential | None = None) -> None:
        """Create the container unless it is there.

        `storage` is a connection string, and anybody may then read what is published; or, with a credential, the url
        of a Blob Storage account, and nobody may without a role.
        """
        public_access: PublicAccess | None
        if credential is None:
            self._container = ContainerClient.from_connection_string(storage, CONTAINER, retry_policy=_RETRY)
            public_access = PublicAccess.BLOB
        else:
            self._container = ContainerClient(storage, CONTAINER, credential, retry_policy=_RETRY)
            public_access = None
        self._published: dict[str, bytes] = {}  # blob name: MD5 of its content
        try:
            self._container.create_container(public_access=public_access)
        except ResourceExistsError:
            for blob in self._container.list_blobs():
                self._published[blob.name] = bytes(blob.content_settings.content_md5 or b"")

    def close(self) -> None:
        """Close the connections to storage."""
        self._container.close()

    def publish(self) -> list[str]:
        """Upload what has changed and delete what is gone; the names of the blobs concerned."""
        changed = []
        wanted = {asset.name: asset for asset in assets()}
        for name, asset in wanted.items():
            data = asset.path.read_bytes()
            digest = hashlib.md5(data, usedforsecurity=False).digest()
            if self._published.get(name) != digest:
                self._upload(asset, data, digest)
                self._published[name] = digest
                changed.append(name)
        for name in self._published.keys() - wanted.keys():
            self._container.delete_blob(name)
            del self._published[name]
            changed.append(name)
        return changed

    def _upload(self, asset: Asset, data: bytes, digest: bytes) -> None:
        content_type = _TYPES.get(asset.path.suffix) or mimetypes.guess_type(asset.name)[0]
        settings = ContentSettings(
            content_type=content_type or "application/octet-stream",
            content_md5=bytearray(digest),
            cache_control=asset.cache_control,
        )
        self._container.upload_blob(asset.name, data, overwrite=True, content_settings=settings)


# mimetypes answers differently from machine to machine, and names no charset.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
