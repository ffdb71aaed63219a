"""Servers under load: started, loaded by wrk, stopped. weft's and the peers' get the same load from the same client."""

import contextlib
import os
import pathlib
import re
import resource
import shutil
import subprocess
import tempfile

from .programs import failed, run

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def raise_descriptor_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextlib.contextmanager
def server(command, environment=None):
    """Starts a server that prints its address, http://host:port, and gives that."""
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          env={**os.environ, **(environment or {})}, preexec_fn=raise_descriptor_limit) as process:
        try:
            for line in process.stdout:
                if address := re.search(r"http://[^\s/]+:\d+", line):
                    break
            else:
                raise failed(f"{pathlib.Path(command[0]).name} did not start")
            yield address[0]
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def start_wrk(url, connections, seconds, prefix=()):
    if not shutil.which("wrk"):
        raise failed("wrk is not installed (wrk)")
    command = [*prefix, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency", url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=raise_descriptor_limit)


def read_wrk(text):
    """(requests a second, p99 in ms) of what wrk printed."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    p99 = re.search(r"^\s+99%\s+([\d.]+)(us|ms|s|m)$", text, re.MULTILINE)
    if not rate or not p99:
        raise failed("wrk had no answer")
    if wrong := re.search(r"Socket errors.*|Non-2xx.*", text):
        raise failed(wrong[0])
    return float(rate[1]), float(p99[1]) * SECONDS[p99[2]] * 1000


def result_of(wrk):
    text, _ = wrk.communicate()
    return read_wrk(text)


def mixed(name, command, seconds=6):
    with server(command) as address:
        burning = start_wrk(f"{address}/burn", 4, seconds)
        waiting = start_wrk(f"{address}/wait", 64, seconds)
        waits, p99 = result_of(waiting)
        burns, _ = result_of(burning)
    return {f"{name}_p99_ms": p99, f"{name}_waits": waits, f"{name}_burns": burns}


def rounds_of_20_ms(mixed_server):
    return run([mixed_server, "--calibrate"]).strip()


def hello(command, *names, environment=None, seconds=4):
    """GET /hello, the server on core 0 and wrk on core 1. Each of `names` gives the figures name_64 and name_1000."""
    figures = {}
    with server(["taskset", "-c", "0", *command], environment) as address:
        for connections in 64, 1000:
            rate, _ = result_of(start_wrk(f"{address}/hello", connections, seconds, ("taskset", "-c", "1")))
            figures.update({f"{name}_{connections}": rate for name in names})
    return figures


def gallery_hello(gallery):
    with tempfile.TemporaryDirectory() as folder:
        return hello([gallery, "--port", "0", "--data", folder], "gallery_hello")
