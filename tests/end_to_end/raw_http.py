"""HTTP as no client library sends it."""

import http.client
import io
import socket

import services


class _Received:
    """What http.client reads an answer from."""

    def __init__(self, stream):
        self._stream = stream

    def makefile(self, *_):
        return self._stream


def connect(gallery):
    return socket.create_connection((gallery.host, gallery.port), timeout=services.PATIENCE_S)


def send(connection, data):
    """Sends until the other side takes no more: it may answer before it has seen all."""
    try:
        connection.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def receive_all(connection):
    """Everything up to the end of the connection."""
    pieces = []
    try:
        while piece := connection.recv(1 << 16):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


class _KeptOpen(io.BytesIO):
    """http.client closes what it reads from after each answer."""

    def close(self):
        pass


def parse_answers(data):
    """The answers in what a connection said, one after the other. Fails if it ends within one."""
    stream = _KeptOpen(data)
    answers = []
    while stream.tell() < len(data):
        response = http.client.HTTPResponse(_Received(stream))
        response.begin()
        answers.append(services.Answer(response.status, response.headers, response.read()))
    return answers


def read_answer(connection):
    """The next answer, and no byte more."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return services.Answer(response.status, response.headers, response.read())


def exchange(gallery, data):
    """Sends bytes and says what the answer to them is."""
    with connect(gallery) as connection:
        send(connection, data)
        return read_answer(connection)


def exchange_all(gallery, data):
    """Sends bytes and nothing more, and says what the answers to them are, up to the end of the connection."""
    with connect(gallery) as connection:
        send(connection, data)
        connection.shutdown(socket.SHUT_WR)
        return parse_answers(receive_all(connection))
