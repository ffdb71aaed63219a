#!/usr/bin/env python3
"""The catalogue is lost, older than the photos, or damaged: no photo is lost with it, and no file deleted."""

import os
import random
import shutil
import sqlite3
from pathlib import Path

import drawn_photos
import services

PHOTOS = 30


class LostCatalogueTest(services.ServicesTest):
    def setUp(self):
        self.folder = self.folder_for_test()
        self.data = self.folder / "data"
        self.catalogue = self.data / "catalogue.sqlite"
        self.moderator = self.for_test(services.start_moderator)
        self.kept = {}  # what was uploaded, by its path

    def start(self):
        return self.for_test(lambda: services.Gallery(self.data, self.moderator.url))

    def upload(self, gallery, numbers):
        """Returns what the gallery says of the photos."""
        answers = []
        for number in numbers:
            photo = drawn_photos.png(9 + number % 5, 9, number)
            answer = gallery.upload(photo)
            self.assertEqual(answer.status, 201, answer.body)
            self.kept[answer.json()["links"]["original"]] = photo
            answers.append(answer.json())
        return answers

    def begin(self, count=PHOTOS):
        """A folder in which a gallery has left photos, after a clean end. Returns them, newest first."""
        gallery = self.start()
        self.upload(gallery, range(count))
        listed = gallery.list()
        self.assertEqual(gallery.stop(), 0)
        return listed

    def crash(self, count=PHOTOS):
        """The same after an end by kill -9, with a log that the database had not taken over."""
        gallery = self.start()
        self.upload(gallery, range(count))
        gallery.kill()
        self.assertGreater(Path(f"{self.catalogue}-wal").stat().st_size, 0)

    def files(self):
        return {path: path.read_bytes() for path in (self.data / "photos").rglob("*") if path.is_file()}

    def check_all_there(self, gallery):
        """Every photo that was acknowledged is listed and whole."""
        listed = gallery.list()
        self.assertEqual({photo["links"]["original"] for photo in listed}, set(self.kept))
        for photo in listed:
            original = gallery.get(photo["links"]["original"])
            self.assertEqual((original.status, original.body), (200, self.kept[photo["links"]["original"]]))
            for thumbnail in ("thumbnail_256", "thumbnail_1024"):
                self.assertEqual(gallery.get(photo["links"][thumbnail]).status, 200)
        return listed

    def check_rebuilt(self, before):
        files = self.files()
        gallery = self.start()
        self.assertEqual(self.check_all_there(gallery), before, "as it was, and in the same order")
        self.assertEqual(self.files(), files)
        self.assertRegex(gallery.errors(), rf"^gallery: the catalogue did not know {len(before)} photos, .*\n$")
        self.assertEqual(gallery.stop(), 0)
        self.assertEqual(self.start().errors(), "")

    def test_with_the_catalogue_moved_away_all_photos_come_back(self):
        before = self.begin()
        shutil.move(self.catalogue, self.folder)
        self.check_rebuilt(before)

    def test_with_an_empty_catalogue_all_photos_come_back(self):
        before = self.begin()
        self.catalogue.write_bytes(b"")
        self.check_rebuilt(before)

    def test_with_a_catalogue_older_than_the_photos_all_photos_come_back(self):
        self.begin(10)
        older = self.catalogue.read_bytes()
        gallery = self.start()
        self.upload(gallery, range(10, PHOTOS))
        before = gallery.list()
        self.assertEqual(gallery.stop(), 0)
        self.catalogue.write_bytes(older)
        gallery = self.start()
        self.assertEqual(self.check_all_there(gallery), before)
        self.assertRegex(gallery.errors(), rf"^gallery: the catalogue did not know {PHOTOS - 10} photos, .*\n$")

    def test_with_the_catalogues_log_lost_after_a_crash_all_photos_come_back(self):
        self.crash()
        Path(f"{self.catalogue}-wal").unlink()
        self.check_all_there(self.start())

    def test_bytes_changed_in_the_log_lose_nothing_that_was_acknowledged(self):
        self.crash()
        folder = self.folder / "right"
        shutil.move(self.data, folder)
        chance = random.Random(int(os.environ.get("WEFT_TEST_SEED") or 1))
        size = (folder / "catalogue.sqlite-wal").stat().st_size
        for start in [0, 8, 16, 24, 32, 40, 48, *(chance.randrange(size - 3) for _ in range(13))]:
            with self.subTest(start=start):
                shutil.copytree(folder, self.data)
                log = Path(f"{self.catalogue}-wal")
                right = log.read_bytes()
                changed = bytes(each ^ 0x55 for each in right[start:start + 3])
                log.write_bytes(right[:start] + changed + right[start + 3:])
                gallery = self.start()
                self.check_all_there(gallery)
                self.assertEqual(gallery.stop(), 0)
                shutil.rmtree(self.data)

    def test_a_photo_deleted_before_a_crash_does_not_come_back_with_a_log_cut_short(self):
        gallery = self.start()
        photos = self.upload(gallery, range(PHOTOS))
        for photo in photos[10:20]:
            self.assertEqual(gallery.delete(photo["links"]["self"]).status, 204)
            del self.kept[photo["links"]["original"]]
        gallery.kill()
        log = Path(f"{self.catalogue}-wal")
        log.write_bytes(log.read_bytes()[:log.stat().st_size // 2])
        self.check_all_there(self.start())

    def change_catalogue(self, *statements):
        database = sqlite3.connect(self.catalogue)
        for statement in statements:
            database.execute(statement)
        database.commit()
        database.close()

    def test_a_damaged_row_is_made_anew_from_the_photos_file(self):
        before = self.begin()
        for change in ("id = 'no id'", "width = -1", "height = 1 << 40", "bytes = -1", "sha256 = ''"):
            with self.subTest(change=change):
                self.change_catalogue(f"UPDATE photos SET {change} WHERE sequence = 7")
                gallery = self.start()
                listed = self.check_all_there(gallery)
                self.assertCountEqual(listed, before)
                self.assertIn("dropped 1 row from the catalogue that made no sense", gallery.errors())
                self.assertEqual(gallery.stop(), 0)
                # Its place in the order is the end now: begin anew for the next one.
                self.change_catalogue("UPDATE photos SET sequence = 7 WHERE sequence = "
                                      "(SELECT max(sequence) FROM photos)")

    def test_a_row_that_is_damaged_while_the_gallery_runs_costs_no_other_photo(self):
        gallery = self.start()
        photos = self.upload(gallery, range(PHOTOS))
        self.change_catalogue(f"UPDATE photos SET id = 'no id' WHERE id = '{photos[7]['id']}'")
        expected = [photo["id"] for photo in reversed(photos) if photo is not photos[7]]
        for limit in (1, 5, 100):
            self.assertEqual([photo["id"] for photo in gallery.list(limit)], expected)
        self.assertEqual(gallery.get("/health").status, 200)
        self.assertIn("rows of the catalogue make no sense", gallery.errors())
        self.assertEqual(gallery.stop(), 0)
        self.check_all_there(self.start())

    def test_files_that_the_last_run_did_not_begin_are_set_aside_and_named(self):
        photos = self.begin(3)
        first, shard = photos[0]["id"], photos[0]["id"][:2]
        other = "0" * 32
        strangers = [f"{shard}/{first}.original.new", f"{shard}/{first}.original.0123456789abcdef.new",
                     f"{shard}/{first}.256.0123456789abcdef.gone", f"00/{other}.original", f"00/{other}.1024",
                     f"00/{other}.256.0123456789abcdef.new"]
        for name in strangers:
            (self.data / "photos" / name).write_text(name)
        (self.data / "photos" / "00" / "notes.txt").write_text("somebody's")
        gallery = self.start()
        for name in strangers:
            self.assertIn(f"set aside {self.data}/photos/{name} in {self.data}/set-aside", gallery.errors())
            self.assertEqual((self.data / "set-aside" / Path(name).name).read_text(), name)
        self.assertEqual((self.data / "photos" / "00" / "notes.txt").read_text(), "somebody's")
        self.assertEqual(self.check_all_there(gallery), photos)
        self.assertEqual(gallery.stop(), 0)
        # The same names again replace nothing.
        (self.data / "photos" / strangers[0]).write_text("another")
        self.start()
        self.assertEqual((self.data / "set-aside" / f"{Path(strangers[0]).name}.2").read_text(), "another")

    def test_files_without_a_record_are_listed_again_from_what_they_hold(self):
        before = self.begin(3)
        for photo in before:
            original = self.data / "photos" / photo["id"][:2] / f"{photo['id']}.original"
            original.write_bytes(original.read_bytes()[:photo["bytes"] + 37])  # as versions without records wrote them
        self.catalogue.unlink()
        gallery = self.start()
        listed = self.check_all_there(gallery)
        for photo in (*listed, *before):
            del photo["created_at"]
        self.assertCountEqual(listed, before)

    def test_a_photo_sealed_with_another_key_is_set_aside(self):
        photos = self.begin(3)
        original = self.data / "photos" / photos[0]["id"][:2] / f"{photos[0]['id']}.original"
        contents = original.read_bytes()
        original.write_bytes(contents[:30] + bytes([contents[30] ^ 1]) + contents[31:-60] + bytes(60))
        self.catalogue.unlink()
        gallery = self.start()
        self.assertCountEqual(gallery.list(), photos[1:])
        self.assertEqual(len(list((self.data / "set-aside").iterdir())), 3)

    def test_the_key_is_checked_against_the_photos_where_its_sample_is_gone(self):
        before = self.begin(3)
        key = self.data / "key"
        right = key.read_text()
        (self.data / "key-check").unlink()
        key.write_text(("1" if right[0] == "0" else "0") + right[1:])
        command = [services.programs.gallery, "--port", "0", "--data", self.data]
        code, errors = services.run(command)
        self.assertEqual(code, 1)
        self.assertRegex(errors, "^gallery: the key .* is not the one that the photos in .* are encrypted with\n$")
        key.unlink()
        code, errors = services.run(command)
        self.assertEqual(code, 1)
        self.assertRegex(errors, "^gallery: the photos in .* are encrypted, and their key is missing: .*\n$")
        key.touch(0o600)
        key.write_text(right)
        self.assertEqual(self.check_all_there(self.start()), before)

    def test_a_second_gallery_is_refused_also_when_the_lock_file_is_gone(self):
        gallery = self.start()
        (self.data / "lock").unlink()
        code, errors = services.run([services.programs.gallery, "--port", "0", "--data", self.data])
        self.assertEqual(code, 1)
        self.assertRegex(errors, "^gallery: another gallery is running on the data folder .*\n$")
        self.assertEqual(gallery.get("/health").status, 200)


if __name__ == "__main__":
    services.run_tests()
