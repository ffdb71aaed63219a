"""How long the gallery's GET /photos takes while clients upload 12-megapixel photos without pause."""

import http.client
import multiprocessing
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import time
import urllib.parse

from .programs import failed
from .servers import server

UPLOADERS = 4


def draw_photo(keep_at):
    """A JPEG of 4,000 by 3,000 pixels with something like a photo's detail."""
    if keep_at.is_file():
        return keep_at.read_bytes()
    if not shutil.which("cjpeg"):
        raise failed("cjpeg is not installed (libjpeg-turbo-progs)")
    source = random.Random(1)
    row = bytes(source.randrange(256) for _ in range(4000 * 3))
    picture = bytearray(b"P6\n4000 3000\n255\n")
    soft = b""
    for y in range(3000):
        shift = (y // 8 * 37) % 12000
        if y % 8 == 0:
            soft = bytes((a + 3 * b) // 4 for a, b in zip(row[:600], row[1:601]))
        picture += row[shift:] + row[:shift] if y % 16 == 0 else (soft * 20)[:12000]
    photo = subprocess.run(["cjpeg", "-quality", "85"], input=picture, check=True, capture_output=True).stdout
    keep_at.write_bytes(photo)
    return photo


def distinct(photo):
    """The same picture as another file: with a comment of its own."""
    return photo[:2] + b"\xff\xfe\x00\x22" + os.urandom(32) + photo[2:]


def upload(port, photo, stop, uploaded):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    while not stop.is_set():
        try:
            connection.request("POST", "/photos", distinct(photo))
            answer = connection.getresponse()
            answer.read()
            if answer.status == 201:
                with uploaded.get_lock():
                    uploaded.value += 1
            if answer.will_close:
                connection.close()
        except (http.client.HTTPException, OSError):
            connection.close()


def list_photos(port, seconds):
    """Milliseconds, sorted, of one request every 5 ms."""
    taken = []
    end = time.monotonic() + seconds
    connection = http.client.HTTPConnection("127.0.0.1", port)
    while time.monotonic() < end:
        began = time.monotonic()
        connection.request("GET", "/photos?limit=20")
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise failed(f"GET /photos answered {answer.status}")
        taken.append((time.monotonic() - began) * 1000)
        if answer.will_close:
            connection.close()
        time.sleep(0.005)
    return sorted(taken)


def list_under_uploads(build, model, photo_at, seconds=10):
    photo = draw_photo(photo_at)
    with tempfile.TemporaryDirectory() as folder, \
            server([build / "examples/moderator/moderator", "--port", "0"]) as moderator, \
            server([build / "examples/gallery/gallery", "--port", "0", "--model", model, "--data",
                    pathlib.Path(folder) / "data", "--moderator", moderator]) as gallery:
        port = urllib.parse.urlsplit(gallery).port
        stop, uploaded = multiprocessing.Event(), multiprocessing.Value("i", 0)
        uploaders = [multiprocessing.Process(target=upload, args=(port, photo, stop, uploaded))
                     for _ in range(UPLOADERS)]
        for each in uploaders:
            each.start()
        try:
            while uploaded.value < UPLOADERS:  # warm
                time.sleep(0.01)
            before = uploaded.value
            taken = list_photos(port, seconds)
            rate = (uploaded.value - before) / seconds
        finally:
            stop.set()
            for each in uploaders:
                each.join()
    return {"list_under_uploads_p99_ms": taken[min(len(taken) - 1, len(taken) * 99 // 100)],
            "list_under_uploads_rate": rate}
