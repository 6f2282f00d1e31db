"""A stand-in for the Azure Functions host, which runs a Python v2 app without Azure Functions Core Tools.

`python -m local.emulators.functions` starts it. The host (`host.py`) passes each request to one of its worker
processes (`pool.py`). A worker (`worker.py`) finds the function by its route (`routing.py`) and runs it
(`invocation.py`). Limits, routing, responses and logs follow the real host and worker.
"""
