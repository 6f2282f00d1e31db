"""The worker processes of a host: started, selected in turn, replaced when they end, and stopped."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import sys
from io import FileIO
from typing import Self, cast

log = logging.getLogger(__name__)

WORKER_READY = "Functions worker is listening at "
WORKER_EXIT_SECONDS = 10.0  # from SIGTERM to the exit of a worker, which limits this time by itself
_KILL_SECONDS = WORKER_EXIT_SECONDS + 2  # for a worker that hangs so completely that it cannot

_EARLY_SECONDS = 10.0  # a worker that ends sooner is replaced after a pause, any other at once
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds; the pause doubles each time


class StartError(Exception):
    """The host cannot start. The message is one line with the reason."""


class Worker:
    """One worker process. `port` is the one it listens at; None once it has ended."""

    def __init__(self, process: asyncio.subprocess.Process, lifeline: FileIO) -> None:
        self.pid = process.pid
        self.port: int | None = None
        self._process = process
        self._lifeline = lifeline

    @classmethod
    async def start(cls) -> Worker:
        """Start a process and wait until it listens; if it ends instead, it has no port."""
        # An explicit pipe: on Python 3.11 asyncio makes PIPE a socket pair.
        worker_end, host_end = os.pipe()
        lifeline = FileIO(host_end, "w")
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "local.emulators.functions.worker"),
                stdin=worker_end,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C goes to the host only, which stops its workers in good order
            )
        finally:
            os.close(worker_end)
        worker = cls(process, lifeline)
        try:
            async for line in cast(asyncio.StreamReader, process.stdout):
                if line.startswith(WORKER_READY.encode()):
                    worker.port = int(line.rpartition(b":")[2])
                    break
        except BaseException:
            await worker.stop()
            raise
        return worker

    async def ended(self) -> int:
        """Wait until the process has ended and return its exit code (negative: the signal that killed it)."""
        code = await self._process.wait()
        self.port = None
        return code

    async def stop(self) -> None:
        """End the process: close its standard input, at which it gets a SIGTERM, and kill it if it does not exit."""
        self._lifeline.close()
        try:
            await asyncio.wait_for(self.ended(), _KILL_SECONDS)
        except TimeoutError:
            log.warning("Worker %d does not exit and is killed", self.pid)
            self._process.kill()
            await self.ended()


class WorkerPool:
    """Keeps `size` workers running for as long as its context is open. Raises StartError if they cannot start."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._workers: list[Worker] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._requests = itertools.count()

    def next_port(self) -> int | None:
        """Return the port of the next running worker, in round-robin order; None if none is running."""
        for number in itertools.islice(self._requests, len(self._workers)):
            if port := self._workers[number % len(self._workers)].port:
                return port
        return None

    async def __aenter__(self) -> Self:
        try:
            for count in (1, self._size - 1):  # one alone at first, so that an error in the app is logged only once
                self._workers += await asyncio.gather(*(Worker.start() for _ in range(count)))
                for worker in self._workers:
                    if worker.port is None:
                        code = await worker.ended()
                        raise StartError(f"The Functions app did not start (exit code {code}): its error is above.")
        except BaseException:
            await self._stop()
            raise
        self._keepers = [asyncio.create_task(self._keep_running(index)) for index in range(self._size)]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def _keep_running(self, index: int) -> None:
        """Replace each process that ends, after a pause that grows as long as they end early."""
        loop = asyncio.get_running_loop()
        pause, started = 0.0, loop.time()
        while True:
            worker = self._workers[index]
            code = await worker.ended()
            early = loop.time() - started < _EARLY_SECONDS
            pause = min(pause * 2 or _FIRST_PAUSE, _LONGEST_PAUSE) if early else 0.0
            log.warning("Worker %d ended (exit code %d); starting another in %.1f s", worker.pid, code, pause)
            await asyncio.sleep(pause)
            started = loop.time()
            worker = self._workers[index] = await Worker.start()
            if worker.port:
                log.info("Worker %d is up", worker.pid)

    async def _stop(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._workers))
