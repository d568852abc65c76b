"""A load balancer: it passes connections on, and says before their first byte for whom, by the
PROXY protocol, version 2.

    with Balancer(broker_port, header("203.0.113.7")) as balancer:
        ...                                    # clients connect to balancer.port
"""

import ipaddress
import socket
import struct
import threading

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"


def header(source: str, tlvs: bytes = b"") -> bytes:
    """The header of a TCP connection from the address, of IPv4 or IPv6."""
    address = ipaddress.ip_address(source)
    destination = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    family = 0x11 if address.version == 4 else 0x21
    rest = address.packed + destination.packed + struct.pack(">HH", 56324, 9092) + tlvs
    return SIGNATURE + struct.pack(">BBH", 0x21, family, len(rest)) + rest


class Balancer:
    def __init__(self, target: int, says: bytes):
        self.target = target
        self.says = says
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lines: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Balancer":
        return self

    def __exit__(self, *_) -> None:
        for line in (self.listener, *self.lines):
            try:
                line.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended by itself
            line.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target), 5)
            except OSError:
                return
            server.settimeout(None)
            server.sendall(self.says)
            self.lines += [client, server]
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            target.close()
