"""Outages of services and of the network: the page recovers by itself and is counted exactly once."""

from __future__ import annotations

from collections.abc import Mapping

from playwright.sync_api import WebSocketRoute, expect

from local.emulators.azurite import Account
from tests.conftest import SignalR, StartApp
from tests.support.audit import audit
from tests.support.proxy import Proxy

from .site import Site
from .visitor import Visitors, visit_and_broadcast

# Messages of the browser and of the SignalR library when they cannot connect.
CANNOT_CONNECT = (
    *("/client/", "Failed to complete negotiation", "Failed to start the connection"),
    "Handshake was canceled",  # on a slow machine the page gives a start up
)


def test_page_reconnects_and_catches_up(site: Site, account: Account, signalr: SignalR, visitors: Visitors) -> None:
    visitor = visitors.open(site)
    visitor.tolerate(*CANNOT_CONNECT)
    visitor.expect_state("live")

    signalr.stop()
    visitor.expect_state("reconnecting")
    site.visit()
    signalr.start()
    visitor.expect_state("live")
    visitor.expect_total(2)
    site.visit()
    visitor.expect_total(3)
    visitor.expect(audit(account).statistics)
    assert visitor.shown.states[:4] == ["connecting", "live", "reconnecting", "live"]
    assert visitor.sign_ins == 1


def test_page_opened_without_signalr_goes_live_later(
    site: Site, account: Account, signalr: SignalR, visitors: Visitors
) -> None:
    signalr.stop()
    visitor = visitors.open(site)
    visitor.tolerate(*CANNOT_CONNECT)
    visitor.expect_total(1)
    visitor.expect(audit(account).statistics)
    visitor.expect_state("connecting")

    signalr.start()
    visitor.expect_state("live")
    site.visit()
    visitor.expect_total(2)
    assert visitor.shown.states == ["connecting", "live"]


def test_page_that_was_offline_catches_up(site: Site, account: Account, visitors: Visitors) -> None:
    visitor = visitors.open(site)
    visitor.tolerate("ERR_INTERNET_DISCONNECTED")
    visitor.expect_state("live")

    visitor.page.context.set_offline(True)
    visitor.expect_state("offline")
    visit_and_broadcast(site, visitors)
    visitor.page.context.set_offline(False)
    visitor.expect_state("live")
    visitor.expect_total(3)
    visitor.expect(audit(account).statistics)
    assert visitor.sign_ins == 1


def test_page_shown_again_heals_a_dead_connection(site: Site, account: Account, visitors: Visitors) -> None:
    visitor = visitors.enter(site)
    visitor.page.route_web_socket("**/client/**", connect_until_live)
    visitor.page.goto(site.url)
    visitor.expect_state("live")

    visit_and_broadcast(site, visitors)
    visitor.expect_total(1)
    visitor.expect_state("live")
    visitor.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    visitor.expect_total(3)
    visitor.expect(audit(account).statistics)


def connect_until_live(socket: WebSocketRoute) -> None:
    """A connection that silently goes dead when the page has it."""
    service = socket.connect_to_server()
    handshake = iter([socket.send])
    service.on_message(lambda message: next(handshake, lambda _: None)(message))


def test_visit_during_storage_outage_is_counted_once(
    settings: Mapping[str, str], account: Account, signalr: SignalR, start_app: StartApp, visitors: Visitors
) -> None:
    with Proxy(account.table_url, listens=False) as table:
        connection_string = account.connection_string.replace(account.table_url, table.url)
        app = start_app({**settings, "TableConnectionString": connection_string})
        visitor = visitors.open(Site(app.url, signalr.url))
        visitor.tolerate("status of 503")
        expect(visitor.problem).to_contain_text("Your visit is not counted yet. We keep trying.")
        expect(visitor.problem).to_contain_text("Table Storage cannot be reached")
        visitor.expect_state("live")
        expect(visitor.total).to_have_text("\N{EN DASH}")

        table.listen()
        visitor.expect_total(1)
        expect(visitor.problem).to_be_hidden()
    assert audit(account).statistics.total == 1
