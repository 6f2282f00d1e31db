"""The title of a page, set where a browser and a link preview look for it."""

from __future__ import annotations

import hashlib
import html
import re
from dataclasses import replace

from signin.website.blobs import Blob, gzipped

# The heading that shows the title has the attribute data-title.
_TITLE = re.compile(rb"""(<title>|<meta property="og:title" content="|<span data-title>)[^<"]*""")


def with_title(page: Blob, title: str) -> Blob:
    """A page with this title in place of its own. A page that is compressed, or not in memory, stays as it is."""
    if page.body is None or "Content-Encoding" in page.headers:
        return page
    text = html.escape(title).encode("ascii", "xmlcharrefreplace")  # independent of the page's charset
    body = _TITLE.sub(lambda found: found[1] + text, page.body)
    # Without Last-Modified, a changed title is found by the ETag only.
    headers = {name: value for name, value in page.headers.items() if name != "Last-Modified"}
    digest = hashlib.sha256(title.encode()).hexdigest()[:8]
    return replace(
        page,
        size=len(body),
        etag=page.etag and f'{page.etag[:-1]}-{digest}"',
        headers=headers,
        body=body,
        gzipped=gzipped(headers, body),
    )
