#!/usr/bin/env python3
"""Measures how weft's fork-join scales from one thread to all, fits the Universal Scalability Law, and writes
build/bench/scaling.json, build/bench/scaling.svg and a table.

    bench/scaling.py [name]     all workloads, or those with this in their name
    bench/scaling.py --page     writes docs/scaling.md, its plot and docs/scaling.json from the last scaling.json

`make scaling` builds first what is measured. Run it with nothing else going on.
"""

import argparse
import datetime
import json
import os
import pathlib
import sys

from run import progress
from runner import machine, scaling
from runner.programs import failed

ROOT = pathlib.Path(__file__).resolve().parents[1]


def write_page(document, docs):
    (docs / scaling.PLOT).write_text(scaling.plot(document), encoding="utf-8")
    (docs / "scaling.md").write_text(scaling.page(document), encoding="utf-8")
    (docs / "scaling.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("only", nargs="?", default="", metavar="name", help="what to measure")
    options.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="the most; all cores")
    options.add_argument("--page", action="store_true")
    asked = options.parse_args()
    results = ROOT / "build" / "bench" / "scaling.json"
    if asked.page:
        if not results.is_file():
            return f"bench/scaling.py: there is no {results.relative_to(ROOT)}: run `make scaling` first"
        document = json.loads(results.read_text(encoding="utf-8"))
        if document["only"]:
            return "bench/scaling.py: the last run did not measure everything: run `make scaling` without ONLY first"
        write_page(document, ROOT / "docs")
        return 0

    chosen, counts = scaling.choose(asked.only), scaling.thread_counts(asked.threads)
    if not chosen:
        return f"bench/scaling.py: there is no workload '{asked.only}': {', '.join(scaling.choose(''))}"
    about = {"machine": machine.describe(asked.build), "measured": str(datetime.date.today()), "rounds": asked.rounds,
             "only": asked.only, "busy_share": machine.busy_share(), "threads": counts}
    build = asked.build.resolve()
    try:
        times = scaling.measure(chosen, counts, asked.rounds, lambda *what: scaling.time_of(build, *what),
                                progress(len(chosen)))
    except failed as why:
        return f"bench/scaling.py: {why}"
    document = scaling.document_of(times, about)
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    results.with_suffix(".svg").write_text(scaling.plot(document), encoding="utf-8")
    print(scaling.text(document, colours=sys.stdout.isatty()))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
