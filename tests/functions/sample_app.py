"""The app that the tests run: functions that return their input, and some that fail."""

import asyncio
import atexit
import json
import logging
import os
import signal
import sys
import threading

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
atexit.register(lambda: sys.stderr.write(f"worker {os.getpid()} exits normally\n"))


@app.route(route="echo")
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    seen = {
        "method": req.method,
        "url": req.url,
        "headers": dict(req.headers),
        "params": dict(req.params),
        "body": req.get_body().hex(),
        "thread": threading.current_thread() is threading.main_thread(),
    }
    return func.HttpResponse(json.dumps(seen), mimetype="application/json")


@app.route(route="sync")
def sync(req: func.HttpRequest) -> str:
    return "main thread" if threading.current_thread() is threading.main_thread() else "pool thread"


@app.route(route="pid")
async def pid(req: func.HttpRequest) -> str:
    return str(os.getpid())


@app.route(route="gate")
async def gate(req: func.HttpRequest) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(os.environ["GATE_PORT"]))
    writer.write(f"{req.params['visit']} {os.getpid()}\n".encode())
    await reader.read()
    writer.close()
    return "through"


@app.route(route="file", methods=["GET", "HEAD"])
async def file(req: func.HttpRequest) -> func.HttpResponse:
    if req.method == "HEAD":
        return func.HttpResponse(b"", mimetype="image/png", headers={"Content-Length": "70000", "ETag": '"1"'})
    return func.HttpResponse(b"\x89" * 70000, mimetype="image/png", headers={"ETag": '"1"'})


@app.route(route="cookies")
async def cookies(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse("two cookies")
    response.headers.add("Set-Cookie", "a=1; Path=/")
    response.headers.add("Set-Cookie", "b=2; HttpOnly")
    return response


@app.route(route="redirect")
async def redirect(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=302, headers={"Location": "/pid"})


@app.route(route="not-modified")
async def not_modified(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=304, headers={"ETag": '"1"'})


@app.route(route="compressed")
async def compressed(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(b"as it is", headers={"Content-Encoding": "gzip"})


@app.route(route="raises")
async def raises(req: func.HttpRequest) -> func.HttpResponse:
    raise LookupError("the function itself failed")


@app.route(route="returns-nothing")
def returns_nothing(req: func.HttpRequest) -> str:
    sys.stdout.write("printed by the app\n")
    return None  # type: ignore[return-value]


@app.route(route="wrong-length")
async def wrong_length(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("four", headers={"Content-Length": "5"})


tasks: set[asyncio.Task[None]] = set()  # the event loop keeps only weak references


@app.route(route="logs")
async def logs(req: func.HttpRequest) -> str:
    async def in_a_task() -> None:
        logging.warning("logged by a task")
        await function_ended.wait()
        await asyncio.sleep(0)
        logging.warning("logged by a task after the function")

    function_ended = asyncio.Event()
    tasks.add(asyncio.create_task(in_a_task()))
    thread = threading.Thread(target=logging.warning, args=["logged by a thread"])
    thread.start()
    thread.join()
    await asyncio.to_thread(logging.warning, "logged by to_thread")
    sys.stderr.write("printed by a function\n")
    logging.warning("logged by a coroutine")
    function_ended.set()
    return "logged"


@app.route(route="logs-in-pool")
def logs_in_pool(req: func.HttpRequest) -> str:
    logging.warning("logged by a function of the pool")
    return "logged"


@app.route(route="secret", auth_level=func.AuthLevel.FUNCTION)
async def secret(req: func.HttpRequest) -> str:
    return "never seen"


@app.route(route="{*path}", methods=["GET"])
async def zz_rest(req: func.HttpRequest) -> str:
    return json.dumps(dict(req.route_params))
