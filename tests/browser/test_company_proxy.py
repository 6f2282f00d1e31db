"""Networks whose proxy breaks some of SignalR's transports: the page is live within a minute, by one that works."""

from __future__ import annotations

import pytest
from playwright.sync_api import ProxySettings

from tests.support.company_proxy import EVENTS, POLLING, WEB_SOCKETS, CompanyProxy, Fault

from .site import Site
from .visitor import Visitor, Visitors

START_TIMEOUT = 18_000  # ms
SILENCE = 25_000  # ms

# Messages of the browser and of the SignalR library about transports that fail.
FAILED_TRANSPORT = ("/client/", "Failed to start", "Server timeout elapsed")


def enter(site: Site, proxy: CompanyProxy, visitors: Visitors) -> Visitor:
    settings = ProxySettings(server=proxy.url, bypass="<-loopback>")
    visitor = visitors.enter(site, proxy=settings)
    visitor.tolerate(*FAILED_TRANSPORT)
    visitor.page.clock.install()
    visitor.page.goto(site.url)
    return visitor


def expect_update(visitor: Visitor, site: Site) -> None:
    """Expect that the page shows an update; no read returns its total."""
    visitor.expect_state("live")
    site.broadcast(5_000_000, {"Windows": 5_000_000}, {"Chrome": 5_000_000})
    visitor.expect_total(5_000_000)


NETWORKS = [
    pytest.param({WEB_SOCKETS: Fault.UNANSWERED}, EVENTS, id="WebSockets-hang"),
    pytest.param({WEB_SOCKETS: Fault.HELD, EVENTS: Fault.HELD}, POLLING, id="WebSockets-and-events-deliver-nothing"),
    pytest.param({WEB_SOCKETS: Fault.REFUSED, EVENTS: Fault.UNANSWERED}, POLLING, id="only-polling-works"),
]


@pytest.mark.parametrize(("faults", "working"), NETWORKS)
def test_page_is_live_by_the_transport_that_works(
    shared_site: Site, visitors: Visitors, faults: dict[str, Fault], working: str
) -> None:
    with CompanyProxy(faults) as proxy:
        visitor = enter(shared_site, proxy, visitors)
        tried = []
        for transport, fault in faults.items():
            tried.append(transport)
            proxy.wait_for(*tried)
            if fault is not Fault.REFUSED:
                visitor.page.clock.fast_forward(START_TIMEOUT)
        expect_update(visitor, shared_site)
        assert proxy.tried == [*faults, working]

        visitor.page.reload()
        visitor.expect_state("live")
        assert proxy.tried == [*faults, working], "the page did not begin with the transport that had worked"


def test_page_leaves_a_transport_that_falls_silent(shared_site: Site, visitors: Visitors) -> None:
    with CompanyProxy({WEB_SOCKETS: Fault.SILENT}) as proxy:
        visitor = enter(shared_site, proxy, visitors)
        visitor.expect_state("live")
        visitor.page.clock.fast_forward(SILENCE)
        proxy.wait_for(WEB_SOCKETS, EVENTS)
        expect_update(visitor, shared_site)
