"""`python -m benchmarks [--quick]`: measure and print the figures. Without `--quick`, write them to results.md too."""

from __future__ import annotations

import argparse

from benchmarks import measures, suite
from local.processes.program import main_program


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the app.")
    parser.add_argument("--quick", action="store_true", help="take few measurements, and write nothing")
    quick = parser.parse_args().quick
    with main_program():
        figures = suite.measure(measures.QUICK if quick else measures.Plan())
        print(f"\n{suite.summary(figures)}")
        if not quick:
            suite.RESULTS.write_text(suite.document(figures), encoding="utf-8")
            print(f"Written to {suite.RESULTS}")


if __name__ == "__main__":
    main()
