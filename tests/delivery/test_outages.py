"""SignalR has an outage, connections are cut, tokens expire."""

from __future__ import annotations

import asyncio

from local.emulators.azurite import Account
from local.environment.services import settings_for
from tests.conftest import SignalR, StartApp
from tests.support.visitors import visiting

from .cutting_proxy import cutting_proxy
from .pages import open_pages

PAGES = 40
TOKEN_SECONDS = 2

SHORT_TOKENS = f"from signin.live import hub; hub.CLIENT_TOKEN_SECONDS = {TOKEN_SECONDS}"


async def test_pages_catch_up_after_a_signalr_outage(
    account: Account, signalr: SignalR, settings: dict[str, str], start_app: StartApp
) -> None:
    host = start_app(settings, workers=2)
    async with open_pages(host.url, PAGES) as pages:
        await pages.until_live()
        async with visiting(host.url, per_second=50) as load:
            await load.until_answered(50)
            await asyncio.to_thread(signalr.stop)
            await pages.until(lambda page: page.states[-1] == "reconnecting", "reconnecting")
            await load.until_answered(50)
            await asyncio.to_thread(signalr.start)
            await pages.until_live()
            await load.until_answered(50)
        assert load.statuses == {200}
        await pages.assert_final_total(account)


async def test_repeatedly_cut_pages_miss_nothing(
    account: Account, signalr: SignalR, settings: dict[str, str], start_app: StartApp
) -> None:
    async with cutting_proxy(signalr.url) as proxy:
        host = start_app(settings | settings_for(account, proxy.url), workers=2)
        async with open_pages(host.url, PAGES) as pages:
            await pages.until_live()
            cut = 0
            async with visiting(host.url, per_second=50) as load:
                for _ in range(6):
                    await load.until_answered(20)
                    cut += proxy.cut(share=0.4)
            assert cut > PAGES
            assert load.statuses == {200}
            await pages.until_live()
            await pages.assert_final_total(account)


async def test_token_that_expires_unused_is_renegotiated(
    account: Account, signalr: SignalR, settings: dict[str, str], start_app: StartApp
) -> None:
    async with cutting_proxy(signalr.url) as proxy:
        host = start_app(settings | settings_for(account, proxy.url), setup=SHORT_TOKENS)
        proxy.hold()
        async with open_pages(host.url, PAGES) as pages:
            await proxy.until_held(PAGES)
            await asyncio.sleep(TOKEN_SECONDS)
            assert all(page.requests["POST negotiate"] == 0 for page in pages.each)
            proxy.release()
            await pages.until_live()
            assert all(page.requests["POST negotiate"] >= 1 for page in pages.each)
            await pages.assert_final_total(account)


async def test_page_reconnects_after_its_token_expired(
    account: Account, signalr: SignalR, settings: dict[str, str], start_app: StartApp
) -> None:
    async with cutting_proxy(signalr.url) as proxy:
        host = start_app(settings | settings_for(account, proxy.url), setup=SHORT_TOKENS)
        async with open_pages(host.url, PAGES) as pages:
            await pages.until_live()
            await asyncio.sleep(TOKEN_SECONDS)
            proxy.cut(share=1.0)
            await pages.until(lambda page: "reconnecting" in page.states, "reconnecting")
            async with visiting(host.url, per_second=50) as load:
                await load.until_answered(20)
            await pages.until_live()
            await pages.assert_final_total(account)
