#!/usr/bin/env python3
"""The moderation service is down, slow, confused or says no: uploads are answered in time and leave nothing behind."""

import socket
import threading

import drawn_photos
import services

# How long the gallery waits for the moderator here. A moderator that is slow never answers.
PATIENCE_MS = 300


class BadModeratorTest(services.ServicesTest):
    def start(self, moderator_url, patience_ms=60_000):
        folder = self.folder_for_test() / "data"
        return self.for_test(lambda: services.Gallery(folder, moderator_url, "--moderator-patience-ms",
                                                      str(patience_ms)))

    def start_scripted(self, answer):
        moderator = services.ScriptedModerator(answer)
        self.addCleanup(moderator.close)
        return moderator

    def check_refused(self, gallery, status=503, code="moderator_unavailable"):
        answer = gallery.upload(drawn_photos.png(20, 20))
        self.assert_refused(answer, status, code)
        if status == 503:
            self.assertTrue(answer.headers["Retry-After"].isdigit())
        self.assertEqual(gallery.list(), [])
        self.assertEqual(gallery.stored_files(), set())
        self.assertEqual(gallery.get("/health").status, 200)

    def test_while_it_is_down_uploads_are_refused_and_afterwards_accepted(self):
        moderator = self.for_test(services.start_moderator)
        gallery = self.start(moderator.url)
        self.assertEqual(gallery.upload(drawn_photos.png(9, 9)).status, 201)
        self.assertEqual(gallery.delete(gallery.list()[0]["links"]["self"]).status, 204)
        moderator.kill()
        self.check_refused(gallery)
        self.for_test(lambda: services.start_moderator(port=moderator.port))
        self.assertEqual(gallery.upload(drawn_photos.png(20, 20)).status, 201)

    def test_one_that_was_started_anew_between_two_uploads_is_asked_again(self):
        moderator = self.for_test(services.start_moderator)
        gallery = self.start(moderator.url)
        for number in range(3):
            self.assertEqual(gallery.upload(drawn_photos.png(9, 9, number)).status, 201)
            moderator.kill()
            moderator = self.for_test(lambda: services.start_moderator(port=moderator.port))

    def test_one_that_is_killed_while_it_is_asked_is_unavailable(self):
        moderator = self.for_test(lambda: services.start_moderator(delay_ms=3_600_000))
        gallery = self.start(moderator.url)
        answers = []
        client = threading.Thread(target=lambda: answers.append(gallery.upload(drawn_photos.png(20, 20))))
        client.start()
        while services.connections(moderator) == 0:
            pass
        moderator.kill()
        client.join()
        self.assert_refused(answers[0], 503, "moderator_unavailable")
        self.check_refused(gallery)

    def test_one_that_is_slow_is_given_up(self):
        moderator = self.for_test(lambda: services.start_moderator(delay_ms=3_600_000))
        gallery = self.start(moderator.url, PATIENCE_MS)
        self.check_refused(gallery)
        moderator.kill()  # it would wait for its own answers to be given

    def test_fifty_uploads_at_once_do_not_wait_for_each_others_moderation(self):
        moderator = self.for_test(lambda: services.start_moderator(delay_ms=3_600_000))
        gallery = self.start(moderator.url, PATIENCE_MS)
        answers = []
        clients = [threading.Thread(target=lambda number=number: answers.append(
            gallery.upload(drawn_photos.png(9, 9, number)))) for number in range(50)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertEqual({(answer.status, answer.error_code) for answer in answers}, {(503, "moderator_unavailable")})
        self.assertEqual(gallery.stored_files(), set())
        moderator.kill()

    def test_one_that_takes_the_question_and_says_nothing_is_given_up(self):
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            self.check_refused(self.start(f"http://127.0.0.1:{deaf.getsockname()[1]}", PATIENCE_MS))

    def test_one_whose_answer_never_ends_is_given_up(self):
        def begin(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(b'{"verdict":')
            handler.rfile.read()  # until the gallery hangs up

        self.check_refused(self.start(self.start_scripted(begin).url, PATIENCE_MS))

    def test_one_that_nobody_knows_is_unavailable(self):
        self.check_refused(self.start("http://no-such-host.invalid:80", PATIENCE_MS))

    def test_answers_that_make_no_sense_are_no_verdict(self):
        verdict = b'{"verdict":"ok"}'
        script = [(b"", 200), (b"ok", 200), (b"[]", 200), (b"null", 200), (b'{"verdict":true}', 200), (b"{}", 200),
                  (b'{"verdict":""}', 200), (b'{"verdict":"ok"', 200), (b'{"verdict":"' + b"x" * 101 + b'"}', 200),
                  (b'{"verdict":"\xff"}', 200), (b'{"verdict":"ok"' + b" " * 100_000 + b"}", 200),
                  (b"[" * 60_000, 200), (verdict, 500), (verdict, 404), (verdict, 302), (b"", 204), (verdict, 503)]
        current = []
        gallery = self.start(self.start_scripted(lambda handler: services.send_verdict(handler, *current[0])).url)
        for answer in script:
            current[:] = [answer]
            with self.subTest(answer=(answer[0][:40], answer[1])):
                self.check_refused(gallery)

    def test_what_is_no_http_is_no_verdict(self):
        script = [b"", b"\0" * 100, b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n",
                  b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"verdict\":\"o",
                  b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
                  b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                  b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
                  b"HTTP/1.1 100 Continue\r\n\r\n" * 1000]
        current = []

        def answer(handler):
            handler.wfile.write(current[0])
            handler.close_connection = True

        gallery = self.start(self.start_scripted(answer).url)
        for said in script:
            current[:] = [said]
            with self.subTest(said=said[:60]):
                self.check_refused(gallery)

    def test_a_photo_that_it_rejects_is_not_kept(self):
        moderator = self.start_scripted(lambda handler: services.send_verdict(handler, b'{"verdict":"too blurry"}'))
        gallery = self.start(moderator.url)
        self.check_refused(gallery, 422, "rejected")
        self.assertIn(b"too blurry", gallery.upload(drawn_photos.png(9, 9)).body)


if __name__ == "__main__":
    services.run_tests()
