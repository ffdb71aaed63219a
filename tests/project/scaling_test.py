#!/usr/bin/env python3
"""What bench/scaling.py makes of measurements: the fit of the scalability law, the table, the plot, the page."""

import json
import sys
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from runner import scaling, usl  # noqa: E402

MACHINE = {"cpu": "A processor", "cores": 2, "memory_gb": 8, "kernel": "Linux 6.1", "compiler": "c++ 12"}


def following(contention, coherence, counts):
    law = usl.law(contention, coherence, [], 0)
    return {n: law.speedup(n) for n in counts}


def document(counts, milliseconds):
    about = {"machine": MACHINE, "measured": "2026-01-01", "rounds": 2, "only": "", "busy_share": 0.0,
             "threads": counts}
    return json.loads(json.dumps(scaling.document_of({"fib_38": milliseconds}, about)))


class fit(unittest.TestCase):
    def test_it_finds_the_coefficients_that_speedups_follow(self):
        for contention, coherence in ((0.05, 0.001), (0.2, 0), (0, 0.01), (0, 0)):
            law = usl.fit(following(contention, coherence, (1, 2, 3, 4, 8)))
            self.assertAlmostEqual(law.contention, contention)
            self.assertAlmostEqual(law.coherence, coherence)
            self.assertAlmostEqual(law.error, 0)
            self.assertEqual(law.assumed, [])

    def test_it_is_near_them_where_each_point_is_a_little_off(self):
        speedups = following(0.04, 0.002, range(1, 17))
        law = usl.fit({n: each * (1.01 if n % 2 else 0.99) for n, each in speedups.items()})
        self.assertAlmostEqual(law.contention, 0.04, delta=0.01)
        self.assertAlmostEqual(law.coherence, 0.002, delta=0.001)
        self.assertAlmostEqual(law.error, 0.01, delta=0.003)

    def test_two_points_give_contention_and_coherence_is_assumed(self):
        law = usl.fit({1: 1.0, 2: 1.9})
        self.assertAlmostEqual(law.contention, 2 / 1.9 - 1)
        self.assertEqual((law.coherence, law.assumed), (0, ["coherence"]))
        self.assertAlmostEqual(law.speedup(64), 64 / (1 + 63 * (2 / 1.9 - 1)))

    def test_one_point_gives_nothing(self):
        law = usl.fit({1: 1.0})
        self.assertEqual((law.contention, law.coherence, law.assumed), (0, 0, ["contention", "coherence"]))

    def test_no_coefficient_is_below_zero(self):
        for speedups in ({1: 1, 2: 2.1}, {1: 1, 2: 2.2, 4: 4.1, 8: 7.9}, {1: 1, 2: 1.5, 4: 2.9, 8: 7.0}):
            law = usl.fit(speedups)
            self.assertGreaterEqual(law.contention, 0)
            self.assertGreaterEqual(law.coherence, 0)

    def test_it_says_with_how_many_threads_it_is_fastest(self):
        self.assertAlmostEqual(usl.law(0.19, 0.0001, [], 0).fastest_with(), 90)
        self.assertIsNone(usl.law(0.1, 0, [], 0).fastest_with())


class measuring(unittest.TestCase):
    def test_every_count_has_a_turn_in_every_round(self):
        turns = []

        class quiet:
            contest = step = clear = staticmethod(lambda *_: None)

        times = scaling.measure(["fib_38"], [1, 2], 2, lambda *what: turns.append(what) or len(turns), quiet)
        self.assertEqual(turns, [("fib_38", 1), ("fib_38", 2)] * 2)
        self.assertEqual(times, {"fib_38": {1: [1, 3], 2: [2, 4]}})

    def test_all_counts_to_eight_and_some_of_more(self):
        self.assertEqual(scaling.thread_counts(2), [1, 2])
        self.assertEqual(scaling.thread_counts(8), list(range(1, 9)))
        self.assertEqual(scaling.thread_counts(40), [*range(1, 9), 12, 16, 24, 32, 40])

    def test_a_name_chooses_one_workload_a_part_of_it_several(self):
        self.assertEqual(scaling.choose("sort_10m"), ["sort_10m"])
        self.assertEqual(scaling.choose("sort"), ["sort_10m", "stable_sort_10m"])
        self.assertEqual(scaling.choose("nothing"), [])


class what_comes_out(unittest.TestCase):
    two = document([1, 2], {1: [1000.0, 1010.0], 2: [505.0, 520.0]})

    def test_the_best_rounds_make_the_speedup_and_each_round_a_prediction_of_its_own(self):
        made = self.two["workloads"]["fib_38"]
        self.assertEqual(made["best_ms"], {"1": 1000, "2": 505})
        self.assertAlmostEqual(made["speedup"]["2"], 1000 / 505)
        self.assertAlmostEqual(made["contention"], 0.01)
        self.assertAlmostEqual(made["predicted"], 64 / 1.63)
        low, high = made["predicted_by_rounds"]
        self.assertAlmostEqual(low, usl.fit({1: 1, 2: 1010 / 520}).speedup(64))
        self.assertAlmostEqual(high, made["predicted"])

    def test_table_and_page_say_what_two_points_cannot(self):
        for said in (scaling.text(self.two), scaling.page(self.two)):
            for word in ("fib_38", "0, assumed", "1.98", "39.3", "coherence is assumed to be 0", "A processor"):
                self.assertIn(word, " ".join(said.split()))
        four = scaling.text(document([1, 2, 3, 4], {n: [100 / n] for n in (1, 2, 3, 4)}))
        self.assertNotIn("assumed", four)
        self.assertIn("least squares", four)

    def test_the_plot_is_well_formed_and_shows_each_measured_point(self):
        namespace = "{http://www.w3.org/2000/svg}"
        drawn = xml.fromstring(scaling.plot(self.two))
        self.assertEqual(len(drawn.findall(f"{namespace}circle")), 2)
        self.assertIn("fib_38  39.3", [each.text for each in drawn.findall(f"{namespace}text")])

    def test_labels_keep_apart_in_their_order(self):
        placed = scaling.apart({"a": 10, "b": 12, "c": 100}, least=15)
        self.assertEqual(placed, {"a": 10, "b": 25, "c": 100})

    def test_the_page_of_this_project_is_what_was_measured_last(self):
        docs = ROOT / "docs"
        measured = json.loads((docs / "scaling.json").read_text(encoding="utf-8"))
        for file, text in (("scaling.md", scaling.page(measured)), (scaling.PLOT, scaling.plot(measured))):
            self.assertEqual((docs / file).read_text(encoding="utf-8"), text,
                             "run `make scaling-page` and commit docs/scaling.* with the plot")


if __name__ == "__main__":
    unittest.main()
