"""Starts the gallery and its moderator for a test, on ports that the system chooses, and stops them by process id.

Each test file ends with run_tests(), which takes --gallery and --moderator, the programs, --failing-memory, a library
to load before them, and --model, what the gallery's requests run on; everything else is unittest's.
"""

import argparse
import ctypes
import dataclasses
import functools
import http.client
import http.server
import json
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

# For whatever is sure to come. A test that waits this long has failed; none needs it to pass.
PATIENCE_S = 120

programs = argparse.Namespace(gallery=None, moderator=None, failing_memory=None, model="virtual")


def run_tests():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gallery", required=True)
    parser.add_argument("--moderator", required=True)
    parser.add_argument("--failing-memory")
    parser.add_argument("--model", default="virtual")
    _, rest = parser.parse_known_args(namespace=programs)
    ended = unittest.main(module="__main__", argv=[sys.argv[0], "-v", *rest], exit=False)
    sys.exit(0 if ended.result.wasSuccessful() and ended.result.testsRun > 0 else 1)


def _die_with_parent(also):
    """In a new process: it ends when the test does, however that ends."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if also:
        also()


def start_process(command, *, before=None, **options):
    """`before` is called in the new process: to set its limits."""
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(command, preexec_fn=functools.partial(_die_with_parent, before), **options)


def run(command, **options):
    """Runs a program that ends by itself. Returns its exit code and what it wrote to stderr."""
    command = [str(word) for word in command]
    process = start_process(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)
    try:
        errors = process.communicate(timeout=PATIENCE_S)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError(f"{command} does not end") from None
    return process.returncode, errors.decode()


class EndedEarly(AssertionError):
    """A service has ended instead of saying its URL."""

    def __init__(self, command, code, errors):
        super().__init__(f"{command} ended with {code}: {errors}")
        self.code, self.errors = code, errors


class Program:
    """A service that says its URL once it can be reached."""

    def __init__(self, command, *, before=None):
        self._errors = tempfile.TemporaryFile()
        self.command = [str(word) for word in command]
        self.process = start_process(self.command, before=before, stdout=subprocess.PIPE, stderr=self._errors)
        try:
            self.url = self._await_url()
        except BaseException:
            self.kill()
            raise
        self.host, port = self.url.removeprefix("http://").rsplit(":", 1)
        self.port = int(port)

    def _await_url(self):
        said = b""
        while not (found := re.search(rb"http://[\w.:\[\]]+:\d+\b(?=.*\n)", said)):
            if not select.select([self.process.stdout], [], [], PATIENCE_S)[0]:
                raise AssertionError(f"{self.command} says no URL: {said!r}, {self.errors()!r}")
            more = self.process.stdout.read1()
            if not more:
                raise EndedEarly(self.command, self.process.wait(), self.errors())
            said += more
        return found[0].decode()

    @property
    def pid(self):
        return self.process.pid

    def errors(self):
        """What it wrote to stderr until now."""
        if not self._errors.closed:
            self._errors.seek(0)
            self._said = self._errors.read().decode()
        return self._said

    def stop(self):
        """Asks it to end, and says with which code it did."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            self.kill()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.errors()
        self._errors.close()


@dataclasses.dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self):
        return json.loads(self.body)

    @property
    def error_code(self):
        return self.json()["error"]["code"]


