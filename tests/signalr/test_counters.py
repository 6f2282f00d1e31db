"""The emulator's counters, which tests and measurements read."""

from __future__ import annotations

import asyncio

from local.emulators.signalr import outbox
from local.emulators.signalr.connection import Intervals

from .conftest import Emulator, running


async def test_counters_start_at_zero(emulator: Emulator) -> None:
    assert await emulator.counters() == {"connections": 0, "connectionsEver": 0, "broadcasts": 0, "messages": 0}


async def test_connection_counts_from_handshake_to_end(emulator: Emulator) -> None:
    async with emulator.websocket():
        assert await emulator.connections() == 0
    for hub in ("chat", "other"):
        async with emulator.client(hub=hub) as client:
            assert await emulator.connections() == 1
            await client.send('{"type":7}\x1e')
            assert await client.ended()
    now = await emulator.counters()
    assert (now["connections"], now["connectionsEver"]) == (0, 2)


async def test_broken_connection_is_not_counted(emulator: Emulator) -> None:
    async with emulator.client() as client:
        transport = client.socket.get_extra_info("socket")
        assert transport
        transport.shutdown(2)
        async with asyncio.timeout(5):
            while await emulator.connections():
                pass


async def test_broadcast_costs_one_message_per_client(emulator: Emulator) -> None:
    await emulator.send("to none")
    async with emulator.client(), emulator.client(), emulator.client(hub="other"):
        await emulator.send("to two")
    now = await emulator.counters()
    assert (now["broadcasts"], now["messages"]) == (2, 2)


async def test_excluded_client_costs_nothing(emulator: Emulator) -> None:
    negotiation = await emulator.negotiate()
    async with emulator.client(connection_token=negotiation["connectionToken"]), emulator.client():
        await emulator.send("to one", excluded=negotiation["connectionId"])
    assert (await emulator.counters())["messages"] == 1


async def test_large_message_costs_one_per_2_kb_begun(emulator: Emulator) -> None:
    frame = '{"type":1,"target":"greet","arguments":[""]}\x1e'
    costs = {2048: 1, 2049: 2, 4096: 2, 4097: 3}
    async with emulator.client() as client:
        for size, cost in costs.items():
            before = (await emulator.counters())["messages"]
            await emulator.send("x" * (size - len(frame)))
            assert len(await client.socket.receive_str()) == size
            assert (await emulator.counters())["messages"] - before == cost, f"{size} bytes"


async def test_refused_send_counts_nothing(emulator: Emulator) -> None:
    async with emulator.client():
        headers = emulator.authorization("/api/v1/hubs/chat")
        for body in (b"{", b'{"target":"greet","arguments":[NaN]}'):
            async with emulator.http.post(f"{emulator.url}/api/v1/hubs/chat", data=body, headers=headers) as response:
                assert response.status == 400
    now = await emulator.counters()
    assert (now["broadcasts"], now["messages"]) == (0, 0)


async def test_pings_and_closes_cost_nothing() -> None:
    async with running(Intervals(ping=0.01)) as emulator, emulator.client() as client:
        assert await client.receive() == {"type": 6}
        emulator.hubs.close()
        while await client.receive() == {"type": 6}:
            pass
        assert (await emulator.counters())["messages"] == 0


async def test_dropped_client_costs_earlier_messages(emulator: Emulator) -> None:
    async with emulator.client():
        for _ in range(outbox.LIMIT + 1):  # without a pause, so that the client reads none of them
            emulator.hubs.broadcast("chat", "greet", ["small"])
        now = await emulator.counters()
    assert (now["connections"], now["messages"]) == (0, outbox.LIMIT)
