"""Measuring programs: how each kind is asked for its figures, and how the peers in other languages are built."""

import json
import re
import shutil
import subprocess

from .figures import FIGURES
from .machine import version_of_crate

TIMEOUT_S = 180
NANOSECONDS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


class failed(Exception):
    """A program that could not be built or run. What it says is for the reader of the report."""


def run(command, **options):
    """What the command printed."""
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=TIMEOUT_S,
                              check=False, **options)
    except subprocess.TimeoutExpired:
        raise failed(f"took longer than {TIMEOUT_S} s") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["without a word"]
        raise failed(f"ended with {done.returncode}: {said[-1]}")
    return done.stdout


def plain_name(benchmark):
    """Google Benchmark's name without what it appends about how it measured."""
    return re.sub(r"/(iterations:\d+|repeats:\d+|min_time:[\d.]+|manual_time|real_time|process_time)", "", benchmark)


def figures_of_google_benchmark(text):
    """The figures in its JSON: a benchmark's own time, and its counters, where they have a figure's name; the time of
    a benchmark that has none is its figure in nanoseconds."""
    found = {}
    for each in json.loads(text)["benchmarks"]:
        name = plain_name(each["name"])
        counters = {key: value for key, value in each.items() if key in FIGURES}
        if counters:
            found.update(counters)
        else:
            unit = FIGURES[name].unit if name in FIGURES else "ns"
            found[name] = each["real_time"] * NANOSECONDS[each["time_unit"]] / NANOSECONDS[unit]
    return found


def google_benchmark(program, benchmark, *arguments, **options):
    """One benchmark of a Google Benchmark program, in a process of its own."""
    said = run([program, f"--benchmark_filter=^{re.escape(benchmark)}(/|$)", "--benchmark_format=json", *arguments],
               **options)
    if not said:
        raise failed(f"{program.name} has no benchmark {benchmark}")
    return figures_of_google_benchmark(said)


def list_google_benchmarks(program):
    """The names by which the program knows its benchmarks."""
    return run([program, "--benchmark_list_tests"]).splitlines()


def figures_of_lines(text):
    """The figures in "name value" lines, which the peers in other languages print."""
    return {name: float(value) for name, value in (line.split() for line in text.splitlines())}


def peer_program(program, benchmark):
    return figures_of_lines(run([program, benchmark]))


def build_go(source, folder):
    if not shutil.which("go"):
        raise failed("go is not installed (golang-go)")
    program = folder / "go" / "peer"
    run(["go", "build", "-o", program, "."], cwd=source / "go")
    return program


def build_tokio(source, folder):
    if not shutil.which("cargo"):
        raise failed("cargo is not installed (cargo)")
    if not version_of_crate("tokio"):
        raise failed("tokio is not installed (librust-tokio-dev)")
    # A copy, since cargo writes its lock file beside the source.
    copy = folder / "tokio" / "source"
    shutil.copytree(source / "tokio", copy, dirs_exist_ok=True)
    run(["cargo", "build", "--quiet", "--release", "--target-dir", folder / "tokio"], cwd=copy)
    return folder / "tokio" / "release" / "peer"
