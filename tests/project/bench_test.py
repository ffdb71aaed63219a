#!/usr/bin/env python3
"""What bench/run.py makes of measurements: medians, ratios, the table, results.json, the README's section."""

import json
import re
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import run  # noqa: E402
from runner import contests, programs, report, servers  # noqa: E402
from runner.figures import FIGURES  # noqa: E402

MACHINE = {"cpu": "A processor", "cores": 2, "memory_gb": 8, "kernel": "Linux 6.1", "compiler": "c++ 12"}


def document(results):
    return {"machine": MACHINE, "rounds": 3, "busy_share": 0.0, "results": results}


def switch(weft, **peers):
    return report.result("switch", {"weft": weft, **peers})


class results(unittest.TestCase):
    def test_a_result_is_the_median_of_its_rounds(self):
        made = switch([3.0, 1.0, 100.0], boost_context=[4.0, 8.0])
        self.assertEqual((made["weft"], made["peers"]), (3.0, {"boost_context": 6.0}))
        self.assertEqual((made["name"], made["unit"], made["target"]), ("switch", "ns", 2))

    def test_a_peer_that_measured_nothing_is_not_in_it(self):
        self.assertEqual(switch([3.0], go=[])["peers"], {})
        self.assertIsNone(switch([], go=[1.0])["weft"])

    def test_a_ratio_above_one_says_that_weft_is_better_whichever_direction_is(self):
        self.assertEqual(report.ratio(switch([2.0], go=[6.0]), "go"), 3)
        rate = report.result("hello_64", {"weft": [200.0], "go": [100.0]})
        self.assertEqual(report.ratio(rate, "go"), 2)
        self.assertIsNone(report.ratio(switch([2.0]), "go"))
        self.assertIsNone(report.ratio(switch([], go=[1.0]), "go"))

    def test_a_target_is_met_from_the_side_that_is_better(self):
        self.assertTrue(report.meets_target(switch([2.0])))
        self.assertFalse(report.meets_target(switch([2.1])))
        self.assertTrue(report.meets_target(report.result("mixed_inline_waits", {"weft": [4900]})))
        self.assertFalse(report.meets_target(report.result("mixed_inline_waits", {"weft": [4700]})))
        self.assertIsNone(report.meets_target(report.result("hello_64", {"weft": [1]})))


class table(unittest.TestCase):
    made = [switch([2.0], boost_context=[6.0]), report.result("parse_head/small", {"weft": [150.4]})]

    def test_it_is_plain_in_a_pipe_and_has_the_ratio_behind_the_peer(self):
        heading, first, second = report.table(self.made)
        self.assertEqual(heading.split(), ["unit", "weft", "target", "boost_context"])
        self.assertEqual(first.split(), ["switch", "ns", "2.00", "2.00", "6.00", "3.0x"])
        self.assertEqual(second.split(), ["parse_head/small", "ns", "150"])

    def test_colours_change_nothing_else(self):
        coloured = "\n".join(report.table(self.made, colours=True))
        self.assertIn(report.GREEN, coloured)
        without = re.sub("\033\\[[0-9]+m", "", coloured)
        self.assertEqual([line.split() for line in without.split("\n")],
                         [line.split() for line in report.table(self.made)])

    def test_the_report_says_what_the_machine_was_and_who_was_left_out(self):
        text = report.text({**document(self.made), "left_out": {"go": "go is not installed"}, "busy_share": 0.5})
        for said in ("A processor", "2 cores", "Linux 6.1", "c++ 12", "Left out: go: go is not installed",
                     "Others used 50%"):
            self.assertIn(said, text)


