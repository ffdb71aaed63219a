#!/usr/bin/env python3
"""A gallery that cannot start says why in one line on stderr, and ends with exit code 1."""

import os
import resource
import shutil
import socket
import sqlite3

import drawn_photos
import services


class StartUpTest(services.ServicesTest):
    def setUp(self):
        self.folder = self.folder_for_test()
        self.data = self.folder / "data"

    def start(self, *options):
        return self.for_test(lambda: services.Gallery(self.data, "http://127.0.0.1:1", *options))

    def assert_fails(self, expected, *options, program="gallery", prefix=(), before=None):
        """`expected` is a regular expression for all of the line but its beginning."""
        path = getattr(services.programs, program)
        with self.subTest(options=options):
            code, errors = services.run([*prefix, path, *options], before=before)
            self.assertEqual((code, errors.count("\n")), (1, 1), errors)
            self.assertRegex(errors, rf"^{program}: (?:{expected})\n$")

    def assert_cannot_start(self, expected, *options, **more):
        self.assert_fails(expected, "--port", "0", "--data", self.data, *options, **more)

    def begin_folder(self):
        """A data folder in which a gallery has left some photos."""
        moderator = self.for_test(services.start_moderator)
        gallery = services.Gallery(self.data, moderator.url)
        photos = [gallery.upload(drawn_photos.png(9, 9, number)).json() for number in range(40)]
        self.assertEqual(gallery.stop(), 0)
        return photos

    # ---- Options ----

    def test_numbers_out_of_range_are_refused(self):
        for option, least, most in (("port", 0, 65_535), ("pool-threads", 1, 10_000), ("uploads-at-once", 1, 100_000),
                                    ("max-connections", 1, 10_000_000), ("moderator-patience-ms", 1, 600_000),
                                    ("client-patience-ms", 1, 600_000)):
            for value in (least - 1, most + 1, -1, 1 << 32, 1 << 64, -(1 << 64), 10 ** 30, "1.5", "1e3", "ten", "1 2",
                          "", "0x"):
                self.assert_fails(rf"--{option}: .*not in range {least} to {most}; --help .*", f"--{option}={value}",
                                  "--data", self.data)
        for option, least, most in (("port", 0, 65_535), ("delay-ms", 0, 3_600_000)):
            for value in (-1, most + 1, 1 << 64, "soon"):
                self.assert_fails(rf"--{option}: .*not in range {least} to {most}; --help .*", f"--{option}={value}",
                                  program="moderator")
        self.assertFalse(self.data.exists())

    def test_words_that_make_no_sense_are_refused(self):
        for options in (["--model", "fibers"], ["--model", "0"], ["--model", ""], ["--model"], ["--bogus"], ["extra"],
                        ["--host", "a:80"], ["--host", ""], ["--host", "a/b"], ["--host", "--model"], ["--host"],
                        ["--data", ""], ["--key-file", ""], ["--token-file", ""], ["--port", "1", "--port", "2"]):
            self.assert_fails(".*--help .*", *options)
        self.assert_fails(".*--help .*", "--bogus", program="moderator")
        for url in ("", "localhost:9080", "ftp://localhost", "http://", "http://a b/", "https://localhost"):
            self.assert_cannot_start(".* is no URL of a moderation service: give one like .*", "--moderator", url)

    def test_help_is_no_failure(self):
        for program in (services.programs.gallery, services.programs.moderator):
            self.assertEqual(services.run([program, "--help"]), (0, ""))

    # ---- The address ----

    def test_a_port_that_is_in_use_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            expected = rf"cannot listen on 127\.0\.0\.1:{port}: another program uses this port.*"
            self.assert_fails(expected + "--port", "--port", port, "--data", self.data)
            self.assert_fails(rf"cannot listen on 127\.0\.0\.1:{port}: .*", "--port", port, program="moderator")
        self.assertFalse(self.data.exists())

    def test_addresses_that_are_none_or_elsewhere_are_refused(self):
        for address in ("localhost", "1.2.3", "", "256.0.0.1", "127.0.0.1:80"):
            self.assert_cannot_start(".* is no address to listen on: give one like .*", "--address", address)
        token = self.folder / "token"
        token.write_text("0123456789abcdef\n")
        self.assert_cannot_start(r"cannot listen on 192\.0\.2\.1:0: Cannot assign requested address", "--address",
                                 "192.0.2.1", "--token-file", token)

    def test_others_are_let_in_only_with_a_token(self):
        for address in ("0.0.0.0", "::", "192.0.2.1"):
            self.assert_cannot_start(".* can be reached by others, .*: give a token with --token-file", "--address",
                                     address)
        token = self.folder / "token"
        self.assert_cannot_start("cannot read the token file .*: No such file or directory", "--token-file", token)
        self.assert_cannot_start("cannot read the token file .*: Is a directory", "--token-file", self.folder)
        for text in ("", "too short\n", "\n0123456789abcdef", "0123456789 abcdef\n", "0123456789abcdéf\n", "\0" * 20):
            token.write_text(text)
            self.assert_cannot_start("the token in .* is unfit: .*", "--token-file", token)

    # ---- The data folder ----

    def test_a_folder_that_cannot_be_written_is_named(self):
        (self.folder / "file").write_text("")
        self.data = self.folder / "file"
        self.assert_cannot_start(f"cannot write to the data folder {self.data}: .*")
        self.data = self.folder / "file" / "data"
        self.assert_cannot_start(f"cannot write to the data folder {self.data}: Not a directory")
        self.data = self.folder / "locked"
        self.data.mkdir()
        self.data.chmod(0o500)
        # Who is root may write everywhere, but for a root without capabilities.
        prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
        self.assert_cannot_start(f"cannot write to the data folder {self.data}: Permission denied", prefix=prefix)

    def test_a_folder_that_another_gallery_uses_is_left_alone(self):
        first = self.start()
        self.assert_cannot_start("another gallery is running on the data folder .*--data")
        self.assertEqual(first.get("/health").status, 200)

    def test_an_access_log_that_cannot_be_written_is_named(self):
        (self.data / "access.log").mkdir(parents=True)
        self.assert_cannot_start("cannot write the access log .*: Is a directory")
        self.start("--no-access-log")

    # ---- The key ----

    def test_wrong_keys_are_refused(self):
        self.begin_folder()
        key = self.data / "key"
        right = key.read_text()
        wrong = ("1" if right[0] == "0" else "0") + right[1:]
        key.write_text(wrong)
        self.assert_cannot_start("the key .* is not the one that the photos in .* are encrypted with")
        for text in ("", right[:-1], right[:-2] + "\n", right.upper().replace("\n", "g\n"), right + "\n", "\0" * 65):
            key.write_text(text)
            self.assert_cannot_start("the key .* is damaged: it should hold 64 hexadecimal digits .*")
        key.write_text(right)
        key.chmod(0o644)
        self.assert_cannot_start("the key .* can be read by others than its owner: chmod 600 it")
        key.unlink()
        self.assert_cannot_start("the photos in .* are encrypted, and their key is missing: put it back to .*")
        self.assert_cannot_start("the photos in .* are encrypted, and their key is missing: put it back to .*",
                                 "--key-file", self.folder / "other")
        self.assertFalse((self.folder / "other").exists())
        key.mkdir()
        self.assert_cannot_start("the key .* is no file")
        key.rmdir()
        key.touch(0o600)
        key.write_text(right)
        self.assertEqual(len(self.start().list()), 40)

    def test_a_damaged_sample_of_the_key_is_refused(self):
        self.begin_folder()
        sample = self.data / "key-check"
        right = sample.read_bytes()
        for damaged in (b"", right[:-1], right[:-1] + bytes([right[-1] ^ 1]), right + b"\0", bytes(len(right))):
            sample.write_bytes(damaged)
            self.assert_cannot_start("the key .* is not the one that the photos in .* are encrypted with")

    # ---- The database ----

    def test_damaged_databases_are_refused(self):
        self.begin_folder()
        database = self.data / "catalogue.sqlite"
        right = database.read_bytes()
        pages = len(right) // 4096
        self.assertGreater(pages, 6)
        noise = bytes(range(256)) * 16
        for damaged in (b"no database" * 1000, noise + right[4096:], right[:16] + noise[:84] + right[100:],
                        right[:len(right) // 2], right[:5000],
                        *(right[:page * 4096] + noise + right[(page + 1) * 4096:] for page in range(1, pages))):
            database.write_bytes(damaged)
            self.assert_cannot_start(f"the database {database} is damaged .*: restore it from a copy, or move it .*")
        database.write_bytes(right)
        self.assertEqual(len(self.start().list()), 40)

    def test_databases_of_others_and_of_the_future_are_refused(self):
        self.begin_folder()
        database = self.data / "catalogue.sqlite"
        right = database.read_bytes()
        self.change_database("PRAGMA user_version = 99")
        self.assert_cannot_start(f"the database {database} was written by a newer version .*: use that")
        database.write_bytes(right)
        self.change_database("DROP TABLE photos")
        self.assert_cannot_start(f"the database {database} is damaged .*no such table: photos.*: restore it .*")
        database.unlink()
        database.mkdir()
        self.assert_cannot_start(f"cannot open the database {database}: .*")

    def change_database(self, statement):
        database = sqlite3.connect(self.data / "catalogue.sqlite")
        database.execute(statement)
        database.commit()
        database.close()

    def test_rubbish_in_the_databases_log_is_overlooked(self):
        self.begin_folder()
        (self.data / "catalogue.sqlite-wal").write_bytes(bytes(range(256)) * 64)
        self.assertEqual(len(self.start().list()), 40)

    def test_lost_files_are_told_and_what_is_left_is_served(self):
        photos = self.begin_folder()
        for photo in photos[:3]:
            (self.data / "photos" / photo["id"][:2] / f"{photo['id']}.original").unlink()
        gallery = self.start()
        first = "|".join(photo["id"] for photo in photos[:3])
        self.assertRegex(gallery.errors(), f"^gallery: 3 photos have lost files, ({first}) first: restore them from a "
                                           "copy or delete the photos\n$")
        lost = photos[0]["links"]
        self.assert_refused(gallery.get(lost["original"]), 500, "photo_damaged")
        self.assertEqual(gallery.get(lost["thumbnail_256"]).status, 200)
        self.assertEqual(gallery.get(photos[3]["links"]["original"]).status, 200)
        self.assertEqual(gallery.delete(lost["self"]).status, 204)

    def test_a_sealed_file_that_was_changed_or_exchanged_is_told_and_not_served(self):
        photos = self.begin_folder()
        files = [self.data / "photos" / photo["id"][:2] / f"{photo['id']}.original" for photo in photos]
        sealed = files[0].read_bytes()
        files[1].write_bytes(sealed)
        files[2].write_bytes(sealed[:-1])
        files[0].write_bytes(sealed[:60] + bytes([sealed[60] ^ 1]) + sealed[61:])
        gallery = self.start()
        for photo in photos[:3]:
            self.assert_refused(gallery.get(photo["links"]["original"]), 500, "photo_damaged")

    def test_a_lost_folder_of_photos_is_told(self):
        photos = self.begin_folder()
        shutil.rmtree(self.data / "photos")
        gallery = self.start()
        self.assertRegex(gallery.errors(), "^gallery: 40 photos have lost files, .*\n$")
        for photo in photos:
            self.assertEqual(gallery.delete(photo["links"]["self"]).status, 204)

    # ---- Scarcity ----

    def test_with_too_few_descriptors_it_says_so_or_starts(self):
        if services.has_undefined_behaviour_sanitizer():
            self.skipTest("UndefinedBehaviorSanitizer needs descriptors itself, and ends the program without")
        failed = 0
        for limit in range(3, 35):
            data = self.folder / str(limit)
            before = lambda limit=limit: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            try:
                gallery = services.Gallery(data, "http://127.0.0.1:1", before=before)
            except services.EndedEarly as ended:
                if ended.code == 127:  # what loads programs had too few for the libraries
                    continue
                failed += 1
                self.assertEqual((ended.code, ended.errors.count("\n")), (1, 1), ended.errors)
                self.assertRegex(ended.errors, "^gallery: .*(Too many open files|unable to open database file).*\n$")
            else:
                self.assertEqual(gallery.stop(), 0)
        self.assertGreater(failed, 5)

    def test_more_threads_than_can_be_had_are_refused(self):
        if services.is_sanitized():
            self.skipTest("sanitizers need more memory than there is within limits")
        limit = 8 << 30
        self.assert_cannot_start("cannot start 10000 threads .*: choose fewer with --pool-threads", "--model", "pool",
                                 "--pool-threads", "10000",
                                 before=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))


if __name__ == "__main__":
    services.run_tests()
