#!/usr/bin/env python3
"""Measures weft and its peers in turns, and writes build/bench/results.json and a table with the ratios.

    bench/run.py [name or regex]  all, or those that it names; --list shows the names
    bench/run.py --readme         writes the README's section and docs/benchmarks.json from the last results.json

`make bench` builds first what is measured; `make bench ONLY=name` measures one. Run it with nothing else going on.
"""

import argparse
import datetime
import json
import pathlib
import sys

from runner import contests, machine, report
from runner.programs import failed

ROOT = pathlib.Path(__file__).resolve().parents[1]


class progress:
    """One line on a terminal, one line a contest elsewhere; on standard error."""

    def __init__(self, total):
        self.total, self.done, self.live = total, 0, sys.stderr.isatty()

    def contest(self, name):
        self.done += 1
        self.name = name
        if not self.live:
            print(f"[{self.done}/{self.total}] {name}", file=sys.stderr, flush=True)

    def step(self, round_number, rounds, who):
        if self.live:
            print(f"\r\033[K[{self.done}/{self.total}] {self.name}, round {round_number} of {rounds}: {who}", end="",
                  file=sys.stderr, flush=True)

    def clear(self):
        if self.live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def measure(chosen, rounds, shown, left_out):
    """(results, what failed). Everybody has a turn in every round, each round begins with another, and whoever fails is
    asked no more."""
    results, failures = [], {}
    for contest in chosen:
        shown.contest(contest.name)
        measured = {name: {} for name in contest.figures}
        asked = dict(contest.contestants)
        wanted = min(rounds, contest.most_rounds)
        for number in range(wanted):
            order = list(asked)
            first = number % len(contest.contestants)
            for who in order[first:] + order[:first]:
                shown.step(number + 1, wanted, who)
                try:
                    found = asked[who]()
                except (failed, OSError) as why:
                    del asked[who]
                    if who not in left_out:
                        failures[f"{contest.name}, {who}"] = str(why)
                    continue
                for name in contest.figures:
                    if name in found:
                        measured[name].setdefault(who, []).append(found[name])
        results += [report.result(name, values) for name, values in measured.items()]
    shown.clear()
    return results, failures


def write_readme(results, readme, kept):
    document = report.summary(json.loads(results.read_text(encoding="utf-8")))
    readme.write_text(report.with_section(readme.read_text(encoding="utf-8"), report.readme_section(document)),
                      encoding="utf-8")
    kept.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("only", nargs="?", default="", metavar="name or regex", help="what to measure")
    options.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--json", action="store_true", help="print results.json instead of the table")
    options.add_argument("--list", action="store_true", help="print the names")
    options.add_argument("--readme", action="store_true")
    asked = options.parse_args()
    results_file = ROOT / "build" / "bench" / "results.json"
    if asked.readme:
        if not results_file.is_file():
            return f"bench/run.py: there is no {results_file.relative_to(ROOT)}: run `make bench` first"
        if json.loads(results_file.read_text(encoding="utf-8"))["only"]:
            return "bench/run.py: the last run did not measure everything: run `make bench` without ONLY first"
        write_readme(results_file, ROOT / "README.md", ROOT / "docs" / "benchmarks.json")
        return 0

    all_of_them, peers = contests.all_contests(ROOT, asked.build.resolve())
    chosen = contests.choose(all_of_them, asked.only)
    if asked.list:
        print("\n".join(name for each in chosen for name in each.figures))
        return 0
    if not chosen:
        return f"bench/run.py: nothing matches '{asked.only}'; --list shows the names"
    document = {"machine": machine.describe(asked.build), "measured": str(datetime.date.today()),
                "rounds": asked.rounds, "only": asked.only, "busy_share": machine.busy_share()}
    document["results"], failures = measure(chosen, asked.rounds, progress(len(chosen)), peers.left_out)
    document.update(left_out=peers.left_out, failed=failures)
    results_file.parent.mkdir(parents=True, exist_ok=True)
    results_file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=1) if asked.json else report.text(document, colours=sys.stdout.isatty()))
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