class programs_that_measure(unittest.TestCase):
    def test_a_time_of_google_benchmark_comes_in_the_unit_of_the_figure(self):
        text = json.dumps({"benchmarks": [
            {"name": "switch", "real_time": 2.5, "time_unit": "ns"},
            {"name": "skynet_1m_ms/iterations:3/manual_time", "real_time": 0.5, "time_unit": "s"},
            {"name": "channel_ping_pong/1/real_time", "real_time": 1.5, "time_unit": "us"}]})
        self.assertEqual(programs.figures_of_google_benchmark(text),
                         {"switch": 2.5, "skynet_1m_ms": 500, "channel_ping_pong/1": 1500})

    def test_counters_with_the_name_of_a_figure_are_figures(self):
        text = json.dumps({"benchmarks": [{"name": "parked/iterations:1/manual_time", "real_time": 9.0,
                                           "time_unit": "ns", "parked_bytes": 4200.0, "wake_join": 100.0}]})
        self.assertEqual(programs.figures_of_google_benchmark(text), {"parked_bytes": 4200, "wake_join": 100})

    def test_what_wrk_prints_is_read_and_its_errors_are_failures(self):
        text = "Latency Distribution\n     50%   10.10ms\n     99%  980.00us\nRequests/sec:   5012.34\n"
        self.assertEqual(servers.read_wrk(text), (5012.34, 0.98))
        with self.assertRaises(programs.failed):
            servers.read_wrk(text + "  Socket errors: connect 0, read 3, write 0, timeout 0\n")
        with self.assertRaises(programs.failed):
            servers.read_wrk("unable to connect\n")


class measuring(unittest.TestCase):
    def measure(self, contestants, rounds=3):
        shown = run.progress(1)
        shown.contest = shown.step = lambda *_: None
        return run.measure([contests.contest("switch", ["switch"], contestants)], rounds, shown, {"left": "out"})

    def test_everybody_has_a_turn_in_every_round_and_each_round_begins_with_another(self):
        turns = []
        contestants = {who: lambda who=who: turns.append(who) or {"switch": len(turns)} for who in ("weft", "go")}
        made, failures = self.measure(contestants)
        self.assertEqual(turns, ["weft", "go", "go", "weft", "weft", "go"])
        self.assertEqual(made[0]["rounds"], {"weft": [1, 4, 5], "go": [2, 3, 6]})
        self.assertEqual(failures, {})

    def test_who_fails_is_named_and_the_others_go_on(self):
        def fail():
            raise programs.failed("it broke")

        made, failures = self.measure({"weft": lambda: {"switch": 2.0}, "go": fail, "left": fail})
        self.assertEqual((made[0]["weft"], made[0]["peers"]), (2.0, {}))
        self.assertEqual(failures, {"switch, go": "it broke"})

    def test_a_name_chooses_one_contest_and_a_regular_expression_all_that_it_matches(self):
        names = ["spawn_join_one", "coroutine_spawn_join_one", "switch"]
        made = [contests.contest(name, [name]) for name in names]
        chosen = lambda only: [each.name for each in contests.choose(made, only)]
        self.assertEqual(chosen("spawn_join_one"), ["spawn_join_one"])
        self.assertEqual(chosen("spawn_.*one"), names[:2])
        self.assertEqual(chosen(""), names)

    def test_every_figure_of_a_contest_is_known(self):
        made, _ = contests.all_contests(ROOT, ROOT / "no such folder")
        self.assertGreater(len(made), 10)
        for each in made:
            for name in each.figures:
                self.assertIn(name, FIGURES)


class readme(unittest.TestCase):
    def test_the_section_replaces_the_one_before_and_nothing_else(self):
        before = f"above\n{report.readme_section(None)}\nbelow\n"
        section = report.readme_section(document([switch([2.0], go=[5.0])]))
        after = report.with_section(before, section)
        self.assertEqual(after, f"above\n{section}\nbelow\n")
        self.assertIn("| 2.00 ns | 5.00 (2.5x) |", after)
        self.assertEqual(report.with_section(after, report.readme_section(None)), before)
        with self.assertRaises(ValueError):
            report.with_section("no place for it", section)

    def test_the_readme_of_this_project_says_what_was_measured_last(self):
        kept = ROOT / "docs" / "benchmarks.json"
        measured = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else None
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        self.assertEqual(report.with_section(text, report.readme_section(measured)), text,
                         "run `make bench-readme` and commit README.md with docs/benchmarks.json")


if __name__ == "__main__":
    unittest.main()
