#!/usr/bin/env python3
"""Clients that are slow, silent, greedy or gone: they get what is due to them, and the others notice nothing."""

import select
import socket
import threading

import drawn_photos
import raw_http
import services

# How long the gallery waits for clients here. The tests' own clients are slower than any patience.
PATIENCE_MS = 300
GET_HELLO = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
BEGIN_UPLOAD = b"POST /photos HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"


def trickle(connection, begin, endless):
    """Sends the beginning, then byte after byte until there is an answer or the end of the connection."""
    raw_http.send(connection, begin)
    while not select.select([connection], [], [], 0.05)[0]:
        raw_http.send(connection, endless)


def reset(connection):
    """Hangs up at once, as a program that was killed does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


class BadClientsTest(services.ServicesTest):
    def setUp(self):
        self.folder = self.folder_for_test() / "data"

    def start(self, *options, moderator=None, patience_ms=PATIENCE_MS):
        if not moderator:
            moderator = self.for_test(services.start_moderator)
        return self.for_test(lambda: services.Gallery(self.folder, moderator.url, "--client-patience-ms",
                                                      str(patience_ms), *options))

    def connect(self, gallery):
        connection = raw_http.connect(gallery)
        self.addCleanup(connection.close)
        return connection

    def await_no_requests(self, gallery):
        """Until the only request that is being answered is the one that asks."""
        while gallery.stats()["in_flight"] > 1:
            pass

    def assert_nothing_left(self, gallery):
        self.await_no_requests(gallery)
        self.assertEqual(gallery.list(), [])
        self.assertEqual(gallery.stored_files(), set())

    def assert_timed_out(self, connection):
        answers = raw_http.parse_answers(raw_http.receive_all(connection))
        self.assertEqual(len(answers), 1)
        self.assert_refused(answers[0], 408, "request_timeout")
        self.assertEqual(answers[0].headers["Connection"], "close")

    # ---- Slow ----

    def test_a_header_that_comes_byte_by_byte_is_given_up(self):
        gallery = self.start()
        connection = self.connect(gallery)
        trickle(connection, b"GET /hello HTTP/1.1\r\nHost: localhost\r\nX: ", b"y")
        self.assert_timed_out(connection)

    def test_a_second_request_that_comes_byte_by_byte_is_given_up(self):
        gallery = self.start()
        connection = self.connect(gallery)
        raw_http.send(connection, GET_HELLO)
        self.assertEqual(raw_http.read_answer(connection).status, 200)
        trickle(connection, b"G", b"E")
        self.assert_timed_out(connection)

    def test_a_photo_that_comes_byte_by_byte_is_given_up(self):
        gallery = self.start()
        for begin, endless in ((BEGIN_UPLOAD, b"\xff"),
                               (b"POST /photos HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
                                b"1\r\n\xff\r\n")):
            connection = self.connect(gallery)
            trickle(connection, begin, endless)
            self.assert_timed_out(connection)
        self.assert_nothing_left(gallery)

    def test_a_photo_that_stops_coming_is_given_up(self):
        gallery = self.start()
        connection = self.connect(gallery)
        raw_http.send(connection, BEGIN_UPLOAD + bytes(999_999))
        self.assert_timed_out(connection)
        self.assert_nothing_left(gallery)

    def test_a_client_that_says_nothing_hears_nothing(self):
        gallery = self.start()
        self.assertEqual(raw_http.receive_all(self.connect(gallery)), b"")

    def test_a_photo_that_comes_in_pieces_is_taken(self):
        gallery = self.start(patience_ms=60_000)
        photo = drawn_photos.noise_png(100, 100)
        connection = self.connect(gallery)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in BEGIN_UPLOAD.replace(b"1000000", b"%d" % len(photo)):
            raw_http.send(connection, bytes([byte]))
        for at in range(0, len(photo), 10):
            raw_http.send(connection, photo[at:at + 10])
        self.assertEqual(raw_http.read_answer(connection).status, 201)

    def test_two_hundred_slow_clients_do_not_keep_others_waiting(self):
        gallery = self.start("--uploads-at-once", "1000", patience_ms=600_000)
        for begin in (b"", b"GET /hel", BEGIN_UPLOAD, BEGIN_UPLOAD + bytes(1000)):
            for _ in range(50):
                raw_http.send(self.connect(gallery), begin)
        while gallery.stats()["in_flight"] < 101:
            pass
        self.assertEqual(gallery.get("/hello").status, 200)
        self.assertEqual(gallery.upload(drawn_photos.png(9, 9)).status, 201)

    def test_an_answer_that_nobody_takes_is_given_up(self):
        gallery = self.start()
        photo = gallery.upload(drawn_photos.noise_png(1000, 1000)).json()
        connection = self.connect(gallery)
        # Far more than what sockets hold.
        raw_http.send(connection, f"GET {photo['links']['original']} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * 20)
        select.select([connection], [], [], services.PATIENCE_S)
        while services.holds(gallery, connection):
            self.assertEqual(gallery.get("/hello").status, 200)
        self.assertLess(len(raw_http.receive_all(connection)), 20 * photo["bytes"])

    # ---- Gone ----

    def test_clients_that_hang_up_in_the_middle_leave_nothing(self):
        gallery = self.start(patience_ms=600_000)
        for begin in (b"", b"GET /hel", BEGIN_UPLOAD, BEGIN_UPLOAD + bytes(500_000)):
            for hang_up in (reset, socket.socket.close):
                connection = raw_http.connect(gallery)
                raw_http.send(connection, begin)
                hang_up(connection)
        self.assert_nothing_left(gallery)
        self.assertEqual(gallery.get("/hello").status, 200)

    def test_a_client_that_hangs_up_before_its_answer_leaves_a_whole_photo_or_none(self):
        moderator = services.HeldModerator()
        self.addCleanup(moderator.close)
        gallery = self.start(moderator=moderator)
        photo = drawn_photos.png(9, 9)
        connection = raw_http.connect(gallery)
        raw_http.send(connection, BEGIN_UPLOAD.replace(b"1000000", b"%d" % len(photo)) + photo)
        moderator.await_question()
        reset(connection)
        moderator.release()
        self.await_no_requests(gallery)
        self.assertEqual(gallery.stored_files(), services.files_of(gallery.list()))
        self.assertIn(gallery.upload(photo).status, {200, 201})
        self.assertEqual(len(gallery.list()), 1)

    # ---- Too many ----

    def test_uploads_beyond_the_limit_wait_for_their_turn_and_then_are_asked_to_come_again(self):
        moderator = services.HeldModerator()
        self.addCleanup(moderator.close)
        gallery = self.start("--uploads-at-once", "1", moderator=moderator)
        answers = []
        first = threading.Thread(target=lambda: answers.append(gallery.upload(drawn_photos.png(9, 9))))
        first.start()
        moderator.await_question()
        answer = gallery.upload(drawn_photos.png(10, 10))
        self.assert_refused(answer, 503, "too_busy")
        self.assertTrue(answer.headers["Retry-After"].isdigit())
        self.assertEqual(gallery.get("/hello").status, 200)
        moderator.release()
        first.join()
        self.assertEqual([answer.status for answer in answers], [201])
        self.assertEqual(gallery.upload(drawn_photos.png(10, 10)).status, 201)

    def test_connections_beyond_the_limit_are_served_when_silent_ones_are_given_up(self):
        gallery = self.start("--max-connections", "4")
        for _ in range(8):
            self.connect(gallery)
        self.assertEqual(gallery.get("/hello").status, 200)


if __name__ == "__main__":
    services.run_tests()
