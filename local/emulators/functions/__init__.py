"""A stand-in for the Azure Functions host: runs a Python v2 app where Azure Functions Core Tools are not installed.

A request reaches the host (`host.py`), which passes it to one of its worker processes (`pool.py`). A worker
(`worker.py`) finds the function by its route (`routing.py`) and runs it (`invocation.py`).
"""
