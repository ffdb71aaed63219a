#!/usr/bin/env python3
"""What the gallery does with photos: the same under each of its models."""

import contextlib
import hashlib
import stat
import threading

import drawn_photos
import raw_http
import services

UNKNOWN_ID = "0" * 32


class PhotosTest(services.ServicesTest):
    @classmethod
    def setUpClass(cls):
        cls.moderator = cls.for_class(services.start_moderator)

    def setUp(self):
        self.gallery = self.for_test(lambda: services.Gallery(self.folder_for_test() / "data", self.moderator.url))

    def upload(self, photo):
        answer = self.gallery.upload(photo)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()

    # ---- One photo ----

    def test_a_jpeg_comes_back_byte_for_byte_and_with_thumbnails(self):
        self.check_photo(drawn_photos.jpeg(3000, 2000), "image/jpeg", 3000, 2000, {256: (256, 171), 1024: (1024, 683)})

    def test_a_png_comes_back_byte_for_byte_and_with_thumbnails(self):
        self.check_photo(drawn_photos.png(600, 1200), "image/png", 600, 1200, {256: (128, 256), 1024: (512, 1024)})

    def test_a_photo_smaller_than_its_thumbnails_is_not_enlarged(self):
        self.check_photo(drawn_photos.png(40, 30), "image/png", 40, 30, {256: (40, 30), 1024: (40, 30)})

    def check_photo(self, contents, media_type, width, height, thumbnails):
        answer = self.gallery.upload(contents)
        self.assertEqual(answer.status, 201, answer.body)
        photo = answer.json()
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        self.assertEqual(answer.headers["Location"], photo["links"]["self"])
        self.assertEqual(photo["sha256"], hashlib.sha256(contents).hexdigest())
        self.assertEqual((photo["type"], photo["width"], photo["height"], photo["bytes"], photo["verdict"]),
                         (media_type, width, height, len(contents), "ok"))
        self.assertEqual(self.gallery.get(photo["links"]["self"]).json(), photo)

        original = self.gallery.get(photo["links"]["original"])
        self.assertEqual((original.status, original.headers["Content-Type"]), (200, media_type))
        self.assertTrue(original.body == contents)
        self.assertEqual(original.headers["X-Content-Type-Options"], "nosniff")
        for longest, size in thumbnails.items():
            thumbnail = self.gallery.get(photo["links"][f"thumbnail_{longest}"])
            self.assertEqual((thumbnail.status, thumbnail.headers["Content-Type"]), (200, "image/jpeg"))
            self.assertEqual(drawn_photos.jpeg_size(thumbnail.body), size)
        by_default = self.gallery.get(f"/photos/{photo['id']}/thumbnail")
        self.assertEqual(by_default.body, self.gallery.get(photo["links"]["thumbnail_256"]).body)

    def test_the_bytes_on_the_disk_are_not_the_photos(self):
        contents = drawn_photos.noise_png(300, 300)
        photo = self.upload(contents)
        thumbnail = self.gallery.get(photo["links"]["thumbnail_256"]).body
        # Sixteen bytes from the middle of noise occur elsewhere by no chance.
        traces = [data[at:at + 16] for data in (contents, thumbnail) for at in range(512, len(data) - 16, 997)]
        self.assertGreater(len(traces), 250)
        self.assertEqual(self.gallery.stop(), 0)
        files = [path for path in self.gallery.folder.rglob("*") if path.is_file()]
        self.assertGreaterEqual(len(files), 6)
        for path in files:
            data = path.read_bytes()
            self.assertFalse(any(trace in data for trace in traces), path)
            self.assertFalse(b"IHDR" in data or b"JFIF" in data, path)

    def test_only_its_owner_can_read_the_key_and_the_photos(self):
        self.upload(drawn_photos.png(20, 20))
        secret = [self.gallery.folder / "key", *(self.gallery.folder / "photos").rglob("*.original")]
        self.assertEqual([stat.S_IMODE(path.stat().st_mode) for path in secret], [0o600, 0o600])

    # ---- Several ----

    def test_photos_are_listed_newest_first_and_page_by_page(self):
        self.assertEqual(self.gallery.get("/photos").json(), {"photos": [], "next_cursor": None})
        uploaded = [self.upload(drawn_photos.png(20, 20, number))["id"] for number in range(7)]
        newest_first = uploaded[::-1]
        self.assertEqual([photo["id"] for photo in self.gallery.get("/photos").json()["photos"]], newest_first)
        self.assertEqual([photo["id"] for photo in self.gallery.list(limit=3)], newest_first)
        self.assertEqual([photo["id"] for photo in self.gallery.list(limit=7)], newest_first)

        # A cursor stays where it is when photos come and go.
        page = self.gallery.get("/photos?limit=3").json()
        self.upload(drawn_photos.png(20, 20, 7))
        self.assertEqual(self.gallery.delete(f"/photos/{newest_first[1]}").status, 204)
        following = self.gallery.get(f"/photos?limit=3&cursor={page['next_cursor']}").json()
        self.assertEqual([photo["id"] for photo in following["photos"]], newest_first[3:6])

    def test_cursors_and_limits_that_make_no_sense_are_refused(self):
        for limit in ("0", "101", "-1", "ten", "", "1e1", "99999999999999999999"):
            self.assert_refused(self.gallery.get(f"/photos?limit={limit}"), 400, "bad_limit")
        for cursor in ("0", "-1", "zz", "1;drop", "ffffffffffffffffffff"):
            self.assert_refused(self.gallery.get(f"/photos?cursor={cursor}"), 400, "bad_cursor")

    def test_a_deleted_photo_is_gone_with_all_its_files(self):
        contents = drawn_photos.jpeg(50, 50)
        photo, other = self.upload(contents), self.upload(drawn_photos.png(50, 50))
        answer = self.gallery.delete(photo["links"]["self"])
        self.assertEqual((answer.status, answer.body), (204, b""))
        for link in photo["links"].values():
            self.assert_refused(self.gallery.get(link), 404, "no_such_photo")
        self.assert_refused(self.gallery.delete(photo["links"]["self"]), 404, "no_such_photo")
        self.assertEqual(self.gallery.list(), [other])
        self.assertEqual(self.gallery.stored_files(), services.files_of([other]))
        self.assertNotEqual(self.upload(contents)["id"], photo["id"])

    def test_a_photo_that_is_sent_again_is_there_once(self):
        contents = drawn_photos.jpeg(50, 50)
        photo = self.upload(contents)
        again = self.gallery.upload(contents)
        self.assertEqual((again.status, again.json()), (200, photo))
        self.assertEqual(self.gallery.list(), [photo])
        self.assertEqual(self.gallery.stored_files(), services.files_of([photo]))

    def test_of_ten_at_once_that_send_the_same_photo_one_adds_it(self):
        contents = drawn_photos.jpeg(1000, 1000)
        answers = []
        clients = [threading.Thread(target=lambda: answers.append(self.gallery.upload(contents))) for _ in range(10)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertEqual(sorted(answer.status for answer in answers), [200] * 9 + [201])
        self.assertEqual(len({answer.json()["id"] for answer in answers}), 1)
        self.assertEqual(len(self.gallery.list()), 1)
        self.assertEqual(self.gallery.stored_files(), services.files_of(self.gallery.list()))

    # ---- What is not there ----

    def test_pipelined_requests_are_answered_in_order(self):
        photo = drawn_photos.png(9, 9)
        hello = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
        upload = b"POST /photos HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(photo) + photo
        last = hello.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        for requests, expected in ((hello * 4 + last, [200] * 5),
                                   (hello + upload + upload + last, [200, 201, 200, 200])):
            with raw_http.connect(self.gallery) as connection:
                connection.sendall(requests)
                answers = raw_http.parse_answers(raw_http.receive_all(connection))
            self.assertEqual([answer.status for answer in answers], expected)

    def test_unknown_ids_are_not_found(self):
        self.upload(drawn_photos.png(20, 20))
        for photo_id in (UNKNOWN_ID, "1", "x" * 32, UNKNOWN_ID + "0", "A" * 32, "*"):
            for rest in ("", "/original", "/thumbnail", "/thumbnail?size=1024"):
                self.assert_refused(self.gallery.get(f"/photos/{photo_id}{rest}"), 404, "no_such_photo")
            self.assert_refused(self.gallery.delete(f"/photos/{photo_id}"), 404, "no_such_photo")
        self.assertEqual(len(self.gallery.list()), 1)

    def test_thumbnails_of_other_sizes_are_refused(self):
        photo = self.upload(drawn_photos.png(20, 20))
        for size in ("255", "0", "", "-1", "256px", "2048"):
            self.assert_refused(self.gallery.get(f"/photos/{photo['id']}/thumbnail?size={size}"), 400, "bad_size")

    # ---- The service itself ----

    def test_it_tells_how_it_is_and_what_it_did(self):
        self.assertEqual(self.gallery.get("/health").json(), {"status": "ok"})
        self.assertEqual(self.gallery.get("/hello").body, b"Hello, weft\n")
        self.assertIn(b"<html", self.gallery.get("/").body)
        self.upload(drawn_photos.png(20, 20))
        stats = self.gallery.stats()
        self.assertEqual(stats["model"], services.programs.model)
        counts = {(route["method"], route["path"]): route["requests"] for route in stats["routes"]}
        self.assertEqual((counts["GET", "/hello"], counts["POST", "/photos"]), (1, 1))
        self.assertRegex(self.gallery.get("/metrics").body.decode(), r'(?m)^\w+\{.*"/photos".*\} 1$')

        self.assertEqual(self.gallery.stop(), 0)
        log = (self.gallery.folder / "access.log").read_text().splitlines()
        self.assertEqual([line.split()[2:5] for line in log][:4],
                         [["GET", "/health", "200"], ["GET", "/hello", "200"], ["GET", "/", "200"],
                          ["POST", "/photos", "201"]])

    def test_photos_are_there_after_a_restart(self):
        contents = drawn_photos.jpeg(300, 200)
        photo = self.upload(contents)
        self.assertEqual(self.gallery.stop(), 0)
        again = self.for_test(lambda: services.Gallery(self.gallery.folder, self.moderator.url))
        self.assertEqual(again.list(), [photo])
        self.assertTrue(again.get(photo["links"]["original"]).body == contents)

    def test_an_upload_that_is_under_way_when_it_is_stopped_ends_well(self):
        held = services.HeldModerator()
        self.addCleanup(held.close)
        gallery = self.for_test(lambda: services.Gallery(self.folder_for_test() / "data", held.url))
        answers = []
        client = threading.Thread(target=lambda: answers.append(gallery.upload(drawn_photos.png(20, 20))))
        client.start()
        held.await_question()
        gallery.process.terminate()
        with self.assertRaises(OSError):
            while True:  # until the port is closed, which says that the signal has arrived
                with contextlib.closing(gallery.connect()) as connection:
                    connection.connect()
        held.release()
        client.join()
        self.assertEqual(gallery.process.wait(services.PATIENCE_S), 0)
        self.assertEqual([answer.status for answer in answers], [201])


if __name__ == "__main__":
    services.run_tests()
