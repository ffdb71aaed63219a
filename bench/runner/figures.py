"""What is measured: each figure with its unit, what it says and, where issue 3 sets one, its target."""

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class figure:
    name: str
    unit: str
    what: str
    target: Optional[float] = None
    more_is_better: bool = False


FIGURES = {each.name: each for each in [
    figure("yield_1000", "ns", "yield among 1,000 virtual threads, one seat", 10),
    figure("coroutine_yield_1000", "ns", "yield among 1,000 coroutines, one seat"),
    figure("switch", "ns", "the bare switch of stacks, one way", 2),
    figure("spawn_join_batch", "ns", "start and join a virtual thread, 1,000,000 at once, two seats", 80),
    figure("coroutine_spawn_join_batch", "ns", "start and join a coroutine, 1,000,000 at once, two seats", 60),
    figure("spawn_join_one", "ns", "start and join a virtual thread, one at a time, one seat", 80),
    figure("coroutine_spawn_join_one", "ns", "start and join a coroutine, one at a time, one seat", 30),
    figure("parked_bytes", "B", "memory of a virtual thread parked on a channel, of 1,000,000", 4600),
    figure("hibernated_bytes", "B", "the same, hibernated", 700),
    figure("hibernate", "ns", "hibernate a parked virtual thread, of 1,000,000"),
    figure("hibernated_wake_join", "ns", "wake and join a hibernated virtual thread, of 1,000,000"),
    figure("coroutine_parked_bytes", "B", "memory of a coroutine parked on a channel, of 1,000,000", 128),
    figure("coroutine_parked_10m_bytes", "B", "memory of a coroutine parked on a channel, of 10,000,000"),
    figure("wake_join", "ns", "wake and join a parked virtual thread, of 1,000,000", 150),
    figure("coroutine_wake_join", "ns", "wake and join a parked coroutine, of 1,000,000"),
    figure("sleepers_p99_ms", "ms", "1,000,000 virtual threads sleep 1 s: lateness, p99", 5),
    figure("sleepers_wall_s", "s", "1,000,000 virtual threads sleep 1 s: the whole", 1.5),
    figure("coroutine_sleepers_p99_ms", "ms", "1,000,000 coroutines sleep 1 s: lateness, p99"),
    figure("coroutine_sleepers_wall_s", "s", "1,000,000 coroutines sleep 1 s: the whole"),
    figure("channel_ping_pong_1", "ns", "a value there and back between virtual threads, one seat", 70),
    figure("channel_ping_pong_2", "ns", "the same, two seats", 140),
    figure("coroutine_channel_ping_pong_1", "ns", "a value there and back between coroutines, one seat", 55),
    figure("channel_10x10_1", "ns", "ten senders, ten receivers, room for 128: a value, one seat", 13),
    figure("channel_10x10_2", "ns", "the same, two seats", 25),
    figure("select_2", "ns", "send, and select over two channels", 60),
    figure("select_1000", "us", "send, and select over 1,000 channels", 5),
    figure("mutex_uncontended", "ns", "lock and unlock a mutex that nobody else wants", 4),
    figure("mutex_contended_1", "ns", "1,000 virtual threads that yield inside one mutex: a section, one seat", 80),
    figure("mutex_contended_2", "ns", "the same, two seats", 200),
    figure("mutex_os_threads", "ns", "two plain OS threads and one mutex: a section"),
    figure("wait_allocations", "", "allocations of a wait", 0),
    figure("skynet_1m_ms", "ms", "skynet, 1,000,000 leaves, virtual threads and channels, two seats", 220),
    figure("coroutine_skynet_1m_ms", "ms", "skynet, 1,000,000 leaves, coroutines and channels, two seats"),
    figure("fib_38_ms", "ms", "fib(38), a fork a call, two threads"),
    figure("skynet_100m_ms", "ms", "skynet, 100,000,000 leaves, fork-join, two threads"),
    figure("nqueens_14_ms", "ms", "14 queens, a fork a placement, two threads"),
    figure("matmul_1024_ms", "ms", "1024 x 1024 matrices of floats, by quarters, two threads"),
    figure("uts_ms", "ms", "unbalanced tree search, two threads"),
    figure("integrate_ms", "ms", "adaptive integration, two threads"),
    figure("sort_10m_ms", "ms", "parallel_sort, 10,000,000 integers, two threads"),
    figure("stable_sort_10m_ms", "ms", "parallel_stable_sort, 10,000,000 integers, two threads"),
    figure("reduce_20m_ms", "ms", "parallel_reduce, 20,000,000 doubles, two threads"),
    figure("mandelbrot_ms", "ms", "the Mandelbrot set, 1500 x 1500, two threads"),
    *[figure(f"{name}_mib", "MiB", f"{name}: the peak of the process's memory")
      for name in ("fib_38", "skynet_100m", "nqueens_14", "matmul_1024", "uts", "integrate", "sort_10m",
                   "stable_sort_10m", "reduce_20m", "mandelbrot")],
    figure("fork_ns", "ns", "a fork and a call of fib, one carrier"),
    figure("mixed_inline_p99_ms", "ms", "64 clients of a route that waits 10 ms, while 4 clients burn 20 ms of CPU a "
           "request: p99 of the first", 18),
    figure("mixed_inline_waits", "/s", "the same: requests of the first", 4800, more_is_better=True),
    figure("mixed_inline_burns", "/s", "the same: requests of the second", 90, more_is_better=True),
    figure("mixed_compute_p99_ms", "ms", "the same, burning by compute(): p99 of those that wait", 14),
    figure("mixed_compute_waits", "/s", "the same: requests of the first", more_is_better=True),
    figure("mixed_compute_burns", "/s", "the same: requests of the second", 92, more_is_better=True),
    figure("hello_64", "/s", "GET /hello on one core, 64 connections", more_is_better=True),
    figure("hello_1000", "/s", "GET /hello on one core, 1,000 connections", more_is_better=True),
    figure("hello_epoll_64", "/s", "the same on epoll, 64 connections", more_is_better=True),
    figure("hello_epoll_1000", "/s", "the same on epoll, 1,000 connections", more_is_better=True),
    figure("gallery_hello_64", "/s", "the same by the gallery, its log and figures on, 64 connections",
           more_is_better=True),
    figure("gallery_hello_1000", "/s", "the same by the gallery, 1,000 connections", more_is_better=True),
    figure("list_under_uploads_p99_ms", "ms", "GET /photos while 4 clients upload 12-megapixel photos: p99"),
    figure("list_under_uploads_rate", "/s", "the same: uploads", more_is_better=True),
]}
