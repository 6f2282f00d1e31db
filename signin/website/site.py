"""The static content: what is in a container of Blob Storage, served as by a web server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from signin.website.blobs import Authorize, BlobChanged, Container, ContentUnavailable
from signin.website.cache import BlobCache
from signin.website.representation import Page, represent

CONTAINER = "content"

_INDEX = "index.html"
_NOT_FOUND_PAGE = "404.html"
_MAX_NAME = 1024  # characters, the service's own limit
_CONNECTIONS = 16  # to the service, each with a thread that waits for its answer
_ATTEMPTS = 3  # at a blob that is replaced while parts of it are read
_IN_A_QUERY = "!$&'()*+,;=:@/?%~"
_OF_A_PAGE_THAT_IS_THERE = ("Accept-Ranges", "ETag", "Last-Modified")


class Site:
    """The container in the storage account at a url. `get` is for the coroutines of one event loop.

    `authorize` may put credentials into the requests to a container that not everybody may read.
    """

    def __init__(self, blob_url: str, authorize: Authorize | None = None) -> None:
        self._container = Container(f"{blob_url}/{CONTAINER}", authorize, _CONNECTIONS)
        self._cache = BlobCache(self._container, threads=_CONNECTIONS)

    async def get(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, query: str = ""
    ) -> Page:
        """The answer to GET or HEAD of a path, percent-decoded and without its leading slash.

        `headers` are the request's, by name in lower case. A path that ends with a slash is the index in there; where
        the slash is missing, the answer is a redirect that keeps the query. Raises ContentUnavailable.
        """
        name = f"{path}{_INDEX}" if not path or path.endswith("/") else path
        if not is_blob_name(name):
            return await self._not_found(method, headers or {})
        page = await self._page(name, method, headers or {})
        if page is not None:
            return page
        if name == path and await self._is_directory(path):
            return _redirect(f"/{quote(path)}/", query)
        return await self._not_found(method, headers or {})

    def check(self) -> None:
        """Ask whether the homepage is there. Blocks; raises ContentUnavailable."""
        if not self._container.exists(_INDEX):
            raise ContentUnavailable(f"{CONTAINER}/{_INDEX} is not there, or may not be read without a key")

    def close(self) -> None:
        """Close the connections."""
        self._cache.close()
        self._container.close()

    async def _page(self, name: str, method: str, headers: Mapping[str, str]) -> Page | None:
        for _ in range(_ATTEMPTS):
            blob = await self._cache.get(name)
            if blob is None:
                return None
            page = represent(blob, method, headers)
            if page.unread is None:
                return page
            try:
                return replace(page, body=await self._cache.read(name, blob, page.unread), unread=None)
            except BlobChanged:
                self._cache.forget(name)
        raise ContentUnavailable("A blob changed again and again while it was read: try again")

    async def _is_directory(self, path: str) -> bool:
        index = f"{path}/{_INDEX}"
        return is_blob_name(index) and await self._cache.get(index) is not None

    async def _not_found(self, method: str, headers: Mapping[str, str]) -> Page:
        """The container's 404 page, to which none of the request's conditions apply."""
        blob = await self._cache.get(_NOT_FOUND_PAGE)
        if blob is None or blob.body is None:
            return Page(404, {"Content-Type": "text/plain; charset=utf-8"}, b"Not found.\n")
        page = represent(blob, method, {"accept-encoding": headers.get("accept-encoding", "")})
        kept = {name: value for name, value in page.headers.items() if name not in _OF_A_PAGE_THAT_IS_THERE}
        return replace(page, status=404, headers=kept | {"Cache-Control": "no-cache"})


def is_blob_name(name: str) -> bool:
    """Whether the name can only mean a blob inside the container, whatever decodes or normalises it on the way.

    Names are percent-decoded once when they arrive here. One that still holds a "%" could mean something else to the
    next decoder, a dot segment or a backslash could lead out of the container.
    """
    return (
        len(name) <= _MAX_NAME
        and name.isprintable()
        and not any(character in name for character in "%\\?#")
        and all(segment.strip(".") for segment in name.split("/"))
    )


def _redirect(path: str, query: str) -> Page:
    """To another path of ours. It begins with one slash, and so cannot be taken for a host."""
    location = f"{path}?{quote(query, safe=_IN_A_QUERY)}" if query else path
    return Page(301, {"Location": location, "Cache-Control": "no-cache", "Content-Type": "text/plain; charset=utf-8"})
