"""Who measures what beside whom: a contest is measured in turns by weft and its peers, and gives some figures."""

import re
from dataclasses import dataclass, field
from typing import Callable, Dict, List

from . import programs, servers, uploads
from .programs import failed

# CPU-bound: each gives its time and the peak of the process's memory.
WORKLOADS = ["fib_38", "skynet_100m", "nqueens_14", "matmul_1024", "uts", "integrate", "sort_10m", "stable_sort_10m",
             "reduce_20m", "mandelbrot"]
BENCHMARKS_OF_WEFT = {
    "yield_1000": "task_yield_bench",
    "coroutine_yield_1000": "task_yield_bench",
    "switch": "stack_switch_bench",
    "spawn_join_batch": "task_spawn_bench",
    "coroutine_spawn_join_batch": "task_spawn_bench",
    "spawn_join_one": "task_spawn_bench",
    "coroutine_spawn_join_one": "task_spawn_bench",
    "parked": "sync_parked_bench",
    "hibernated": "sync_parked_bench",
    "coroutine_parked": "sync_parked_bench",
    "coroutine_parked_10m": "sync_parked_bench",
    "sleepers": "task_sleepers_bench",
    "coroutine_sleepers": "task_sleepers_bench",
    "channel_ping_pong_1": "sync_channel_bench",
    "channel_ping_pong_2": "sync_channel_bench",
    "coroutine_channel_ping_pong_1": "sync_channel_bench",
    "channel_10x10_1": "sync_channel_bench",
    "channel_10x10_2": "sync_channel_bench",
    "select_2": "sync_channel_bench",
    "select_1000": "sync_channel_bench",
    "mutex_uncontended": "sync_mutex_bench",
    "mutex_contended_1": "sync_mutex_bench",
    "mutex_contended_2": "sync_mutex_bench",
    "mutex_os_threads": "sync_mutex_bench",
    "wait_allocations": "sync_allocation_bench",
    "skynet_1m_ms": "sync_skynet_bench",
    "coroutine_skynet_1m_ms": "sync_skynet_bench",
    **{name: "compute_fork_join_bench" for name in WORKLOADS},
}
# What a contest gives where that is not the one figure of its own name.
FIGURES_OF = {
    "parked": ["parked_bytes", "wake_join"],
    "hibernated": ["hibernated_bytes", "hibernate", "hibernated_wake_join"],
    "coroutine_parked": ["coroutine_parked_bytes", "coroutine_wake_join"],
    "coroutine_parked_10m": ["coroutine_parked_10m_bytes"],
    "sleepers": ["sleepers_p99_ms", "sleepers_wall_s"],
    "coroutine_sleepers": ["coroutine_sleepers_p99_ms", "coroutine_sleepers_wall_s"],
    **{name: [f"{name}_ms", f"{name}_mib"] for name in WORKLOADS},
}
# Peers that have virtual threads are measured beside weft's, peers that have coroutines beside its coroutines; Tokio,
# whose tasks are coroutines, beside both.
PEERS_OF = {
    "yield_1000": ["go", "tokio", "boost_fiber"],
    "switch": ["boost_context"],
    "spawn_join_batch": ["go", "tokio", "boost_fiber"],
    "spawn_join_one": ["go", "tokio", "boost_fiber", "std_thread"],
    "parked": ["go", "tokio", "boost_fiber"],
    "sleepers": ["go", "tokio"],
    "skynet_1m_ms": ["go", "tokio"],
    "channel_ping_pong_1": ["go", "tokio"],
    "channel_ping_pong_2": ["go", "tokio"],
    "coroutine_channel_ping_pong_1": ["tokio"],
    "channel_10x10_1": ["go", "tokio"],
    "channel_10x10_2": ["go", "tokio"],
    "select_2": ["go"],
    "select_1000": ["go"],
    "mutex_uncontended": ["go", "tokio"],
    "mutex_contended_1": ["go", "tokio"],
    "mutex_contended_2": ["go", "tokio"],
    "mutex_os_threads": ["std_thread"],
    "coroutine_yield_1000": ["tokio", "boost_asio"],
    "coroutine_spawn_join_batch": ["tokio", "boost_asio"],
    "coroutine_spawn_join_one": ["tokio", "boost_asio"],
    "coroutine_parked": ["tokio", "boost_asio"],
    "coroutine_sleepers": ["tokio", "boost_asio"],
    "coroutine_skynet_1m_ms": ["tokio"],
    **{name: ["onetbb", "sequential"] for name in WORKLOADS if name != "stable_sort_10m"},
    "stable_sort_10m": ["sequential"],
}
# What takes long, or hardly differs from one round to the next.
MOST_ROUNDS = {"parked": 3, "hibernated": 1, "coroutine_parked": 3, "coroutine_parked_10m": 1}
MEASURES_IN_CPP = ["boost_fiber", "boost_context", "boost_asio", "std_thread", "onetbb", "sequential"]
DEBIAN = {"boost_fiber": "libboost-fiber1.81-dev", "boost_context": "libboost-context1.81-dev",
          "boost_asio": "libboost1.81-dev", "onetbb": "libtbb-dev"}
