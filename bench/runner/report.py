"""What comes out: results.json, the table, and the README's section."""

import collections
import re
import statistics
import textwrap

from . import machine as machines
from .figures import FIGURES, figure

BEGIN = "<!-- benchmarks: written by `make bench-readme` -->"
END = "<!-- benchmarks: end -->"
GREEN, RED, BOLD, DIM, PLAIN = "\033[32m", "\033[31m", "\033[1m", "\033[2m", "\033[0m"


def figure_named(name):
    return FIGURES.get(name) or figure(name, "ns", "")


def result(name, measured):
    """A result of what each contestant measured, round by round: {"weft": [...], "go": [...]}. Medians."""
    known = figure_named(name)
    medians = {who: statistics.median(values) for who, values in measured.items() if values}
    made = {"name": name, "unit": known.unit, "weft": medians.pop("weft", None), "peers": medians}
    if known.target is not None:
        made["target"] = known.target
    if known.more_is_better:
        made["more_is_better"] = True
    made["rounds"] = {who: values for who, values in measured.items() if values}
    return made


def ratio(made, peer):
    """How many times better weft is than the peer: above 1 is better, whichever direction that is."""
    weft, other = made["weft"], made["peers"].get(peer)
    if not weft or not other:
        return None
    return weft / other if made.get("more_is_better") else other / weft


def meets_target(made):
    """None without a target or a measurement."""
    if made["weft"] is None or "target" not in made:
        return None
    return made["weft"] >= made["target"] if made.get("more_is_better") else made["weft"] <= made["target"]


def number(value):
    """Three digits that count, and separators."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def times(value):
    """A ratio: 2 digits that count."""
    return f"{value:.0f}x" if value >= 10 else f"{value:.1f}x" if value >= 0.95 else f"{value:.2f}x"


def peers_of(results):
    """Every peer that has a result, the ones with most of them first."""
    counts = collections.Counter(peer for made in results for peer in made["peers"])
    return [peer for peer, _ in sorted(counts.items(), key=lambda each: (-each[1], each[0]))]


def paint(text, colour, colours):
    return f"{colour}{text}{PLAIN}" if colours and colour else text


def table(results, colours=False):
    """Lines. A peer's cell is what it measured and how many times better weft is."""
    peers = peers_of(results)
    lines = [[(heading, BOLD) for heading in ["", "unit", "weft", "target", *peers]]]
    for made in results:
        met = meets_target(made)
        cells = [(made["name"], None), (made["unit"], DIM),
                 (number(made["weft"]), None if met is None else GREEN if met else RED),
                 (number(made["target"]) if "target" in made else "", DIM)]
        for peer in peers:
            better = ratio(made, peer)
            value = made["peers"].get(peer)
            text = "" if value is None else number(value) if better is None else f"{number(value)} {times(better):>6}"
            cells.append((text, None if better is None else GREEN if better >= 1 else RED))
        lines.append(cells)
    widths = [max(len(line[column][0]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        padded = [paint(text.ljust(width) if column == 0 else text.rjust(width), colour, colours)
                  for column, ((text, colour), width) in enumerate(zip(line, widths))]
        yield "  ".join(padded).rstrip()


def text(document, colours=False):
    """The whole report for a reader."""
    lines = list(table(document["results"], colours))
    lines.append("")
    lines.append(f"Measured on {machines.in_words(document['machine'])}.")
    lines.append("Medians. Behind a peer's figure: how many times better weft is (below 1: worse).")
    for peer, why in document.get("left_out", {}).items():
        lines.append(f"Left out: {peer}: {why}")
    for name, why in document.get("failed", {}).items():
        lines.append(paint(f"Failed: {name}: {why}", RED, colours))
    if document["busy_share"] > 0.05:
        lines.append(paint(f"Others used {document['busy_share']:.0%} of the machine when this began: do not quote it.",
                           RED, colours))
    return "\n".join(lines)


def readme_section(document):
    """The README's section, of the figures that have a target; without a document, how to get one."""
    if document is None:
        return f"{BEGIN}\nNot measured yet: `make bench`, then `make bench-readme`.\n{END}"
    results = [made for made in document["results"] if "target" in made and made["weft"] is not None]
    peers = peers_of(results)
    names = " | ".join(peer.replace("_", " ") for peer in peers)
    rounds = document["rounds"]
    taken = "One round in which" if rounds == 1 else f"Medians of up to {rounds} rounds in which"
    said = (f"Measured by `make bench` on {machines.in_words(document['machine'])}. {taken} all take turns; behind a "
            "peer's figure, how many times better weft is.")
    lines = [BEGIN, *textwrap.wrap(said, 120), "", f"| what | weft | {names} |", "|---|---|" + "---|" * len(peers)]
    for made in results:
        cells = []
        for peer in peers:
            better = ratio(made, peer)
            cells.append("" if better is None else f"{number(made['peers'][peer])} ({times(better)})")
        lines.append(f"| {FIGURES[made['name']].what} | {number(made['weft'])} {made['unit']} | {' | '.join(cells)} |")
    return "\n".join([*lines, END])


SECTION = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)


def with_section(readme, section):
    """The README's text with the section in the place of the one that it has."""
    if len(SECTION.findall(readme)) != 1:
        raise ValueError(f"the README needs one part from '{BEGIN}' to '{END}'")
    return SECTION.sub(lambda _: section, readme)


def summary(document):
    """What is kept in the repository of a run: all but the single rounds."""
    return {**document, "results": [{key: value for key, value in made.items() if key != "rounds"}
                                    for made in document["results"]]}
