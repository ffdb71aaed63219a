"""What the machine is on which was measured."""

import glob
import os
import platform
import re
import shutil
import subprocess
import time


def field(path, pattern, otherwise=""):
    try:
        with open(path, encoding="utf-8") as file:
            found = re.search(pattern, file.read(), re.MULTILINE)
    except OSError:
        return otherwise
    return found[1].strip() if found else otherwise


def first_line_of(*command):
    if not shutil.which(command[0]):
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout.splitlines() or [""])[0]


def version_of_crate(name):
    """Of the crate that Debian installed."""
    found = sorted(glob.glob(f"/usr/share/cargo/registry/{name}-[0-9]*"))
    return found[-1].rsplit("-", 1)[1] if found else ""


def describe(build):
    cache = build / "CMakeCache.txt"
    memory_kb = int(field("/proc/meminfo", r"^MemTotal:\s+(\d+)", "0"))
    machine = {
        "cpu": field("/proc/cpuinfo", r"^model name\s*:\s*(.+)", platform.processor() or platform.machine()),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "virtual": bool(field("/proc/cpuinfo", r"^flags\s*:.*\b(hypervisor)\b")),
        "memory_gb": round(memory_kb / 1024 / 1024),
        "kernel": f"{platform.system()} {platform.release()}",
        "compiler": first_line_of(field(cache, r"^CMAKE_CXX_COMPILER:\w+=(.+)", "c++"), "--version"),
        "build_type": field(cache, r"^CMAKE_BUILD_TYPE:\w+=(.+)"),
        "go": first_line_of("go", "version"),
        "rust": first_line_of("rustc", "--version"),
        "tokio": version_of_crate("tokio"),
    }
    return {key: value for key, value in machine.items() if value != ""}


def busy_share(seconds=1.0):
    """What share of the machine others use: of the time of all cores, what was not idle while this waited."""
    def times():
        all_of_them = [int(value) for value in field("/proc/stat", r"^cpu\s+([\d ]+)", "0 0 0 0 0").split()]
        return sum(all_of_them), all_of_them[3] + all_of_them[4]  # idle, and waiting for a disk

    all_before, idle_before = times()
    time.sleep(seconds)
    all_after, idle_after = times()
    passed = all_after - all_before
    return 1 - (idle_after - idle_before) / passed if passed else 0.0


def in_words(machine):
    kind = "virtual machine" if machine.get("virtual") else "machine"
    words = [f"{machine.get('cpu', 'unknown processor')}, {machine.get('cores', '?')} cores "
             f"({kind}, {machine.get('memory_gb', '?')} GB), {machine.get('kernel', '')}"]
    words += [machine[key] for key in ("compiler", "go", "rust") if key in machine]
    if "tokio" in machine:
        words.append(f"tokio {machine['tokio']}")
    return "; ".join(words)
