"""How the fork-join workloads scale with the number of threads: measuring, the fit, the table, the plot, the page."""

import math
import os
import textwrap
from pathlib import PurePosixPath

from . import machine as machines
from . import programs, usl
from .contests import BENCHMARKS_OF_WEFT, WORKLOADS
from .figures import FIGURES
from .report import number, paint, BOLD, RED

PREDICTED_AT = 64
PLOT = PurePosixPath("images") / "scaling.svg"


def thread_counts(most):
    """1 to `most`; of more than 8 about three from each power of two to the next, and the last."""
    steps = {n for power in range(3, 12) for n in (1 << power, 3 << (power - 1))}
    return [n for n in range(1, most + 1) if n <= 8 or n in steps or n == most]


def time_of(build, workload, threads):
    """Milliseconds."""
    environment = {**os.environ, "WEFT_BENCH_THREADS": str(threads)}
    found = programs.google_benchmark(build / "bench" / BENCHMARKS_OF_WEFT[workload], workload, env=environment)
    return found[f"{workload}_ms"]


def measure(workloads, counts, rounds, time_with, shown):
    """{workload: {threads: milliseconds of each round}}. In each round every count has its turn, so that what others do
    on the machine meets all alike."""
    times = {workload: {threads: [] for threads in counts} for workload in workloads}
    for workload in workloads:
        shown.contest(workload)
        for round_number in range(rounds):
            for threads in counts:
                shown.step(round_number + 1, rounds, f"{threads} threads")
                times[workload][threads].append(time_with(workload, threads))
    shown.clear()
    return times


def speedups(best):
    return {threads: best[1] / each for threads, each in best.items()}


def fitted(times):
    """What is kept of a workload's {threads: milliseconds of each round}: the best of each count (others on the machine
    only ever add to a time), the law that they follow and its prediction, also of each round alone."""
    best = {threads: min(rounds) for threads, rounds in times.items()}
    law = usl.fit(speedups(best))
    of_rounds = [usl.fit(speedups(dict(zip(times, each)))).speedup(PREDICTED_AT) for each in zip(*times.values())]
    return {"rounds_ms": times, "best_ms": best, "speedup": speedups(best), "contention": law.contention,
            "coherence": law.coherence, "assumed_0": law.assumed, "error": law.error,
            "predicted": law.speedup(PREDICTED_AT), "predicted_by_rounds": [min(of_rounds), max(of_rounds)]}


def law_of(made):
    return usl.law(made["contention"], made["coherence"], made["assumed_0"], made["error"])


def caveat(counts):
    """What the fit cannot say."""
    if len(counts) == 1:
        return "One core: nothing is known of how it scales."
    if len(counts) == 2:
        return (f"Two points, 1 and {counts[1]} threads, give one coefficient: contention is computed from them, "
                "coherence is assumed to be 0. So no figure here says what threads cost each other, which is what ends "
                f"scaling first on many cores, and {PREDICTED_AT} cores are an upper bound on paper.")
    return "Contention and coherence are fitted to all counts by least squares; neither can be below 0."


def rows(document):
    """Of the table: a heading and a line for each workload."""
    counts = document["threads"]
    yield ["", *[f"{n} thread{'s' if n > 1 else ''}, ms" for n in counts], *[f"x{n}" for n in counts if n > 1],
           "contention", "coherence", f"x{PREDICTED_AT} on paper", "by single rounds"]
    for name, made in document["workloads"].items():
        coefficients = ["0, assumed" if each in made["assumed_0"] else f"{made[each]:.5f}"
                        for each in ("contention", "coherence")]
        yield [name, *[number(made["best_ms"][str(n)]) for n in counts],
               *[f"{made['speedup'][str(n)]:.2f}" for n in counts if n > 1], *coefficients,
               f"{made['predicted']:.1f}", "{:.1f} to {:.1f}".format(*made["predicted_by_rounds"])]


def text(document, colours=False):
    lines = list(rows(document))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    out = []
    for index, line in enumerate(lines):
        padded = "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                           for column, (cell, width) in enumerate(zip(line, widths)))
        out.append(paint(padded.rstrip(), BOLD if index == 0 else None, colours))
    out += ["", caveat(document["threads"]), f"Measured on {machines.in_words(document['machine'])}; the best of "
            f"{document['rounds']} rounds."]
    if document["busy_share"] > 0.05:
        out.append(paint(f"Others used {document['busy_share']:.0%} of the machine when this began: do not quote it.",
                         RED, colours))
    return "\n".join(out)


