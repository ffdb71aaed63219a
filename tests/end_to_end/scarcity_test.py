#!/usr/bin/env python3
"""The disk is full, or there are no file descriptors left: uploads are refused and leave nothing behind, what is there
stays there, nothing spins, and all is well again as soon as there is room."""

import os
import resource
import subprocess
import time
from pathlib import Path

import drawn_photos
import raw_http
import services


class FullDiskTest(services.ServicesTest):
    def setUp(self):
        self.moderator = self.for_test(services.start_moderator)

    def assert_full(self, answer):
        self.assert_refused(answer, 507, "disk_full")

    def check_consistent(self, gallery, kept):
        """All that was kept is there whole, and nothing else. Returns what is listed."""
        listed = gallery.list()
        self.assertEqual({photo["sha256"] for photo in listed}, {photo["sha256"] for photo in kept})
        self.assertEqual(gallery.stored_files(), services.files_of(listed))
        for photo in listed:
            self.assertEqual(len(gallery.get(photo["links"]["original"]).body), photo["bytes"])
            self.assertEqual(gallery.get(photo["links"]["thumbnail_256"]).status, 200)
        self.assertEqual(gallery.get("/health").status, 200)
        return listed

    def upload_until_full(self, gallery, draw, most):
        """Returns the photos that were kept before one was not."""
        kept = []
        for number in range(most):
            answer = gallery.upload(draw(number))
            if answer.status != 201:
                self.assert_full(answer)
                return kept
            kept.append(answer.json())
        self.fail(f"there was room for {most} photos")

    def test_files_that_may_grow_no_further_are_a_full_disk(self):
        limit = 2 << 20
        folder = self.folder_for_test() / "data"
        gallery = self.for_test(lambda: services.Gallery(
            folder, self.moderator.url, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))))
        self.assert_full(gallery.upload(drawn_photos.noise_png(1000, 1000)))
        self.check_consistent(gallery, [])
        # Beyond what the database's log may grow to.
        kept = []
        for number in range(160):
            answer = gallery.upload(drawn_photos.png(9, 9, number))
            self.assertEqual(answer.status, 201, answer.body)
            kept.append(answer.json())
        self.check_consistent(gallery, kept)

    def small_disk(self, folder):
        """Mounts a disk of 4 MB for the programs that are started with the prefix that this returns."""
        folder.mkdir()
        holder = services.start_process(
            ["unshare", "--map-root-user", "--mount", "sh", "-c",
             'mount -t tmpfs -o size=4m none "$0" && echo mounted && exec cat', folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(holder.communicate)
        if holder.stdout.readline() != b"mounted\n":
            self.skipTest(f"nothing can be mounted here: {holder.stderr.read().decode().strip()}")
        prefix = ["nsenter", "--target", str(holder.pid), "--user", "--mount", "--preserve-credentials", "--"]
        return prefix, Path(f"/proc/{holder.pid}/root{folder}")

    def fill(self, file):
        """To the last byte."""
        with open(file, "ab", buffering=0) as others:
            with self.assertRaises(OSError):
                while others.write(bytes(4096)):
                    pass

    def test_on_a_full_disk_all_stays_well_and_photos_can_be_deleted(self):
        disk = self.folder_for_test() / "disk"
        prefix, seen_from_here = self.small_disk(disk)
        others = seen_from_here / "others"

        def start():
            gallery = services.Gallery(disk / "data", self.moderator.url, prefix=prefix)
            gallery.folder = seen_from_here / "data"
            return gallery

        def delete_oldest():
            self.assertEqual(gallery.delete(kept.pop(0)["links"]["self"]).status, 204)
            self.check_consistent(gallery, kept)

        gallery = self.for_test(start)
        kept = [gallery.upload(drawn_photos.png(9, 9, number)).json() for number in range(40)]
        kept += self.upload_until_full(gallery, lambda number: drawn_photos.noise_png(200, 200, number), 100)
        self.assertGreater(len(kept), 45)
        self.check_consistent(gallery, kept)
        # Others take what is left, to the last byte.
        self.fill(others)
        self.assert_full(gallery.upload(drawn_photos.png(10, 10)))
        self.check_consistent(gallery, kept)
        delete_oldest()

        # A start with all that it wants to hold back, and then one on a disk that is full again.
        self.assertEqual(gallery.stop(), 0)
        others.unlink()
        self.assertEqual(self.for_test(start).stop(), 0)
        self.fill(others)
        gallery = self.for_test(start)
        self.check_consistent(gallery, kept)
        self.assert_full(gallery.upload(drawn_photos.png(10, 10)))
        delete_oldest()

        # Not even that is left.
        self.assertEqual(gallery.stop(), 0)
        self.fill(others)
        self.assertEqual(services.run([*prefix, services.programs.gallery, "--port", "0", "--data", disk / "data"]),
                         (1, f"gallery: cannot open the database {disk}/data/catalogue.sqlite: the disk is full\n"))
        others.unlink()
        gallery = self.for_test(start)
        self.check_consistent(gallery, kept)
        kept.append(gallery.upload(drawn_photos.png(10, 10)).json())
        self.check_consistent(gallery, kept)


class UnwritableDiskTest(services.ServicesTest):
    def test_a_disk_that_takes_nothing_is_told_and_shows_in_the_health(self):
        moderator = self.for_test(services.start_moderator)
        data = self.folder_for_test() / "data"
        # As who may not write what does not belong to it; a root with all its rights may write anywhere.
        prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
        gallery = self.for_test(lambda: services.Gallery(data, moderator.url, prefix=prefix))
        kept = gallery.upload(drawn_photos.png(9, 9, 1)).json()
        self.assertEqual(gallery.get("/health").status, 200)
        folders = [data, data / "photos", *(data / "photos").iterdir()]
        for folder in folders:
            folder.chmod(0o500)
        try:
            self.assert_refused(gallery.get("/health"), 503, "unhealthy")
            self.assertIn("Permission denied", gallery.get("/health").json()["error"]["message"])
            self.assert_refused(gallery.upload(drawn_photos.png(9, 9, 2)), 500, "storing_failed")
            self.assertEqual(gallery.get(kept["links"]["original"]).status, 200)
            told = [line for line in gallery.errors().splitlines() if "Permission denied" in line]
            self.assertEqual(len(told), 1, gallery.errors())
        finally:
            for folder in folders:
                folder.chmod(0o700)
        self.assertEqual(gallery.get("/health").status, 200)
        self.assertIn("gallery: works again", gallery.errors())
        self.assertEqual(gallery.upload(drawn_photos.png(9, 9, 2)).status, 201)

    def test_a_disk_that_becomes_read_only_is_told_without_an_upload(self):
        moderator = self.for_test(services.start_moderator)
        disk = self.folder_for_test() / "disk"
        disk.mkdir()
        holder = services.start_process(
            ["unshare", "--map-root-user", "--mount", "sh", "-c",
             'mount -t tmpfs -o size=64m none "$0" && echo mounted && read -r _ && mount --bind "$0" "$0" && '
             'mount -o remount,bind,ro "$0" && echo read-only && exec cat', disk],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(holder.communicate)
        if holder.stdout.readline() != b"mounted\n":
            self.skipTest(f"nothing can be mounted here: {holder.stderr.read().decode().strip()}")
        prefix = ["nsenter", "--target", str(holder.pid), "--user", "--mount", "--preserve-credentials", "--"]
        gallery = self.for_test(lambda: services.Gallery(disk / "data", moderator.url, prefix=prefix))
        kept = gallery.upload(drawn_photos.png(9, 9, 1)).json()
        self.assertEqual(gallery.get("/health").status, 200)
        holder.stdin.write(b"\n")
        holder.stdin.flush()
        self.assertEqual(holder.stdout.readline(), b"read-only\n")
        answer = gallery.get("/health")
        self.assert_refused(answer, 503, "unhealthy")
        self.assertIn("Read-only file system", answer.json()["error"]["message"])
        self.assertIn("Read-only file system", gallery.errors())
        self.assert_refused(gallery.upload(drawn_photos.png(9, 9, 2)), 500, "storing_failed")
        self.assertEqual(gallery.get(kept["links"]["original"]).status, 200)
        self.assertEqual(gallery.errors().count("Read-only file system"), 1)


class NoDescriptorsTest(services.ServicesTest):
    def setUp(self):
        if services.has_undefined_behaviour_sanitizer():
            self.skipTest("UndefinedBehaviorSanitizer needs descriptors itself, and ends the program without")
        self.moderator = self.for_test(services.start_moderator)
        folder = self.folder_for_test() / "data"
        self.gallery = self.for_test(lambda: services.Gallery(folder, self.moderator.url))

    def limit_descriptors(self, free):
        """So many more than the gallery has now. Returns what puts the limit back."""
        in_use = {int(number) for number in os.listdir(f"/proc/{self.gallery.pid}/fd")}
        limit = 0
        while limit in in_use or free > 0:
            free -= limit not in in_use
            limit += 1
        before = resource.prlimit(self.gallery.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.gallery.pid, resource.RLIMIT_NOFILE, (limit, before[1]))
        return lambda: resource.prlimit(self.gallery.pid, resource.RLIMIT_NOFILE, before)

    def connect(self):
        connection = raw_http.connect(self.gallery)
        self.addCleanup(connection.close)
        return connection

    def await_error(self, text):
        while text not in self.gallery.errors():
            self.assertIsNone(self.gallery.process.poll())

    def test_connections_wait_until_there_are_descriptors_and_nothing_spins(self):
        self.limit_descriptors(10)
        connections = [self.connect() for _ in range(40)]
        for connection in connections:
            raw_http.send(connection, b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.await_error("cannot accept connections: Too many open files; trying again")

        # How much of the next second it computes: next to nothing, however loaded this machine is.
        ticks = services.cpu_ticks(self.gallery.pid)
        time.sleep(1)
        share = (services.cpu_ticks(self.gallery.pid) - ticks) / os.sysconf("SC_CLK_TCK")
        self.assertLess(share, 0.3)
        self.assertLess(len(self.gallery.errors().splitlines()), 50)

        # The first ten are served, and each that ends makes room for another one.
        for connection in connections:
            self.assertEqual(raw_http.read_answer(connection).body, b"Hello, weft\n")
            connection.close()
        self.assertEqual(self.gallery.get("/hello").status, 200)

    def test_requests_that_find_no_descriptors_are_refused_and_leave_nothing(self):
        connection = self.connect()

        def ask(method, target, body=b""):
            raw_http.send(connection, b"%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s"
                          % (method.encode(), target.encode(), len(body), body))
            return raw_http.read_answer(connection)

        self.assertEqual(ask("GET", "/hello").status, 200)
        photo, other = drawn_photos.png(9, 9, 1), drawn_photos.png(9, 9, 2)
        unlimit = self.limit_descriptors(0)
        self.assert_refused(ask("POST", "/photos", photo), 503, "moderator_unavailable")
        unlimit()
        kept = ask("POST", "/photos", photo)
        self.assertEqual(kept.status, 201)

        # Now there is a connection to the moderator: it is the files that cannot be opened.
        unlimit = self.limit_descriptors(0)
        self.assert_refused(ask("POST", "/photos", other), 503, "overloaded")
        self.assert_refused(ask("GET", kept.json()["links"]["original"]), 503, "overloaded")
        self.assertEqual(ask("GET", "/photos").json()["photos"], [kept.json()])
        unlimit()
        self.assertEqual(self.gallery.stored_files(), services.files_of([kept.json()]))
        self.assertEqual(ask("POST", "/photos", other).status, 201)
        self.assertEqual(ask("GET", kept.json()["links"]["original"]).body, photo)


if __name__ == "__main__":
    services.run_tests()
