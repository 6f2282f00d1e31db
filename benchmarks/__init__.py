"""The benchmark, `python3 dev.py bench`: cost of a visit and throughput of a process, compared with plain alternatives.

    __main__.py  the program: prints the figures and writes results.md
    suite.py     the run: all measurements in sequence
    measures.py  the measurements: each a function that returns figures
    delivery.py  the measurements of delivery: the delay until all open pages show a visit, and its cost
    figures.py   a figure with its target, and the table of figures
    bench.py     the test bench: Azurite with fresh accounts, the counting proxy, the SignalR emulator
    process.py   a process that runs loads
    loads.py     the loads: visits to the app, bare transactions, visits to the C# sample's algorithm
    viewers.py   open pages, as lightweight as possible
    constant/    an app whose only function returns the same bytes each time
    proxy.py     counts storage requests on the wire

Compared values are measured alternately in the same run, because the speed of a machine varies, and on storage
accounts with equally many rows, because Azurite slows down as a table grows.
"""