def page(document):
    """docs/scaling.md."""
    heading, *lines = rows(document)
    how = (f"`make scaling` runs the fork-join workloads of weft/compute with 1 to {document['threads'][-1]} compute "
           f"carriers and fits the Universal Scalability Law to the best of {document['rounds']} rounds; "
           "`make scaling-page` wrote this page from it.")
    law = ("C(n) = n / (1 + contention (n - 1) + coherence n (n - 1)): contention is the share that one thread does at "
           "a time, coherence what each two threads cost each other (Gunther, \"A General Theory of Computational "
           "Scalability Based on Rational Functions\", 2008). The last column is what the fit of each single round "
           "predicts: how far the prediction can be trusted.")
    out = ["# How fork-join scales", "", *textwrap.wrap(how, 120), "",
           f"![Speed-up over one thread, measured and on paper]({PLOT})", "",
           *textwrap.wrap(caveat(document["threads"]), 120), "",
           f"| {' | '.join(heading)} |", "|" + "---|" * len(heading), *[f"| {' | '.join(line)} |" for line in lines],
           "", *textwrap.wrap(law, 120), ""]
    out += [f"* `{name}`: {FIGURES[f'{name}_ms'].what.removesuffix(', two threads')}" for name in document["workloads"]]
    out += ["", *textwrap.wrap(f"Measured {document['measured']} on {machines.in_words(document['machine'])}; others "
                               f"used {document['busy_share']:.0%} of it when this began.", 120)]
    return "\n".join(out) + "\n"


COLOURS = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22"]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 560, 60, 190, 40, 50


def place(threads, speedup):
    """In the plot, both axes by powers of two."""
    across = math.log2(threads) / math.log2(PREDICTED_AT)
    up = math.log2(max(speedup, 0.5)) / math.log2(PREDICTED_AT)
    return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)


def line(points, style):
    return f'<polyline fill="none" {style} points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def words(x, y, said, style=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{said}</text>'


def apart(heights, least=15):
    """The heights, each at least so far from the one above it, in the order given."""
    placed = dict.fromkeys(heights)
    above = -math.inf
    for name in sorted(heights, key=heights.get):
        above = placed[name] = max(heights[name], above + least)
    return placed


def axes():
    for power in range(int(math.log2(PREDICTED_AT)) + 1):
        n = 1 << power
        x, y = place(n, n)
        yield line([(x, TOP), (x, HEIGHT - BOTTOM)], 'stroke="#e5e5e5"')
        yield line([(LEFT, y), (WIDTH - RIGHT, y)], 'stroke="#e5e5e5"')
        yield words(x, HEIGHT - BOTTOM + 18, n, 'text-anchor="middle"')
        yield words(LEFT - 8, y + 4, n, 'text-anchor="end"')
    yield words((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, "threads", 'text-anchor="middle"')
    yield words(LEFT, TOP - 16, "times as fast as one thread: measured (dots), on paper (lines)", 'font-weight="bold"')
    yield line([place(1, 1), place(PREDICTED_AT, PREDICTED_AT)], 'stroke="#999" stroke-dasharray="5 4"')


def plot(document):
    """The plot as SVG."""
    laws = {name: law_of(made) for name, made in document["workloads"].items()}
    labels = apart({name: place(PREDICTED_AT, law.speedup(PREDICTED_AT))[1] for name, law in laws.items()})
    drawn = list(axes())
    for (name, law), colour in zip(laws.items(), COLOURS * len(laws)):
        steps = [PREDICTED_AT ** (i / 48) for i in range(49)]
        drawn.append(line([place(n, law.speedup(n)) for n in steps], f'stroke="{colour}" stroke-width="1.5"'))
        for threads, speedup in document["workloads"][name]["speedup"].items():
            x, y = place(int(threads), speedup)
            drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')
        drawn.append(words(WIDTH - RIGHT + 10, labels[name] + 4, f"{name}  {law.speedup(PREDICTED_AT):.1f}",
                           f'fill="{colour}"'))
    body = "\n".join(drawn)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
            f'font-size="13">\n<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n')


def document_of(times, about):
    """scaling.json; as it comes back from a file, so with names of text."""
    return {**about, "workloads": {name: _with_text_keys(fitted(each)) for name, each in times.items()}}


def _with_text_keys(made):
    return {key: {str(n): each for n, each in value.items()} if isinstance(value, dict) else value
            for key, value in made.items()}


def choose(only):
    chosen = {name: None for name in WORKLOADS if only == name} or {name: None for name in WORKLOADS if only in name}
    return list(chosen)
