"""How the host and its worker processes start and end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import FileIO
from pathlib import Path

import pytest

from local.emulators.functions import pool
from tests.support.running_host import RunningHost, write_app

from .conftest import SAMPLE_APP, StartHost
from .gate import Gate


def pid_of_a_worker(host: RunningHost) -> int:
    return int(host.request("/pid").body)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_host_prints_only_its_address(start_host: StartHost) -> None:
    host = start_host()
    assert host.ready_line == f"Functions host is listening at http://127.0.0.1:{host.port}\n"
    assert host.request("/pid").status == 200
    assert host.log == []


def test_verbose_option_logs_requests(start_host: StartHost) -> None:
    host = start_host("--verbose")
    host.request("/pid?x=1")
    assert '"GET /pid?x=1 HTTP/1.1" 200' in host.wait_for_log("local.emulators.functions.access")


def test_workers_alternate_and_killed_one_is_replaced(start_host: StartHost) -> None:
    host = start_host("--workers", "2")
    first, second, third, fourth = (pid_of_a_worker(host) for _ in range(4))
    assert first != second
    assert (third, fourth) == (first, second)

    os.kill(first, signal.SIGKILL)
    host.wait_for_log(f"Worker {first} ended (exit code -9); starting another")
    assert first not in {pid_of_a_worker(host), pid_of_a_worker(host)}

    line = host.wait_for_log("is up")
    pids = {pid_of_a_worker(host), pid_of_a_worker(host)}
    assert pids - {second} != set(), "the new worker takes no requests"
    assert pids - {second} <= {int(word) for word in line.split() if word.isdigit()}


def test_failing_worker_restarts_after_growing_pauses(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host()
    write_app(tmp_path, "raise SystemExit('the app is broken for now')")
    os.kill(pid_of_a_worker(host), signal.SIGKILL)
    host.wait_for_log("starting another in 0.1 s")
    host.wait_for_log("the app is broken for now")
    host.wait_for_log("starting another in 0.2 s")
    write_app(tmp_path, SAMPLE_APP)
    host.wait_for_log("is up")
    assert host.request("/pid").status == 200


def test_request_on_killed_worker_is_502_without_retry(start_host: StartHost, gate: Gate) -> None:
    host = start_host()
    pid_of_a_worker(host)  # so that the next request uses an open connection
    with ThreadPoolExecutor() as clients:
        first = clients.submit(host.request, "/gate?visit=first")
        with gate.held() as (visit, pid):
            assert visit == "first"
            os.kill(pid, signal.SIGKILL)
            reply = first.result()
            assert (reply.status, reply.body) == (502, b"")

        host.wait_for_log("is up")
        second = clients.submit(host.request, "/gate?visit=second")
        with gate.held() as (visit, _):
            assert visit == "second", "the request on the killed worker was sent again"
        assert second.result().body == b"through"


def test_end_of_standard_input_ends_host_and_workers(start_host: StartHost) -> None:
    host = start_host("--workers", "2")
    pids = {pid_of_a_worker(host), pid_of_a_worker(host)}
    host.lifeline.close()
    assert host.wait() == 0
    assert not any(map(is_alive, pids))
    host.wait_for_last_process()
    assert {pid for pid in pids if f"worker {pid} exits normally" in host.text} == pids, "no normal exit"


def test_workers_end_after_killed_host(start_host: StartHost) -> None:
    host = start_host("--workers", "2")
    pids = {pid_of_a_worker(host), pid_of_a_worker(host)}
    host.process.kill()
    assert host.wait() == -signal.SIGKILL
    host.wait_for_last_process()
    assert {pid for pid in pids if f"worker {pid} exits normally" in host.text} == pids, "no normal exit"


def test_handled_sigterm_ends_worker_normally(start_host: StartHost) -> None:
    host = start_host()
    pid = pid_of_a_worker(host)
    os.kill(pid, signal.SIGTERM)
    host.wait_for_log(f"worker {pid} exits normally")
    host.wait_for_log(f"Worker {pid} ended (exit code 0)")


def test_unhandled_sigterm_kills_worker_at_once(start_host: StartHost) -> None:
    """As with the real worker: without a handler of the app, no `atexit` handler runs."""
    host = start_host(app=SAMPLE_APP.replace("signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))", ""))
    pid = pid_of_a_worker(host)
    os.kill(pid, signal.SIGTERM)
    host.wait_for_log(f"Worker {pid} ended (exit code -15)")
    host.wait_for_log("is up")
    host.lifeline.close()
    assert host.wait() == 0
    host.wait_for_last_process()
    assert "exits normally" not in host.text


async def test_worker_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_KILL_SECONDS", 0.1)
    reader, writer = os.pipe()
    program = "import time; print('up', flush=True); time.sleep(1000)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdin=reader, stdout=PIPE)
    os.close(reader)
    assert process.stdout
    assert await process.stdout.readline() == b"up\n"
    worker = pool.Worker(process, FileIO(writer, "w"))
    await worker.stop()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_stopped_host_completes_requests_in_flight(start_host: StartHost, gate: Gate, stop: signal.Signals) -> None:
    host = start_host()
    with ThreadPoolExecutor() as clients:
        request = clients.submit(host.request, "/gate?visit=last")
        with gate.held():
            host.process.send_signal(stop)
            host.wait_for_log("Stopping")
        reply = request.result()
        assert (reply.status, reply.body) == (200, b"through")
    assert host.wait() == 0


def test_port_in_use_is_one_line_and_exit_code_1(start_host: StartHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        host = start_host("--port", str(port))
        assert host.wait() == 1
    host.wait_for_last_process()
    assert host.log == [f"Cannot listen on 127.0.0.1:{port} (Address already in use): choose another port with --port."]


def test_import_error_is_logged_once_in_full(start_host: StartHost) -> None:
    host = start_host("--workers", "3", app="import json\n\njson.loads('nonsense')\n")
    assert host.wait() == 1
    host.wait_for_last_process()
    assert host.ready_line == ""
    assert host.text.count("json.decoder.JSONDecodeError") == 1
    assert 'function_app.py", line 3, in <module>' in host.text
    assert host.log[-1] == "The Functions app did not start (exit code 1): its error is above."


def test_unsupported_function_is_named_in_one_line(start_host: StartHost) -> None:
    host = start_host(
        app="""
import azure.functions as func
app = func.FunctionApp()
@app.timer_trigger(schedule="0 * * * * *", arg_name="timer")
def hourly(timer: func.TimerRequest) -> None: ...
"""
    )
    assert host.wait() == 1
    host.wait_for_last_process()
    assert "Function 'hourly' has a TimerTrigger: only HTTP triggers are served here." in host.log
    assert "Traceback" not in host.text


def test_missing_host_json_is_reported(tmp_path: Path) -> None:
    write_app(tmp_path, "app = None")
    tmp_path.joinpath("host.json").unlink()
    with closing(RunningHost(tmp_path, "--port", "0", environment={})) as host:
        assert host.wait() == 1
        host.wait_for_last_process()
        assert host.log[0] == f"There is no host.json in {tmp_path}: start the host in the folder of the app."


def test_default_route_prefix_is_api(tmp_path: Path) -> None:
    source = """
import azure.functions as func
app = func.FunctionApp(func.AuthLevel.ANONYMOUS)
@app.route()
async def hello(req: func.HttpRequest) -> str:
    return "hi"
"""
    write_app(tmp_path, source, host={})
    with closing(RunningHost(tmp_path, "--port", "0", environment={})) as host:
        assert host.request("/api/hello").body == b"hi"
        assert host.request("/hello").status == 404
