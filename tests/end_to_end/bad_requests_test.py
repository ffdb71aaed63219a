#!/usr/bin/env python3
"""Requests that are malformed, ambiguous, oversized, or not their sender's to make: refused, and nothing is changed."""

import drawn_photos
import raw_http
import services

GET_HELLO = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"


class BadRequestsTest(services.ServicesTest):
    @classmethod
    def setUpClass(cls):
        cls.moderator = cls.for_class(services.start_moderator)
        cls.folder = cls.folder_for_class() / "data"
        cls.gallery = cls.for_class(lambda: services.Gallery(cls.folder, cls.moderator.url))
        cls.photo = cls.gallery.upload(drawn_photos.png(20, 20)).json()

    def tearDown(self):
        self.assertEqual(self.gallery.list(), [self.photo])

    def refuse(self, request, status=400, code="bad_request"):
        """One answer, then the connection ends: nobody can say where another request would begin."""
        with self.subTest(request=request[:200]):
            answers = raw_http.exchange_all(self.gallery, request)
            self.assertEqual(len(answers), 1, answers)
            self.assert_refused(answers[0], status, code)
            self.assertEqual(answers[0].headers["Connection"], "close")

    # ---- Paths and methods ----

    def test_paths_lead_nowhere_outside(self):
        key = (self.folder / "key").read_bytes()
        photo = self.photo["links"]["self"]
        for path in ("/../key", "/photos/../../key", "/photos/../key", "/..", "/.", "/photos/./", f"{photo}/../../key",
                     "/%2e%2e/key", "/photos/%2e%2e/key", "/photos/..%2fkey", "/photos/..%5ckey", "/photos/..\\key",
                     f"{photo}/original/../../../../key", f"/photos/{self.photo['id']}%2foriginal",
                     f"/photos/{self.photo['id'][:2]}/{self.photo['id']}.original", "/key", "/catalogue.sqlite",
                     "//key", "/etc/passwd", "/photos//", f"{photo}%00/original", "/%", "/%zz", "/\xff",
                     "file:///etc/passwd", "../key", "key", "", "*", "/#", "/photos/%ff%fe", "/%c0%ae%c0%ae/key"):
            with self.subTest(path=path):
                request = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode("latin-1")
                answer = raw_http.exchange(self.gallery, request)
                expected = {(400, "bad_request"), (404, "not_found"), (404, "no_such_photo")}
                self.assertIn((answer.status, answer.error_code), expected)
                self.assertNotIn(key.strip(), answer.body)

    def test_methods_that_a_path_does_not_take_are_refused(self):
        photo = self.photo["links"]["self"]
        for method, path, allowed in (("PUT", "/photos", {"GET", "HEAD", "POST"}), ("PATCH", photo, {"GET", "DELETE"}),
                                      ("DELETE", "/photos", {"GET", "POST"}), ("POST", photo, {"GET", "DELETE"}),
                                      ("POST", "/", {"GET"}), ("DELETE", "/health", {"GET"}),
                                      ("PUT", f"{photo}/original", {"GET"}), ("TRACE", "/photos", {"GET"})):
            with self.subTest(method=method, path=path):
                answer = self.gallery.request(method, path)
                self.assert_refused(answer, 405, "method_not_allowed")
                self.assertLessEqual(allowed, set(answer.headers["Allow"].split(", ")))
                self.assertNotIn(method, answer.headers["Allow"])

    def test_methods_that_nobody_knows_are_refused(self):
        for method in ("BREW", "get", "PROPFIND", "X" * 100):
            with self.subTest(method=method):
                self.assert_refused(self.gallery.request(method, "/photos"), 501, "not_implemented")
        self.refuse(b"CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example:80\r\n\r\n", 501, "not_implemented")

    def test_head_tells_what_get_would_and_no_body(self):
        for path in ("/photos", self.photo["links"]["original"], "/nothing"):
            head, get = self.gallery.request("HEAD", path), self.gallery.get(path)
            self.assertEqual((head.status, head.body), (get.status, b""))
            self.assertEqual(head.headers["Content-Length"], str(len(get.body)))

    # ---- The header ----

    def test_malformed_request_lines_are_refused(self):
        for line in (b"GET", b"GET /", b"GET / ", b"GET  / HTTP/1.1", b"GET / HTTP/1.1 ", b"GET / HTTP/1.1 x",
                     b" GET / HTTP/1.1", b"GET / http/1.1", b"GET / HTTP/1", b"GET / HTTP/1.10", b"GET / HTTP/x.1",
                     b"G@T / HTTP/1.1", b"GET\t/\tHTTP/1.1", b"GET /a b HTTP/1.1", b"GET /\x01 HTTP/1.1",
                     b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b"\0", b"GET \0 HTTP/1.1",
                     b"\xef\xbb\xbfGET / HTTP/1.1", b"{}", b"GET / HTTP/1.1\rX: y"):
            self.refuse(line + b"\r\nHost: localhost\r\n\r\n")
        self.refuse(b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505, "http_version_not_supported")
        self.refuse(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http_version_not_supported")

    def test_malformed_fields_are_refused(self):
        for field in (b"no colon", b": no name", b"Name : space before the colon", b"Na me: x", b"Na(me: x",
                      b"Name: a\0b", b"Name: a\rb", b"Name: a\nb", b"Name: \x01", b"Name\0: x", b"\xff: x",
                      b"Name: x\r\n folded", b" folded: at once", b"Name: x\n", b"Host: localhost",
                      b"Host: localhost/x"):
            self.refuse(b"GET /hello HTTP/1.1\r\nHost: localhost\r\n" + field + b"\r\n\r\n")
        for host in (b"", b"Host: a b\r\n", b"Host: a/b\r\n", b"Host: user@localhost\r\n", b"Host: a,b\r\n",
                     b"Host: a?b\r\n"):
            self.refuse(b"GET /hello HTTP/1.1\r\n" + host + b"\r\n")
        self.refuse(b"GET /hello HTTP/1.1\r\nHost: localhost\r\nExpect: a miracle\r\n\r\n", 417, "expectation_failed")

    def test_oversized_headers_are_refused(self):
        head = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n"
        self.refuse(b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, "uri_too_long")
        self.refuse(b"GET /" + b"a" * 1_000_000, 414, "uri_too_long")
        large = 431, "request_header_fields_too_large"
        self.refuse(head + b"X: " + b"a" * 17_000 + b"\r\n\r\n", *large)
        self.refuse(head + b"X: " + b"a" * 1_000_000, *large)
        self.refuse(head + b"X: y\r\n" * 101 + b"\r\n", *large)
        self.refuse(head + b"X: y\r\n" * 100_000, *large)
        self.refuse(b"A" * 1_000_000, *large)
        good = raw_http.exchange(self.gallery, head + b"X: " + b"a" * 15_000 + b"\r\n\r\n")
        self.assertEqual(good.status, 200)

    # ---- Where a request ends ----

    def smuggled(self):
        """What the next server would see as a request of its own, were it to read the framing otherwise."""
        return b"DELETE %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % self.photo["links"]["self"].encode()

    def refuse_framing(self, fields, body=b"", version=b"1.1", status=400, code="bad_request"):
        head = b"POST /photos HTTP/" + version + b"\r\nHost: localhost\r\n"
        self.refuse(head + fields + b"\r\n\r\n" + body + self.smuggled(), status, code)

    def test_two_statements_of_the_length_are_refused(self):
        length = b"Content-Length: %d" % len(self.smuggled())
        for fields in (length + b"\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\n" + length,
                       b"Transfer-Encoding: identity\r\n" + length, length + b"\r\n" + length,
                       length + b"\r\nContent-Length: 0", b"Content-Length: 0\r\n" + length,
                       length + b"\r\ncontent-length: 3", b"Content-Length: 3, 3", b"Content-Length: 3,4",
                       b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                       b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"):
            self.refuse_framing(fields, b"0\r\n\r\n")

    def test_odd_ways_to_write_the_length_are_refused(self):
        for fields in (b"Content-Length : 5", b"Content-Length\t: 5", b"Content-Length: +5", b"Content-Length: -5",
                       b"Content-Length: 0x5", b"Content-Length: 5 5", b"Content-Length: 5a", b"Content-Length:",
                       b"Content-Length: 1e1", b"Content-Length: 5.0", b"Content-Length: \x0b5",
                       b"Content-Length: 5\x0c", b"Content-Length: '5'", b"Content-Length: \xef\xbc\x95",
                       b"Content-Length: 99999999999999999999", b"Content-Length: 18446744073709551616",
                       b"X: y\r\n Content-Length: 5", b"X: y\nContent-Length: 5", b"X: y\rContent-Length: 5"):
            self.refuse_framing(fields, b"12345")
        for fields in (b"Transfer-Encoding : chunked", b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunkedx",
                       b"Transfer-Encoding: chunked, chunked",
                       b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: identity",
                       b"Transfer-Encoding: \"chunked\"", b"Transfer-Encoding: chunked;q=1", b"Transfer-Encoding:",
                       b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: chunked\x0c",
                       b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding: chunked\r\n , gzip",
                       b"X: y\n\rTransfer-Encoding: chunked",
                       b"Transfer-Encoding\0: chunked"):
            self.refuse_framing(fields, b"0\r\n\r\n")
        self.refuse_framing(b"Transfer-Encoding: chunked", b"0\r\n\r\n", version=b"1.0")
        self.refuse_framing(b"Transfer-Encoding: gzip, chunked", b"0\r\n\r\n", status=501, code="not_implemented")

    def test_malformed_chunks_are_refused(self):
        for body in (b"5\nhello\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n",
                     b"5\r\nhelloworld\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"-1\r\n", b"+5\r\nhello\r\n",
                     b" 5\r\nhello\r\n0\r\n\r\n", b"g\r\n", b"\r\n5\r\nhello\r\n0\r\n\r\n", b"fffffffffffffffff\r\n",
                     b"5;a=\0\r\nhello\r\n0\r\n\r\n", b"5;a\nb\r\nhello\r\n0\r\n\r\n", b";\r\n"):
            self.refuse_framing(b"Transfer-Encoding: chunked", body)
        long = b"Transfer-Encoding: chunked"
        self.refuse_framing(long, (b"1;" + b"x" * 1000 + b"\r\nh\r\n") * 10)

    def test_ways_to_write_the_length_that_are_allowed_mean_what_they_say(self):
        photo = drawn_photos.png(9, 9)
        chunked = b"%x;note=1\r\n%s\r\n0\r\nTrailer: x\r\n\r\n" % (len(photo), photo)
        for fields, body in ((b"Content-Length:%d" % len(photo), photo),
                             (b"Content-Length: \t%d \t" % len(photo), photo),
                             (b"content-length: 000%d" % len(photo), photo), (b"Transfer-Encoding: chunked", chunked),
                             (b"TRANSFER-ENCODING:\tCHUNKED ", chunked),
                             (b"Transfer_Encoding: x\r\nTransfer-Encoding: ,chunked", chunked)):
            with self.subTest(fields=fields):
                upload = b"POST /photos HTTP/1.1\r\nHost: localhost\r\n" + fields + b"\r\n\r\n" + body
                added, hello = raw_http.exchange_all(self.gallery, upload + GET_HELLO)
                self.assertEqual((added.status, hello.body), (201, b"Hello, weft\n"), added.body)
                self.assertEqual(added.json()["bytes"], len(photo))
                self.assertEqual(self.gallery.delete(added.headers["Location"]).status, 204)

    def test_a_body_that_a_refused_request_brings_is_no_request(self):
        smuggled = self.smuggled()
        for method, path in ((b"GET", b"/photos"), (b"PUT", b"/photos"), (b"POST", b"/nothing"),
                             (b"DELETE", b"/photos/x")):
            head = b"%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (method, path, len(smuggled))
            with self.subTest(head=head):
                answers = raw_http.exchange_all(self.gallery, head + smuggled + GET_HELLO)
                self.assertEqual(len(answers), 2)
                self.assertEqual(answers[1].body, b"Hello, weft\n")


class SendersTest(services.ServicesTest):
    """Who may do what."""

    @classmethod
    def setUpClass(cls):
        cls.moderator = cls.for_class(services.start_moderator)
        cls.folder = cls.folder_for_class()

    def check_refused(self, gallery, photo, headers, status, code):
        for answer in (gallery.upload(drawn_photos.png(9, 9), headers), gallery.delete(photo["links"]["self"], headers),
                       gallery.upload(drawn_photos.noise_png(1000, 1000), headers)):
            with self.subTest(headers=headers):
                self.assert_refused(answer, status, code)
        self.assertEqual(gallery.list(), [photo])

    def check_allowed(self, gallery, headers):
        with self.subTest(headers=headers):
            added = gallery.upload(drawn_photos.png(9, 9), headers)
            self.assertEqual(added.status, 201, added.body)
            self.assertEqual(gallery.delete(added.headers["Location"], headers).status, 204)

    def test_pages_of_other_origins_cannot_change_anything(self):
        gallery = self.for_test(lambda: services.Gallery(self.folder / "origins", self.moderator.url))
        photo = gallery.upload(drawn_photos.png(20, 20)).json()
        own = f"{gallery.host}:{gallery.port}"
        for origin in ("http://evil.example", "null", "", f"http://{gallery.host}", f"http://{gallery.host}:1",
                       f"{own}", f"http://localhost:{gallery.port}", f"http://{own}.evil.example", f"ftp://{own}",
                       f"http://{own}/"):
            self.check_refused(gallery, photo, {"Origin": origin}, 403, "foreign_page")
        for site in ("cross-site", "same-site", "", "nonsense"):
            self.check_refused(gallery, photo, {"Sec-Fetch-Site": site}, 403, "foreign_page")
        for headers in ({"Origin": f"http://{own}"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"},
                        {"Origin": f"http://localhost:{gallery.port}", "Host": f"localhost:{gallery.port}"}):
            self.check_allowed(gallery, headers)

    def test_names_that_others_pointed_here_reach_nothing(self):
        gallery = self.for_test(lambda: services.Gallery(self.folder / "names", self.moderator.url,
                                                         "--host", "photos.example"))
        photo = gallery.upload(drawn_photos.png(20, 20)).json()
        name = f"evil.example:{gallery.port}"
        rebound = {"Host": name, "Origin": f"http://{name}"}
        self.check_refused(gallery, photo, rebound, 403, "unknown_host")
        for path in ("/", "/photos", photo["links"]["original"], "/stats"):
            self.assert_refused(gallery.get(path, rebound), 403, "unknown_host")
        answer = raw_http.exchange(gallery, f"GET http://{name}/photos HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.assert_refused(answer, 403, "unknown_host")
        for name in (f"127.0.0.1:{gallery.port}.evil.example", f"localhost:{gallery.port}.evil.example"):
            for path in ("/", "/photos", photo["links"]["original"]):
                # The server may find that it is no host at all.
                self.assertIn(gallery.get(path, {"Host": name}).status, (400, 403))
            answer = gallery.upload(drawn_photos.png(8, 8), {"Host": name, "Origin": f"http://{name}"})
            self.assertIn(answer.status, (400, 403))
        self.check_allowed(gallery, {"Host": f"photos.example:{gallery.port}"})

    def test_old_clients_and_full_names_are_answered(self):
        gallery = self.for_test(lambda: services.Gallery(self.folder / "old", self.moderator.url))
        self.assertEqual(raw_http.exchange(gallery, b"GET /photos HTTP/1.0\r\n\r\n").status, 200)
        self.check_allowed(gallery, {"Host": f"localhost.:{gallery.port}"})
        self.check_allowed(gallery, {"Host": "localhost."})

    def test_on_another_address_writes_need_the_token(self):
        token = "0123456789abcdef0123456789abcdef"
        token_file = self.folder / "token"
        token_file.write_text(token + "\n")
        gallery = self.for_test(lambda: services.Gallery(self.folder / "tokens", self.moderator.url, "--address",
                                                         "0.0.0.0", "--token-file", token_file))
        bearer = {"Authorization": f"Bearer {token}"}
        photo = gallery.upload(drawn_photos.png(20, 20), bearer).json()
        for value in (None, "", "Bearer", "Bearer ", f"Bearer {token[:-1]}", f"Bearer {token}0", f"Bearer  {token}",
                      token, f"Basic {token}", f"Bearer {token.upper()}", "Bearer " + "x" * 10_000):
            headers = {} if value is None else {"Authorization": value}
            self.check_refused(gallery, photo, headers, 401, "token_needed")
            self.check_allowed(gallery, bearer)  # before they are too many guesses
        self.assertEqual(gallery.upload(b"x").headers["WWW-Authenticate"], "Bearer")
        self.assertEqual(gallery.get(photo["links"]["original"]).status, 200)
        self.check_allowed(gallery, bearer)
        self.check_allowed(gallery, {"Authorization": f"bearer {token}"})
        self.check_refused(gallery, photo, {**bearer, "Origin": "http://evil.example"}, 403, "foreign_page")

    def test_guesses_of_the_token_are_slowed_down(self):
        token_file = self.folder / "guessed"
        token_file.write_text("0123456789abcdef\n")
        gallery = self.for_test(lambda: services.Gallery(self.folder / "guesses", self.moderator.url, "--token-file",
                                                         token_file))
        # The first free ones, then one more each time that the wait is over: no machine is so slow that all are.
        answers = [gallery.delete(f"/photos/{'0' * 32}", {"Authorization": f"Bearer {number:016}"})
                   for number in range(40)]
        self.assertEqual([answer.status for answer in answers[:5]], [401] * 5)
        self.assertIn(429, [answer.status for answer in answers])
        refused = next(answer for answer in answers if answer.status == 429)
        self.assert_refused(refused, 429, "too_many_guesses")
        self.assertGreater(int(refused.headers["Retry-After"]), 0)
        self.assertEqual(gallery.get("/photos").status, 200, "reading needs no token")


if __name__ == "__main__":
    services.run_tests()
