#!/usr/bin/env python3
"""Allocations and mappings fail at random: requests fail, nothing that was acknowledged is lost, and the gallery goes
on."""

import http.client
import struct
import threading

import drawn_photos
import services

CLIENTS = 8
ROUNDS = 25
# One in so many fails: so many that few requests are served, and so few that most are.
ODDS = (500, 3000)


class FailingMemoryTest(services.ServicesTest):
    def setUp(self):
        if services.is_sanitized():
            self.skipTest("sanitizers allocate themselves, and end the program when that fails")
        self.folder = self.folder_for_test()
        self.switch = self.folder / "switch"
        self.let_fail(0)
        self.moderator = self.for_test(services.start_moderator)
        self.lock = threading.Lock()
        self.kept = {}  # the photos that were acknowledged, by where their originals are
        self.statuses = {}

    def let_fail(self, odds):
        # In place: the gallery has the file mapped.
        with open(self.switch, "r+b" if self.switch.exists() else "wb") as file:
            file.write(struct.pack("=Q", odds))

    def start(self, reactor):
        return self.for_test(lambda: services.Gallery(
            self.folder / "data", self.moderator.url,
            prefix=["env", f"WEFT_REACTOR={reactor}", f"WEFT_TEST_FAILURES={self.switch}",
                    f"LD_PRELOAD={services.programs.failing_memory}"]))

    def ask(self, gallery, method, target, body=None):
        """The answer, or nothing where the connection was closed without one."""
        try:
            answer = gallery.request(method, target, body)
        except (OSError, http.client.HTTPException):
            answer = None
        with self.lock:
            status = answer.status if answer else 0
            self.statuses[status] = self.statuses.get(status, 0) + 1
        return answer

    def client(self, gallery, number):
        for turn in range(ROUNDS):
            photo = (drawn_photos.jpeg if turn % 2 else drawn_photos.png)(
                300 + number, 40 + turn, f"{number} {turn} {len(self.statuses)}")
            added = self.ask(gallery, "POST", "/photos", photo)
            if added and added.status in (200, 201) and self.is_whole(added):
                with self.lock:
                    self.kept[added.json()["links"]["original"]] = photo
                self.ask(gallery, "GET", added.json()["links"]["original"])
                self.ask(gallery, "GET", added.json()["links"]["thumbnail_256"])
            self.ask(gallery, "GET", "/photos?limit=20")
            self.ask(gallery, "GET", "/health")
            self.ask(gallery, "GET", "/nothing/here")

    @staticmethod
    def is_whole(answer):
        try:
            return "links" in answer.json()
        except ValueError:
            return False

    def check(self, gallery):
        """All that was acknowledged is there, and what is there is whole."""
        listed = {photo["links"]["original"]: photo for photo in gallery.list()}
        self.assertLessEqual(set(self.kept), set(listed))
        for path, photo in self.kept.items():
            self.assertEqual(gallery.get(path).body, photo)
        for photo in listed.values():
            for link in ("original", "thumbnail_256", "thumbnail_1024"):
                self.assertEqual(gallery.get(photo["links"][link]).status, 200, gallery.errors())

    def check_goes_on(self, reactor):
        for odds in ODDS:
            with self.subTest(odds=odds):
                gallery = self.start(reactor)
                try:
                    self.check_under(odds, reactor, gallery)
                finally:
                    gallery.kill()
                again = self.start(reactor)
                self.check(again)
                self.assertEqual(again.stop(), 0, again.errors())

    def check_under(self, odds, reactor, gallery):
        self.statuses = {}
        self.let_fail(odds)
        clients = [threading.Thread(target=self.client, args=(gallery, number)) for number in range(CLIENTS)]
        for each in clients:
            each.start()
        for each in clients:
            each.join()
        self.let_fail(0)
        print(f"{reactor}, one in {odds} fails: {dict(sorted(self.statuses.items()))}")
        self.assertIsNone(gallery.process.poll(), gallery.errors())
        self.assertLessEqual(set(self.statuses), {0, 200, 201, 404, 500, 503})
        self.assertEqual(gallery.get("/health").status, 200, gallery.errors())
        photo = drawn_photos.png(50, 50, f"afterwards {odds}")
        self.assertEqual(gallery.upload(photo).status, 201, gallery.errors())
        self.check(gallery)
        self.assertEqual(gallery.stop(), 0, gallery.errors())

    def test_on_epoll_a_request_fails_and_the_gallery_goes_on(self):
        self.check_goes_on("epoll")

    def test_on_io_uring_a_request_fails_and_the_gallery_goes_on(self):
        self.check_goes_on("io_uring")


if __name__ == "__main__":
    services.run_tests()
