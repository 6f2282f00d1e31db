"""The names of blobs: which are valid or hidden, and which belong to the website as far as this process knows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote, urljoin

from signin.website.lru import LruCache

HOMEPAGE = "index.html"  # and the page of a directory
NOT_FOUND_PAGE = "404.html"
MAX_KNOWN_NAMES = 10_000
MAX_LINKS = 1000  # of one page, style sheet or script

_MAX_NAME_LENGTH = 1024  # characters, the limit of Blob Storage
# A "%" that could be decoded again: also as UTF-16, which old servers of Microsoft decode (%u002e).
_ENCODED = re.compile("%([0-9a-f]{2}|u)", re.IGNORECASE)
_WELL_KNOWN = ".well-known"  # RFC 8615: what other programs look for, such as security.txt
_OF_FILE_MANAGERS = ("desktop.ini", "thumbs.db")  # of Windows, in lower case; those of other systems begin with a dot
_LINK = re.compile(
    r"""
    (?: \b(?:href|src|poster)\s*=\s*["']?  # HTML
    | \burl\(\s*["']?  # CSS
    | \b(?:import|from)\b\s*\(?\s*["']  # JavaScript, and CSS
    )
    ([^\s"'()<>?\#]+)
    """,
    re.VERBOSE,
)


def is_blob_name(name: str) -> bool:
    """Whether the name can only mean a blob in the container, however it is decoded or normalised on the way there.

    Names arrive here percent-decoded once. A remaining "%" before two hexadecimal digits could be decoded again; a dot
    segment or a backslash could lead out of the container. The app serves no blob whose name is hidden.
    """
    return (
        len(name) <= _MAX_NAME_LENGTH
        and name.isprintable()
        and not any(character in name for character in "\\?#")
        and not _ENCODED.search(name)
        and all(segment.strip(".") for segment in name.split("/"))
        and not is_hidden(name)
    )


def is_hidden(name: str) -> bool:
    """Whether the name is that of a file of an editor, a file manager or a version control system, at any depth.

    Such files can contain secrets, as `.git/config` and `.env` do.
    """
    *_, last = segments = name.split("/")
    return (
        any(segment.startswith(".") and segment != _WELL_KNOWN for segment in segments)
        or last.lower() in _OF_FILE_MANAGERS
        or last.endswith("~")  # the previous version of a file, by most editors
        or (last.startswith("#") and last.endswith("#"))  # an unsaved file of Emacs
    )


def links(name: str, text: str) -> tuple[str, ...]:
    """The names of the blobs that a page, style sheet or script with this name links to, at most MAX_LINKS."""
    found: dict[str, None] = {}
    for link in _LINK.findall(text):
        try:
            path = urljoin(f"/{name}", link)
        except ValueError:  # such as "http://["
            continue
        linked = unquote(path[1:])
        linked = f"{linked}{HOMEPAGE}" if not linked or linked.endswith("/") else linked
        if path.startswith("/") and is_blob_name(linked):
            found[linked] = None
            if len(found) == MAX_LINKS:
                break
    return tuple(found)


class KnownNames:
    """The names of the blobs that were found, and of those that a found one links to.

    The homepage and the 404 page are always known. A directory is known if its page is. A linked name is removed if its
    blob turns out to be missing. The least recently used of more than MAX_KNOWN_NAMES are forgotten.
    """

    def __init__(self) -> None:
        self._names: LruCache[bool] = LruCache(MAX_KNOWN_NAMES)

    def __contains__(self, name: str) -> bool:
        return any(
            candidate in (HOMEPAGE, NOT_FOUND_PAGE) or self._names.get(candidate) is True
            for candidate in (name, f"{name}/{HOMEPAGE}")
        )

    def add(self, names: Iterable[str]) -> None:
        """Add names, or make them the most recently used ones."""
        for name in names:
            self._names.put(name, True, 1)

    def remove(self, name: str) -> None:
        """Remove a name if it is known."""
        self._names.discard(name)
