"""The simplest possible function: it returns the bytes of the homepage from memory."""

from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

_HOMEPAGE = (Path(__file__).parents[2] / "content" / "index.html").read_bytes()


@app.route("{*path}")
async def constant(req: func.HttpRequest) -> func.HttpResponse:
    """The homepage, for every path."""
    return func.HttpResponse(_HOMEPAGE, headers={"Content-Type": "text/html; charset=utf-8"})
