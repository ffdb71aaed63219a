#!/usr/bin/env python3
"""`make run` is ended by a signal, to make alone, to its process group or to the script: nothing of it goes on."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import unittest
from pathlib import Path

import services

ROOT = Path(__file__).resolve().parents[2]


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def descendants(ancestor):
    """{process id: name} of all that a process has started, and those again."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        pid = int(path.name)
        try:
            name, at = (path / "comm").read_text().strip(), pid
            while at > 1 and at != ancestor:
                at = parent_of(at)
        except (OSError, IndexError):
            continue  # ended meanwhile
        if at == ancestor and pid != ancestor:
            found[pid] = name
    return found


class RunScriptTest(services.ServicesTest):
    def start(self):
        """make, which runs the script, once both services can be reached; and what says when it has closed its pipe,
        which all its descendants have."""
        data = self.folder_for_test() / "data"
        port, moderator_port = free_ports(2)
        build = Path(services.programs.gallery).resolve().parents[2]
        environment = {**os.environ, "BUILD": str(build), "DATA": str(data), "MODERATOR_PORT": str(moderator_port)}
        for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
            environment.pop(name, None)
        make = services.start_process(["make", "-C", ROOT, "--no-print-directory", "run-built", f"PORT={port}"],
                                      env=environment, start_new_session=True, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT)
        self.addCleanup(make.stdout.close)
        said = []
        while not any(b"photos are in" in line for line in said):
            line = make.stdout.readline()
            self.assertTrue(line, said)
            said.append(line)
        return make, said

    def find(self, make, name):
        found = [pid for pid, each in descendants(make.pid).items() if each == name]
        self.assertEqual(len(found), 1, name)
        return found[0]

    def check_ends(self, make, said, script, services_pids):
        """All of it, by itself, and the gallery in good order."""
        def give_up():
            for pid in (*descendants(make.pid), script, *services_pids):
                if pid and Path(f"/proc/{pid}").exists():
                    os.kill(pid, signal.SIGKILL)

        watchdog = threading.Timer(services.PATIENCE_S, give_up)
        watchdog.start()
        try:
            said += make.stdout.readlines()  # up to when nobody has the pipe any more
            make.wait(services.PATIENCE_S)
        finally:
            watchdog.cancel()
        self.assertIn(b"gallery: stopped\n", said)
        for pid in (script, *services_pids):
            self.assertFalse(pid and Path(f"/proc/{pid}").exists())

    @unittest.skipUnless(shutil.which("make"), "no make")
    def test_a_signal_ends_all_of_it(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            for whom in ("make", "group", "script"):
                with self.subTest(signal=number.name, to=whom):
                    make, said = self.start()
                    pids = [self.find(make, "gallery"), self.find(make, "moderator")]
                    script = parent_of(pids[0]) if whom == "script" else 0
                    if whom == "group":
                        os.killpg(make.pid, number)
                    else:
                        os.kill(script or make.pid, number)
                    self.check_ends(make, said, script, pids)

    @unittest.skipUnless(shutil.which("make"), "no make")
    def test_the_end_of_make_without_a_word_ends_all_of_it(self):
        make, said = self.start()
        pids = [self.find(make, "gallery"), self.find(make, "moderator")]
        make.kill()
        self.check_ends(make, said, 0, pids)


if __name__ == "__main__":
    services.run_tests()
