#!/usr/bin/env python3
"""Captures what kcat (librdkafka) sends: a server that answers just enough to be sent the rest.

  capture.py > librdkafka-2.0.2.txt

Each line: what kcat was asked, API key, version, the request frame in hex (header included).
kcat produces one batch of two records with each codec, then joins a group and is left waiting.
"""

import socket
import struct
import subprocess
import threading

HOST, PORT = "127.0.0.1", 39092
# key: (min, max) as announced; the ranges that librdkafka's feature probes look for.
RANGES = {0: (0, 7), 1: (4, 11), 2: (1, 2), 3: (0, 4), 8: (2, 7), 9: (1, 7), 10: (0, 2), 11: (0, 5),
          12: (0, 3), 13: (0, 1), 14: (0, 3), 18: (0, 3), 22: (0, 1)}


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


def api_versions(version):
    if version < 3:
        keys = b"".join(struct.pack(">hhh", k, *r) for k, r in RANGES.items())
        throttle = struct.pack(">i", 0) if version else b""
        return struct.pack(">hi", 0, len(RANGES)) + keys + throttle
    keys = b"".join(struct.pack(">hhh", k, *r) + b"\0" for k, r in RANGES.items())
    return struct.pack(">hB", 0, len(RANGES) + 1) + keys + struct.pack(">iB", 0, 0)


def metadata():
    broker = struct.pack(">i", 1) + text(HOST) + struct.pack(">ih", PORT, -1)
    partition = struct.pack(">hiiiiii", 0, 0, 1, 1, 1, 1, 1)
    topic = struct.pack(">h", 0) + text("golden") + struct.pack(">bi", 0, 1) + partition
    return (struct.pack(">ii", 0, 1) + broker + text("c") + struct.pack(">ii", 1, 1) + topic)


def produce():
    answer = struct.pack(">ihqqq", 0, 0, 0, -1, 0)
    one = struct.pack(">i", 1)
    return one + text("golden") + one + answer + struct.pack(">i", 0)


def coordinator():
    return struct.pack(">ihhi", 0, 0, -1, 1) + text(HOST) + struct.pack(">i", PORT)


def serve(client, label, seen):
    """Answers one connection; prints each kind of request once per label."""
    def exactly(n):
        data = b""
        while len(data) < n:
            more = client.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    try:
        while True:
            frame = exactly(struct.unpack(">i", exactly(4))[0])
            key, version, correlation = struct.unpack(">hhi", frame[:8])
            if key not in seen:
                seen.add(key)
                print(label, key, version, frame.hex(), flush=True)
            body = {0: produce, 3: metadata, 10: coordinator,
                    18: lambda: api_versions(version)}.get(key)
            if body:
                answer = struct.pack(">i", correlation) + body()
                client.sendall(struct.pack(">i", len(answer)) + answer)
    except (EOFError, OSError):
        client.close()


def run(label, seen, *arguments, stdin=None):
    server = socket.create_server((HOST, PORT))

    def accept():
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client, label, seen), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        subprocess.run(["kcat", "-b", f"{HOST}:{PORT}", *arguments], input=stdin, timeout=6,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        pass  # a consumer has no reason to end
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def main():
    records = (b"key-1:" + b"value " * 50 + b"\nkey-2:second\n")
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        known = set() if codec == "none" else {3, 18}
        run(codec, known, "-P", "-t", "golden", "-p", "0", "-K:", "-H", "origin=kcat", "-z", codec,
            "-X", "linger.ms=200", stdin=records)
    run("consume", {3, 18}, "-C", "-t", "golden", "-p", "0", "-o", "5")
    run("group", {3, 18}, "-G", "golden-group", "golden")


if __name__ == "__main__":
    main()
