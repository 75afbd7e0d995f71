"""A guest of a job's meeting that speaks as src/launch/proof.h says, or not quite so."""

import hashlib
import hmac
import os
import pathlib
import re
import socket
import struct
import subprocess
import time

from conftest import INGOT, ROOT

VERSION = re.search(r"project\(ingot VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
TOKEN = "a secret of the test"


def pack(*texts):
    body = b"".join(struct.pack("<I", len(text)) + text.encode() for text in texts)
    return struct.pack("<I", len(body)) + body


def receive(connection):
    """The next message; nothing when the other side has closed."""
    def exactly(count):
        data = b""
        while len(data) < count:
            more = connection.recv(count - len(data))
            if not more:
                return None
            data += more
        return data
    head = exactly(4)
    body = head and exactly(struct.unpack("<I", head)[0])
    if body is None:
        return None
    texts = []
    while body:
        size = struct.unpack("<I", body[:4])[0]
        texts.append(body[4:4 + size].decode())
        body = body[4 + size:]
    return texts


def connect(host, port, seconds=30):
    """A connection, as soon as somebody listens."""
    end = time.monotonic() + seconds
    while True:
        try:
            connection = socket.create_connection((host, port), timeout=20)
            return connection
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def greet(connection, token=TOKEN, version=VERSION):
    """What the meeting answers to a guest of this token and version."""
    _, nonce = receive(connection)
    proof = hmac.new(token.encode(), f"guest\n{nonce}\nmine\n{version}".encode(), hashlib.sha256).hexdigest()
    connection.sendall(pack("hello", version, "mine", proof))
    return receive(connection)


class Said:
    """A program that runs, and what it says, in a file."""

    def __init__(self, file, *arguments, environment=None, prefix=()):
        self.file = pathlib.Path(file)
        self.begin = time.monotonic()
        with open(self.file, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen([*prefix, INGOT, *map(str, arguments)], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT,
                                            env={**os.environ, **(environment or {})})

    def text(self):
        return self.file.read_text(errors="replace")

    def wait_for(self, pattern, seconds=60):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text()):
            assert time.monotonic() < end and self.process.poll() is None, f"it did not say {pattern}:\n{self.text()[-3000:]}"
            time.sleep(0.05)

    def end(self, seconds=120):
        """Its exit code."""
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it ran longer than {seconds} s:\n{self.text()[-3000:]}") from None

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
