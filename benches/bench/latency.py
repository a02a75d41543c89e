"""A proxy that delays each request to a registry, as a network does."""

import socket
import threading
import time

from .registry import Registry


class DelayedRegistry:
    """A registry behind a proxy that holds each request for `delay` seconds, and counts requests and the bytes of answers."""

    def __init__(self, registry: Registry, delay: float):
        host, port = registry.name.split(":")
        self.upstream = (host, int(port))
        self.delay = delay
        self.requests = 0
        self.bytes = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.name = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self) -> "DelayedRegistry":
        return self

    def __exit__(self, *_) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.upstream)
            for connection in (client, server):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for pass_on in (self.pass_requests, self.pass_answers):
                threading.Thread(target=pass_on, args=(client, server), daemon=True).start()

    def pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        for data in received(client):
            # No content of a measurement has these bytes.
            begun = data.count(b" HTTP/1.1\r\n")
            if begun:
                time.sleep(self.delay)
            with self.lock:
                self.requests += begun
            server.sendall(data)
        close_writing(server)

    def pass_answers(self, client: socket.socket, server: socket.socket) -> None:
        for data in received(server):
            with self.lock:
                self.bytes += len(data)
            try:
                client.sendall(data)
            except OSError:
                break
        close_writing(client)


def received(connection: socket.socket):
    while True:
        try:
            data = connection.recv(1 << 18)
        except OSError:
            return
        if not data:
            return
        yield data


def close_writing(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass
