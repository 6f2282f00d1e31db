"""`python -m benchmarks [--quick]`: measure, print the figures, and write them to results.md unless quick."""

from __future__ import annotations

import argparse

from benchmarks import measures, suite
from local.processes.program import main_program


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the app.")
    parser.add_argument("--quick", action="store_true", help="measure a little of each, and write nothing")
    quick = parser.parse_args().quick
    with main_program():
        figures = suite.measure(measures.QUICK if quick else measures.Plan())
        print(f"\n{suite.summary(figures)}")
        if not quick:
            suite.RESULTS.write_text(suite.document(figures), encoding="utf-8")
            print(f"Written to {suite.RESULTS}")


if __name__ == "__main__":
    main()
