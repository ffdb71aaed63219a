#!/usr/bin/env python3
"""kill -9 in the middle of 200 concurrent uploads: what was answered 201 is there whole, nothing is there by half."""

import hashlib
import http.client
import os
import random
import sqlite3
import subprocess
import sys
import threading

import drawn_photos
import services

UPLOADS = 200
# After which of the 201s the gallery is killed, one crash after the other in the same folder.
KILLED_AFTER = (1, 60, 130)
# How often a gallery is ended under uploads while others compute, and with how many uploads each time.
ENDS = 20
UPLOADS_PER_END = 16


class Storm:
    """Clients that upload a photo each, all at once. The one with the n-th answer kills the gallery, or ends it."""

    def __init__(self, gallery, photos, killed_after=None, end=lambda process: process.kill()):
        self.end = end
        self.gallery = gallery
        self.photos = photos
        self.killed_after = killed_after
        self.lock = threading.Lock()
        self.answers = {}  # by the photo's number
        self.ready = threading.Barrier(len(photos))

    def run(self):
        clients = [threading.Thread(target=self.upload, args=(number,)) for number in range(len(self.photos))]
        for client in clients:
            client.start()
        for client in clients:
            client.join()

    def upload(self, number):
        connection = self.gallery.connect()
        try:
            connection.connect()
            self.ready.wait(services.PATIENCE_S)
            connection.request("POST", "/photos", self.photos[number].contents)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            return  # killed meanwhile
        finally:
            connection.close()
        with self.lock:
            self.answers[number] = services.Answer(response.status, response.headers, body)
            if len(self.answers) == self.killed_after:
                self.end(self.gallery.process)


class Photo:
    """A drawing like no other, whose thumbnails differ from all others' by their size too."""

    def __init__(self, number):
        self.width, self.height = 1100 + number % 7, 100 + number
        draw = drawn_photos.png if number % 4 == 0 else drawn_photos.jpeg
        self.contents = draw(self.width, self.height, number)
        self.sha256 = hashlib.sha256(self.contents).hexdigest()


