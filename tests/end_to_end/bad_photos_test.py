#!/usr/bin/env python3
"""Bodies that are no photos, broken, or far more than they seem: each is refused and leaves nothing behind."""

import os
import random
import struct
import zlib

import drawn_photos
import raw_http
import services

MAX_PHOTO_BYTES = 20_000_000
# The gallery decodes within 1 GiB, whatever comes; a photo in memory, the program and the sanitizers' share come atop.
MAX_RESIDENT_KB = 1_600_000


class BadPhotosTest(services.ServicesTest):
    @classmethod
    def setUpClass(cls):
        cls.moderator = cls.for_class(services.start_moderator)
        cls.folder = cls.folder_for_class() / "data"
        cls.gallery = cls.for_class(lambda: services.Gallery(cls.folder, cls.moderator.url))

    def tearDown(self):
        """Each test deletes what it added on purpose."""
        left = self.gallery.list()
        for photo in left:
            self.gallery.delete(photo["links"]["self"])
        self.assertEqual(left, [])
        self.assertEqual(self.gallery.stored_files(), set())
        self.assertLess(services.resident_peak_kb(self.gallery.pid), MAX_RESIDENT_KB)

    def refuse(self, photo, status, code):
        self.assert_refused(self.gallery.upload(photo), status, code)

    def accept(self, photo, headers=None):
        answer = self.gallery.upload(photo, headers)
        self.assertEqual(answer.status, 201, answer.body)
        self.assertEqual(self.gallery.delete(answer.headers["Location"]).status, 204)

    # ---- No photos ----

    def test_an_empty_body_is_refused(self):
        self.refuse(b"", 400, "empty_body")
        self.refuse(None, 400, "empty_body")
        answer = raw_http.exchange(self.gallery, b"POST /photos HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assert_refused(answer, 400, "empty_body")
        chunked = raw_http.exchange(self.gallery, b"POST /photos HTTP/1.1\r\nHost: localhost\r\n"
                                                  b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        self.assert_refused(chunked, 400, "empty_body")

    def test_what_is_neither_jpeg_nor_png_is_refused(self):
        wrapped = b"--b\r\nContent-Disposition: form-data; name=photo\r\n\r\n" + drawn_photos.png(9, 9) + b"\r\n--b--"
        for body in (b"x", b"hello", bytes(1000), b"GIF89a" + bytes(50), b"RIFF\x24\0\0\0WEBPVP8 " + bytes(50),
                     b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7\n", b"BM" + bytes(60), wrapped,
                     b"\xff\xd8", b"\x89PNG", b"\n" + drawn_photos.png(9, 9), zlib.compress(drawn_photos.png(9, 9))):
            self.refuse(body, 415, "not_a_photo")

    def test_what_is_called_by_another_type_is_taken_by_its_content(self):
        for media_type in ("text/plain", "image/gif", "application/x-www-form-urlencoded", "\"", ""):
            self.accept(drawn_photos.png(9, 9), {"Content-Type": media_type})

    # ---- Damage ----

    def test_truncated_photos_are_refused_wherever_they_end(self):
        for photo in (drawn_photos.jpeg(64, 64), drawn_photos.png(64, 64)):
            for size in {8, 20, 40, len(photo) // 2, len(photo) - 10, len(photo) - 2, len(photo) - 1}:
                self.refuse(photo[:size], 422, "damaged_photo")

    def test_a_jpeg_with_a_broken_tail_is_refused(self):
        photo = drawn_photos.jpeg(800, 800)
        tail = len(photo) - len(photo) // 8
        end = drawn_photos.JPEG_END
        self.refuse(photo[:tail] + end, 422, "damaged_photo")
        self.refuse(photo[:tail] + bytes(len(photo) - tail - 2), 422, "damaged_photo")
        self.refuse(photo[:tail] + b"\xff\x00" * 200 + end, 422, "damaged_photo")
        self.refuse(photo[:tail] + b"\xff\xd8\xff" + photo[tail:], 422, "damaged_photo")

    def test_what_cameras_append_to_a_jpeg_is_no_damage(self):
        self.accept(drawn_photos.jpeg(64, 64) + b"\0\0\0\x18ftypmp42" + bytes(5000))

    def test_a_png_with_wrong_checksums_or_missing_chunks_is_refused(self):
        header = drawn_photos.png_header(16, 16)
        data = drawn_photos.png_chunk(b"IDAT", zlib.compress(b"\0" * 49 * 16))
        end = drawn_photos.png_chunk(b"IEND", b"")
        self.accept(header + data + end)
        wrong_crc = data[:-1] + bytes([data[-1] ^ 1])
        short = drawn_photos.png_chunk(b"IDAT", zlib.compress(b"\0" * 49 * 15))
        wrong_filter = drawn_photos.png_chunk(b"IDAT", zlib.compress(b"\7" * 49 * 16))
        wrong_length = struct.pack(">I", 0xffffffff) + data[4:]
        for photo in (header + wrong_crc + end, header + short + end, header + wrong_filter + end, header + end,
                      header + wrong_length + end, header + data, drawn_photos.PNG_SIGNATURE + data + end,
                      header + drawn_photos.png_chunk(b"ABCD", b"critical and unknown") + data + end,
                      drawn_photos.png_header(0, 16) + data + end,
                      drawn_photos.png_header(16, 16, depth=3) + data + end):
            self.refuse(photo, 422, "damaged_photo")

    def test_random_damage_crashes_nothing(self):
        seed = int(os.environ.get("WEFT_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
        print(f"WEFT_TEST_SEED={seed}")
        chance = random.Random(seed)
        photos = [drawn_photos.jpeg(80, 60), drawn_photos.png(80, 60), drawn_photos.noise_png(20, 20)]
        for _ in range(150):
            photo = bytearray(chance.choice(photos))
            for _ in range(chance.randrange(1, 10)):
                photo[chance.randrange(len(photo))] = chance.randrange(256)
            answer = self.gallery.upload(bytes(photo))
            if answer.status == 201:
                self.gallery.delete(answer.headers["Location"])
            else:
                self.assertIn((answer.status, answer.error_code),
                              {(422, "damaged_photo"), (415, "not_a_photo"), (415, "unsupported_photo"),
                               (413, "too_many_pixels")})

    # ---- Too much ----

    def test_a_photo_of_20_mb_is_accepted_and_one_byte_more_is_refused(self):
        photo = drawn_photos.jpeg(64, 64)
        self.accept(photo.ljust(MAX_PHOTO_BYTES, b"\0"))
        self.refuse(photo.ljust(MAX_PHOTO_BYTES + 1, b"\0"), 413, "payload_too_large")

    def test_an_oversized_photo_is_refused_before_it_is_sent(self):
        head = b"POST /photos HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000001\r\n"
        for rest in (b"\r\n", b"Expect: 100-continue\r\n\r\n"):
            answer = raw_http.exchange(self.gallery, head + rest)
            self.assert_refused(answer, 413, "payload_too_large")
        for absurd in (b"9223372036854775807", b"18446744073709551615"):
            answer = raw_http.exchange(self.gallery, head.replace(b"20000001", absurd) + b"\r\n")
            self.assert_refused(answer, 413, "payload_too_large")

    def test_an_oversized_photo_of_unsaid_length_is_refused_while_it_comes(self):
        head = b"POST /photos HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        body = b"1000000\r\n" + bytes(0x1000000) + b"\r\n" + b"3ffff00\r\n"
        answer = raw_http.exchange(self.gallery, head + body)
        self.assert_refused(answer, 413, "payload_too_large")

    def test_100_megapixels_are_accepted(self):
        header, end = drawn_photos.png_header(10_000, 10_000, colour_type=0), drawn_photos.png_chunk(b"IEND", b"")
        self.accept(header + drawn_photos.png_chunk(b"IDAT", drawn_photos.deflated_zeroes(96)) + end)
        self.refuse(header + drawn_photos.png_chunk(b"IDAT", drawn_photos.deflated_zeroes(95)) + end,
                    422, "damaged_photo")

    def test_more_than_100_megapixels_are_refused_unseen(self):
        end = drawn_photos.png_chunk(b"IEND", b"")
        data = drawn_photos.png_chunk(b"IDAT", drawn_photos.deflated_zeroes(16))
        for width, height in ((10_001, 10_000), (65_501, 1), (50_000, 50_000), (0x7fffffff, 0x7fffffff)):
            answer = self.gallery.upload(drawn_photos.png_header(width, height) + data + end)
            self.assert_refused(answer, 413, "too_many_pixels")
        jpeg = bytearray(drawn_photos.jpeg(64, 64))
        frame = jpeg.index(b"\xff\xc0")
        jpeg[frame + 5:frame + 9] = struct.pack(">HH", 65_000, 65_000)
        self.refuse(bytes(jpeg), 413, "too_many_pixels")

    def test_a_png_that_unpacks_to_gigabytes_is_refused(self):
        gigabytes = drawn_photos.deflated_zeroes(3 << 10)
        self.assertLess(len(gigabytes), MAX_PHOTO_BYTES)
        header, end = drawn_photos.png_header(16, 16), drawn_photos.png_chunk(b"IEND", b"")
        data = drawn_photos.png_chunk(b"IDAT", zlib.compress(b"\0" * 49 * 16))
        # As pixels of a picture that is larger than what is decoded, or than it says itself.
        self.refuse(drawn_photos.png_header(40_000, 25_000) + drawn_photos.png_chunk(b"IDAT", gigabytes) + end,
                    413, "too_many_pixels")
        self.refuse(header + drawn_photos.png_chunk(b"IDAT", gigabytes) + end, 422, "damaged_photo")
        # As a text, a colour profile.
        for kind, start in ((b"zTXt", b"Comment\0\0"), (b"iTXt", b"Comment\0\1\0\0\0"), (b"iCCP", b"profile\0\0")):
            self.refuse(header + drawn_photos.png_chunk(kind, start + gigabytes) + data + end, 422, "damaged_photo")


if __name__ == "__main__":
    services.run_tests()
