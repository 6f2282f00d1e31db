"""The benchmark, `python3 dev.py bench`: what a visit costs and how many a process takes, beside plain alternatives.

    __main__.py  the program: prints the figures and writes results.md
    suite.py     the run: every measurement, one after the other
    measures.py  the measurements: each a function that gives figures
    delivery.py  those of delivery: how soon all open pages show a visit, and what that costs
    figures.py   a figure with what it must reach, and the table of them
    bench.py     what is measured on: Azurite with fresh accounts, the proxy that counts, the SignalR emulator
    process.py   a process that does one load after the other
    loads.py     the loads: visits to the app, bare transactions, visits to the C# sample's algorithm
    viewers.py   open pages, as light as they can be
    constant/    an app whose only function returns the same bytes each time
    proxy.py     storage requests, counted on the wire

Whatever is compared is measured alternating in the same run, since a machine is not equally fast all the time, and on
equally old storage accounts, since Azurite slows down as a table grows.
"""