REACTORS = {"hello": None, "hello_epoll": {"WEFT_REACTOR": "epoll"}}


@dataclass
class contest:
    name: str
    figures: List[str]
    contestants: Dict[str, Callable[[], Dict[str, float]]] = field(default_factory=dict)
    most_rounds: int = 1000

    def names(self):
        return [self.name, *self.figures]


class peers:
    """Builds each peer the first time that one of its measurements is wanted, and knows which could not be had."""

    def __init__(self, source, build):
        self.source, self.build, self.folder = source, build, build.parent / "bench" / "peers"
        self.programs, self.left_out = {}, {}

    def program(self, peer):
        if peer in self.left_out:
            raise failed(self.left_out[peer])
        if peer not in self.programs:
            try:
                self.programs[peer] = self._make(peer)
            except failed as why:
                self.left_out[peer] = str(why)
                raise
        return self.programs[peer]

    def _make(self, peer):
        self.folder.mkdir(parents=True, exist_ok=True)
        if peer == "go":
            return programs.build_go(self.source / "bench" / "peers", self.folder)
        if peer == "tokio":
            return programs.build_tokio(self.source / "bench" / "peers", self.folder)
        built = self.build / "bench" / f"peer_{peer}"
        if not built.is_file():
            raise failed(f"{peer} is not installed ({DEBIAN.get(peer, peer)})")
        return built

    def measure(self, peer, benchmark):
        program = self.program(peer)
        if peer in MEASURES_IN_CPP:
            return programs.google_benchmark(program, benchmark)
        return programs.peer_program(program, benchmark)


def task_contests(build, others):
    for name, program in BENCHMARKS_OF_WEFT.items():
        path = build / "bench" / program
        made = contest(name, FIGURES_OF.get(name, [name]), most_rounds=MOST_ROUNDS.get(name, 1000))
        made.contestants["weft"] = lambda path=path, name=name: programs.google_benchmark(path, name)
        for peer in PEERS_OF.get(name, []):
            made.contestants[peer] = lambda peer=peer, name=name: others.measure(peer, name)
        yield made


def server_contests(build, others):
    def mixed(name):
        return contest(name, [f"{name}_p99_ms", f"{name}_waits", f"{name}_burns"])

    server = build / "bench" / "mixed_server"
    rounds = []  # found out once, so that everybody computes the same

    def burns():
        if not rounds:
            rounds.append(servers.rounds_of_20_ms(server))
        return rounds[0]

    inline, compute = mixed("mixed_inline"), mixed("mixed_compute")
    inline.contestants["weft"] = lambda: servers.mixed("mixed_inline", [server, burns()])
    compute.contestants["weft"] = lambda: servers.mixed("mixed_compute", [server, "--compute", burns()])
    for made in inline, compute:
        for peer in "go", "tokio":
            made.contestants[peer] = lambda made=made, peer=peer: servers.mixed(
                made.name, [others.program(peer), "serve-mixed", burns()])
    compute.contestants["tokio_spawn_blocking"] = lambda: servers.mixed(
        "mixed_compute", [others.program("tokio"), "serve-mixed-blocking", burns()])
    yield inline
    yield compute

    hello_server = build / "examples" / "hello_server" / "hello_server"
    gallery = build / "examples" / "gallery" / "gallery"
    names = [*REACTORS, "gallery_hello"]
    hello = contest("hello", [f"{name}_{connections}" for name in names for connections in (64, 1000)])
    hello.most_rounds = 3

    def all_of_weft():
        found = servers.gallery_hello(gallery)
        for name, environment in REACTORS.items():
            found.update(servers.hello([hello_server, "127.0.0.1:0"], name, environment=environment))
        return found

    hello.contestants["weft"] = all_of_weft
    hello.contestants["go"] = lambda: servers.hello([others.program("go"), "serve-hello"], *names)
    yield hello

    listing = contest("list_under_uploads", ["list_under_uploads_p99_ms", "list_under_uploads_rate"])
    listing.most_rounds = 1
    photo = others.folder.parent / "photo.jpg"
    listing.contestants["weft"] = lambda: uploads.list_under_uploads(build, "virtual", photo)
    listing.contestants["thread_pool"] = lambda: uploads.list_under_uploads(build, "pool", photo)
    yield listing


def other_contests(build):
    """Every other benchmark that there is: without a target and without a peer, one short round."""
    for program in sorted((build / "bench").glob("*_bench")):
        for benchmark in programs.list_google_benchmarks(program):
            name = programs.plain_name(benchmark)
            if name not in BENCHMARKS_OF_WEFT:
                yield contest(name, [name], {"weft": lambda program=program, benchmark=benchmark:
                                             programs.google_benchmark(program, benchmark, "--benchmark_min_time=0.1")},
                              most_rounds=1)


def all_contests(source, build):
    """(the contests, the peers)"""
    others = peers(source, build)
    return [*task_contests(build, others), *server_contests(build, others), *other_contests(build)], others


def choose(contests, only):
    """The contest of that name, or with a figure of that name; else all that the regular expression matches."""
    exact = [each for each in contests if only in each.names()]
    return exact or [each for each in contests if any(re.search(only, name) for name in each.names())]
