"""The static website: the blobs of a container, served as a web server serves files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import quote

from signin.website.blobs import MB, Authorize, Blob, BlobChanged, Container, ContentUnavailable
from signin.website.cache import THREADS, BlobCache
from signin.website.names import HOMEPAGE, NOT_FOUND_PAGE, is_blob_name
from signin.website.representation import DEFAULT_MAX_FILE_MB, Page, represent
from signin.website.title import with_title

CONTAINER = "content"

_MAX_READS = 3  # of a blob that is replaced while a part of it is read
_QUERY_CHARACTERS = "!$&'()*+,;=:@/?%~"
_NOT_FOR_404 = ("Accept-Ranges", "ETag", "Last-Modified")


class Site:
    """The website in the container `content` of the storage account with this url.

    `authorize` adds credentials to the requests; a private container needs them. Files of more than `max_file_mb` MB
    are served in parts only. `get` is for the coroutines of one event loop.
    """

    def __init__(
        self,
        blob_url: str,
        authorize: Authorize | None = None,
        max_file_mb: int = DEFAULT_MAX_FILE_MB,
        titles: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`titles` has each folder in which the whole website is served too, and the title of its homepage.

        The folder "" is the website itself. With the title "", the homepage keeps its own.
        """
        self._titles = titles
        self._titled: dict[str, tuple[Blob, Blob]] = {}  # by title: the homepage, and the homepage with the title
        self._max_file = max_file_mb * MB
        self._container = Container(f"{blob_url}/{CONTAINER}", authorize, connections=THREADS)
        self._cache = BlobCache(self._container, self._max_file)

    async def get(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, query: str = ""
    ) -> Page:
        """The response to a GET or HEAD request. Raises ContentUnavailable.

        `path` is percent-decoded, without its leading slash. A path that ends with a slash is a directory, served by
        its index.html; without the slash, a directory is redirected to the path with it, keeping the query. `headers`
        are the request's, by lower-case name.
        """
        folder, slash, within = path.partition("/")
        if not folder or folder not in self._titles:
            folder, within = "", path
        elif not slash:
            return _redirect(f"/{path}/", query)
        name = f"{within}{HOMEPAGE}" if not within or within.endswith("/") else within
        if not is_blob_name(name):
            return await self._not_found(method, headers or {})
        title = self._titles.get(folder, "") if name == HOMEPAGE else ""
        page = await self._page(name, method, headers or {}, title)
        if page is not None:
            return page
        if name == within and await self._is_directory(within):
            return _redirect(f"/{quote(path)}/", query)
        return await self._not_found(method, headers or {})

    def check(self) -> None:
        """Check that the homepage exists. Blocks; raises ContentUnavailable."""
        self._container.check(HOMEPAGE)

    def close(self) -> None:
        """Close the connections."""
        self._cache.close()
        self._container.close()

    async def _page(self, name: str, method: str, headers: Mapping[str, str], title: str) -> Page | None:
        for _ in range(_MAX_READS):
            blob = await self._cache.get(name)
            if blob is None:
                return None
            page = represent(self._with_title(blob, title), method, headers, self._max_file)
            if page.unread is None:
                return page
            try:
                return replace(page, body=await self._cache.read(name, blob, page.unread), unread=None)
            except BlobChanged:
                self._cache.invalidate(name)
        raise ContentUnavailable("The blob changed several times while it was read: try again")

    def _with_title(self, blob: Blob, title: str) -> Blob:
        if not title:
            return blob
        origin, titled = self._titled.get(title, (None, blob))
        if origin is not blob:
            titled = with_title(blob, title)
            self._titled[title] = blob, titled
        return titled

    async def _is_directory(self, path: str) -> bool:
        index = f"{path}/{HOMEPAGE}"
        return is_blob_name(index) and await self._cache.get(index) is not None

    async def _not_found(self, method: str, headers: Mapping[str, str]) -> Page:
        """The container's 404 page, whatever preconditions and range the request has."""
        blob = await self._cache.get(NOT_FOUND_PAGE)
        if blob is None or blob.body is None:
            return Page(404, {"Content-Type": "text/plain; charset=utf-8"}, b"Not found.\n")
        page = represent(blob, method, {"accept-encoding": headers.get("accept-encoding", "")})
        kept = {name: value for name, value in page.headers.items() if name not in _NOT_FOR_404}
        return replace(page, status=404, headers=kept | {"Cache-Control": "no-cache"})


def _redirect(path: str, query: str) -> Page:
    """A redirect within the site: `path` begins with exactly one slash, since two would begin a host name."""
    location = f"{path}?{quote(query, safe=_QUERY_CHARACTERS)}" if query else path
    return Page(301, {"Location": location, "Cache-Control": "no-cache", "Content-Type": "text/plain; charset=utf-8"})