class CrashTest(services.ServicesTest):
    def setUp(self):
        self.folder = self.folder_for_test()
        self.moderator = self.for_test(lambda: services.start_moderator(delay_ms=20))

    def start_gallery(self):
        return self.for_test(lambda: services.Gallery(self.folder / "data", self.moderator.url,
                                                      "--uploads-at-once", UPLOADS))

    def test_what_was_answered_201_survives_kill_9_and_nothing_is_there_by_half(self):
        photos = [Photo(number) for number in range(UPLOADS * len(KILLED_AFTER))]
        self.by_sha256 = {photo.sha256: photo for photo in photos}
        kept, tried = set(), set()
        for crash, killed_after in enumerate(KILLED_AFTER):
            batch = photos[crash * UPLOADS:(crash + 1) * UPLOADS]
            storm = Storm(self.start_gallery(), batch, killed_after)
            storm.run()
            self.assertEqual(storm.gallery.process.wait(services.PATIENCE_S), -9)
            self.assertEqual({answer.status for answer in storm.answers.values()}, {201})
            kept |= {answer.json()["sha256"] for answer in storm.answers.values()}
            tried |= {photo.sha256 for photo in batch}
            print(f"killed after {killed_after} answers: {len(storm.answers)} of {UPLOADS} uploads were answered")

            there = self.check_all_that_is_there(kept, tried)
            kept = {photo["sha256"] for photo in there}

        # Whoever had no answer tries again; then all of them are there.
        gallery = self.start_gallery()
        storm = Storm(gallery, [photo for photo in photos if photo.sha256 not in kept])
        storm.run()
        self.assertEqual([answer.status for answer in storm.answers.values()], [201] * len(storm.photos))
        self.assertEqual({photo["sha256"] for photo in gallery.list()}, tried)

    def test_twenty_ends_on_io_uring_beside_others_that_compute_lose_nothing(self):
        seed = int(os.environ.get("WEFT_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
        print(f"WEFT_TEST_SEED={seed}")
        chance = random.Random(seed)
        photos = [Photo(number) for number in range(ENDS * UPLOADS_PER_END)]
        self.by_sha256 = {photo.sha256: photo for photo in photos}
        for _ in range(os.cpu_count() or 1):
            other = services.start_process([sys.executable, "-c", "while True: pass"], stdout=subprocess.DEVNULL)
            self.addCleanup(other.wait)
            self.addCleanup(other.kill)
        kept = {}  # what was answered 201, and as what
        for end in range(ENDS):
            gallery = self.for_test(lambda: services.Gallery(
                self.folder / "data", self.moderator.url, "--uploads-at-once", UPLOADS_PER_END,
                prefix=["env", "WEFT_REACTOR=io_uring"]))
            self.assertNotIn("set aside", gallery.errors())
            self.assertLessEqual(set(kept), {photo["sha256"] for photo in gallery.list()})
            # Every fourth is asked to end: then all that had begun is answered.
            asked = end % 4 == 3
            batch = photos[end * UPLOADS_PER_END:(end + 1) * UPLOADS_PER_END]
            storm = Storm(gallery, batch, chance.randrange(1, UPLOADS_PER_END // 2),
                          (lambda process: process.terminate()) if asked else (lambda process: process.kill()))
            storm.run()
            self.assertEqual(gallery.process.wait(services.PATIENCE_S), 0 if asked else -9, gallery.errors())
            for answer in storm.answers.values():
                if answer.status == 201:
                    kept[answer.json()["sha256"]] = answer.json()
                else:
                    self.assertTrue(asked and answer.status == 503, answer)
        gallery = self.start_gallery()
        listed = {photo["sha256"]: photo for photo in gallery.list()}
        self.assertLessEqual(set(kept), set(listed))
        for sha256, photo in kept.items():
            self.assertEqual(listed[sha256], photo)
        for photo in listed.values():
            self.check_whole(gallery, photo)
        self.assertEqual(gallery.stored_files(), services.files_of(listed.values()))

    def check_all_that_is_there(self, kept, tried):
        """Starts the gallery on what the crash left. Returns the photos that are there."""
        gallery = self.start_gallery()
        print(gallery.errors().strip() or "the crash left no file behind")
        self.assertNotIn("set aside", gallery.errors())
        listed = gallery.list()
        hashes = [photo["sha256"] for photo in listed]
        self.assertEqual(len(set(hashes)), len(hashes), "a photo is there twice")
        self.assertLessEqual(kept, set(hashes), "a photo that was answered 201 is gone")
        self.assertLessEqual(set(hashes), tried, "there is a photo that nobody sent")
        for photo in listed:
            self.check_whole(gallery, photo)
        self.assertEqual(gallery.stored_files(), services.files_of(listed), "files without photos, or photos without")
        self.assertNotIn("have lost files", gallery.errors())
        self.assertEqual(gallery.stop(), 0)

        database = sqlite3.connect(f"file:{self.folder}/data/catalogue.sqlite?mode=ro", uri=True)
        try:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            rows = {row[0] for row in database.execute("SELECT sha256 FROM photos")}
        finally:
            database.close()
        self.assertEqual(rows, set(hashes))
        return listed

    def check_whole(self, gallery, photo):
        drawn = self.by_sha256[photo["sha256"]]
        original = gallery.get(photo["links"]["original"])
        self.assertEqual((original.status, original.body == drawn.contents), (200, True), photo)
        for longest in (256, 1024):
            thumbnail = gallery.get(photo["links"][f"thumbnail_{longest}"])
            self.assertEqual(thumbnail.status, 200, photo)
            self.assertEqual(drawn_photos.jpeg_size(thumbnail.body),
                             drawn_photos.fit(drawn.width, drawn.height, longest))


if __name__ == "__main__":
    services.run_tests()