class Gallery(Program):
    """The gallery, and what one asks it."""

    def __init__(self, folder, moderator_url, *options, before=None, prefix=()):
        # Patient enough for any machine, sanitizers included, where patience is not what is tested.
        for patience in ("--client-patience-ms", "--moderator-patience-ms"):
            if patience not in options:
                options = (*options, patience, PATIENCE_S * 1000)
        super().__init__([*prefix, programs.gallery, "--port", "0", "--data", folder, "--moderator", moderator_url,
                          "--model", programs.model, *options], before=before)
        self.folder = Path(folder)

    def connect(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_S)

    def request(self, method, target, body=None, headers=None):
        """One request on a connection of its own."""
        connection = self.connect()
        try:
            try:
                connection.request(method, target, body, headers or {})
            except (BrokenPipeError, ConnectionResetError):
                pass  # answered before all of it was sent
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, target, headers=None):
        return self.request("GET", target, headers=headers)

    def upload(self, photo, headers=None):
        return self.request("POST", "/photos", photo, headers)

    def delete(self, target, headers=None):
        return self.request("DELETE", target, headers=headers)

    def stats(self):
        return self.get("/stats").json()

    def list(self, limit=100):
        """All photos, newest first, page by page."""
        photos, cursor = [], None
        while True:
            answer = self.get(f"/photos?limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
            if answer.status != 200:
                raise AssertionError(f"{answer.status}: {answer.body!r}")
            page = answer.json()
            photos += page["photos"]
            cursor = page["next_cursor"]
            if cursor is None:
                return photos

    def stored_files(self):
        """The names of all files in the photos' folders."""
        return {path.name for path in (self.folder / "photos").rglob("*") if path.is_file()}


def files_of(photos):
    """The names of the files that these photos are kept in."""
    return {f"{photo['id']}.{part}" for photo in photos for part in ("original", "1024", "256")}


class ServicesTest(unittest.TestCase):
    """Programs that a test, or all tests of a class, start; they are stopped at its end, and each must end well."""

    @classmethod
    def for_class(cls, start):
        program = start()
        cls.addClassCleanup(cls._end, program)
        return program

    def for_test(self, start):
        program = start()
        self.addCleanup(self._end, program)
        return program

    @staticmethod
    def _end(program):
        if program.process.poll() is not None:  # the test ended it
            program.kill()
            return
        if code := program.stop():
            raise AssertionError(f"{program.command} ended with {code}: {program.errors()}")

    def assert_refused(self, answer, status, code):
        """The status, and JSON that says what is wrong in a word and what to do in a sentence."""
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (status, "application/json"), answer.body)
        problem = answer.json()["error"]
        self.assertEqual(problem["code"], code, problem)
        self.assertRegex(problem["message"], r"^.{20,}$")

    @classmethod
    def folder_for_class(cls):
        folder = Path(tempfile.mkdtemp(prefix="weft-end-to-end-"))
        cls.addClassCleanup(shutil.rmtree, folder)
        return folder

    def folder_for_test(self):
        folder = Path(tempfile.mkdtemp(prefix="weft-end-to-end-"))
        self.addCleanup(shutil.rmtree, folder)
        return folder


def start_moderator(delay_ms=0, port=0):
    return Program([programs.moderator, "--port", port, "--delay-ms", delay_ms])


class ScriptedModerator:
    """A moderator that answers as the test wants. `answer` gets the handler of each question; a thread each."""

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                answer(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # the gallery hung up

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.socket.close()


def send_verdict(handler, verdict=b'{"verdict":"ok"}', status=200):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(verdict)))
    handler.end_headers()
    handler.wfile.write(verdict)


class HeldModerator(ScriptedModerator):
    """A moderator that answers no question before release()."""

    def __init__(self):
        self._asked = threading.Semaphore(0)
        self._released = threading.Event()
        super().__init__(self._hold)

    def _hold(self, handler):
        self._asked.release()
        self._released.wait()
        send_verdict(handler)

    def await_question(self):
        if not self._asked.acquire(timeout=PATIENCE_S):
            raise AssertionError("the moderator was not asked")

    def release(self):
        self._released.set()

    def close(self):
        self.release()
        super().close()


def resident_peak_kb(pid):
    """The most memory that a process has had at any time, in kilobytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)[1])


def _tcp_sockets(program):
    """(own port, other port, whether it is somebody's) of what is known in a program's network."""
    for line in Path(f"/proc/{program.pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        own, other = (int(end.rsplit(":", 1)[1], 16) for end in fields[1:3])
        yield own, other, fields[9] != "0"


def holds(program, connection):
    """Whether a program has its end of a connection that it accepted open."""
    return (program.port, connection.getsockname()[1], True) in _tcp_sockets(program)


def connections(program):
    """How many connections a program has accepted and not closed."""
    return sum(own == program.port and other != 0 and is_held for own, other, is_held in _tcp_sockets(program))


def cpu_ticks(pid):
    """How much a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def is_sanitized():
    return any(sign in _gallery_program() for sign in (b"__asan_init", b"__tsan_init"))


def has_undefined_behaviour_sanitizer():
    return b"__ubsan_handle" in _gallery_program()


@functools.lru_cache
def _gallery_program():
    return Path(programs.gallery).read_bytes()
