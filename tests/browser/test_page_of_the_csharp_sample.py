"""A page like that of Microsoft's C# sample works if the setting ContentSecurityPolicy allows what it does.

Like the sample's page it has its script and style inline, an image in a `data:` URL, and the old client library
@aspnet/signalr as a published file. It signs in with GET.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from azure.storage.blob import ContainerClient, ContentSettings, PublicAccess
from playwright.sync_api import expect

from local.emulators.azurite import Account
from local.node import NODE_MODULES
from signin.website.site import CONTAINER
from tests.conftest import SignalR, StartApp
from tests.support.audit import audit

from .site import Site
from .visitor import Visitors

COLOR = "rgb(1, 2, 3)"

PAGE = f"""<!doctype html>
<title>Visitors</title>
<style>h1 {{ color: {COLOR} }}</style>
<h1><span id="count">-</span> visitors</h1>
<p id="by-os"></p>
<img src="data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==" alt="">
<script src="scripts/signalr.min.js"></script>
<script>
  function show(totalNumber, byOS) {{
    document.getElementById("count").textContent = totalNumber;
    document.getElementById("by-os").textContent = JSON.stringify(byOS);
  }}

  const request = new XMLHttpRequest();
  request.open("GET", "/signin");
  request.onload = () => {{
    const {{ authInfo, stats }} = JSON.parse(request.responseText);
    show(stats.totalNumber, stats.byOS);
    const connection = new signalR.HubConnectionBuilder()
      .withUrl(authInfo.serviceUrl, {{
        transport: signalR.HttpTransportType.WebSockets,
        accessTokenFactory: () => authInfo.accessToken
      }})
      .build();
    connection.on("updateSignInStats", show);
    connection.start().then(() => document.body.dataset.state = "live");
  }};
  request.send();
</script>
"""

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self' {signalr} {signalr_socket}"
)


@pytest.fixture
def content(account: Account) -> Account:
    """The test's own account, with that page instead of the app's."""
    library = (NODE_MODULES / "@aspnet/signalr/dist/browser/signalr.min.js").read_bytes()
    with ContainerClient.from_connection_string(account.connection_string, CONTAINER) as container:
        container.create_container(public_access=PublicAccess.BLOB)
        container.upload_blob("index.html", PAGE, content_settings=ContentSettings("text/html; charset=utf-8"))
        container.upload_blob("scripts/signalr.min.js", library, content_settings=ContentSettings("text/javascript"))
    return account


@pytest.mark.parametrize("setting", ["none", POLICY], ids=["none", "a policy"])
def test_page_with_inline_script_is_live_by_setting(
    setting: str, settings: Mapping[str, str], start_app: StartApp, signalr: SignalR, visitors: Visitors
) -> None:
    policy = setting.format(signalr=signalr.url, signalr_socket=signalr.url.replace("http", "ws"))
    site = Site(start_app({**settings, "ContentSecurityPolicy": policy}).url, signalr.url)
    visitor = visitors.open(site)
    visitor.tolerate("favicon.ico")
    expect(visitor.page.locator("body")).to_have_attribute("data-state", "live")
    expect(visitor.page.locator("#count")).to_have_text("1")
    expect(visitor.page.locator("h1")).to_have_css("color", COLOR)
    expect(visitor.page.locator("img")).to_have_js_property("naturalWidth", 1)

    site.visit()
    expect(visitor.page.locator("#count")).to_have_text("2")
    expect(visitor.page.locator("#by-os")).to_contain_text('"Linux":')


def test_default_policy_blocks_inline_script_and_style(
    settings: Mapping[str, str], start_app: StartApp, account: Account, signalr: SignalR, visitors: Visitors
) -> None:
    visitor = visitors.enter(Site(start_app(settings).url, signalr.url))
    visitor.tolerate("Content Security Policy", "favicon.ico")
    visitor.page.goto(f"{visitor.url}index.html")  # by this path it is not a page that has to sign in
    expect(visitor.page.locator("#count")).to_have_text("-")
    expect(visitor.page.locator("h1")).not_to_have_css("color", COLOR)
    expect(visitor.page.locator("img")).to_have_js_property("naturalWidth", 0)
    blocked = [problem for problem in visitor.problems if "Content Security Policy" in problem]
    assert len(blocked) == 3, blocked
    assert visitor.sign_ins == 0
    assert audit(account).statistics.total == 0
