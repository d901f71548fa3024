"""The world outside of the jail, on the loopback of a network namespace: python3 -B world.py FOLDER

Prints `ready` once everything listens, and ends when its stdin does. FOLDER gets the certificates, `docker.sock`,
and `log.sock`, which answers with the log: a line of JSON for each connection, datagram, query and request. All
listeners are accepted from in one loop, the log's last: whatever came before a reader is in what it reads.
"""

import json
import os
import selectors
import socket
import ssl
import subprocess
import sys
import threading

import names
import services

PUBLIC = ["203.0.113.10", "203.0.113.11", "198.51.100.7", "2001:db8::10"]
INNER = ["10.20.30.40", "fd00::10", "198.18.7.7", "127.0.0.1", "::1"]
METADATA = ["169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::"]
NAME_SERVER = "203.0.113.53"
OTHER_NAME_SERVER = "198.51.100.7"
ALL_LOCAL_GROUP = "224.0.0.251"


class Log:
    """Lines in memory."""

    def __init__(self):
        self.lines = []

    def add(self, server, local, peer, **more):
        self.lines.append(json.dumps({"server": server, "local": local, "peer": peer, **more}))

    def serve(self, stream, *_):
        stream.sendall("\n".join([*self.lines, ""]).encode())


def certificates(folder):
    """A certificate authority, and one certificate for every name of the world. Returns the server's context."""
    at = lambda name: os.path.join(folder, name)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    hosts = ["world.test", "*.world.test", "*.wild.world.test", "*.rebind.world.test"]
    san = "subjectAltName=" + ",".join(f"DNS:{host}" for host in hosts)
    run = lambda *words: subprocess.run(
        ["openssl", "req", "-x509", *key, *words], check=True, capture_output=True
    )
    run("-subj", "/CN=World CA", "-keyout", at("ca.key"), "-out", at("ca.pem"))
    issued = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-addext", "basicConstraints=CA:FALSE"]
    run("-subj", "/CN=world.test", "-addext", san, *issued, "-keyout", at("key.pem"), "-out", at("cert.pem"))
    os.chmod(at("ca.pem"), 0o644)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(at("cert.pem"), at("key.pem"))
    return context


class World:
    def __init__(self, folder):
        self.log = Log()
        self.loop = selectors.DefaultSelector()
        self.tls = certificates(folder)
        zone = os.path.join(os.path.dirname(os.path.abspath(__file__)), "zone.json")
        with open(zone, encoding="utf-8") as text:
            self.names = names.NameServer(names.Zone(json.load(text)), self.log)
        self.log_listener = None
        self.open(folder)

    def open(self, folder):
        for address in [*PUBLIC, *INNER]:
            self.tcp("http", address, 80, services.http)
            self.tcp("https", address, 443, self.https)
            self.tcp("echo", address, 7000, services.echo)
            self.tcp("ssh", address, 22, services.ssh)
            self.udp("quic", address, 443)
        for address in METADATA:
            self.tcp("metadata", address, 80, services.metadata)
        self.tcp("loopback", "127.0.0.1", 9000, services.http)
        for address in (NAME_SERVER, OTHER_NAME_SERVER):
            self.tcp("dns-tcp", address, 53, lambda s, l, p, _: self.names.serve(s, l, p))
            self.udp("dns-udp", address, 53)
        self.udp("multicast", ALL_LOCAL_GROUP, 5353)
        self.unix("abstract", "\0world-dbus", services.pong)
        self.unix("docker", os.path.join(folder, "docker.sock"), services.pong)
        self.log_listener = self.unix("log", os.path.join(folder, "log.sock"), self.log.serve)

    def tcp(self, name, address, port, handler):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        return self.listen(name, listener, handler)

    def unix(self, name, path, handler):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        if path[0] != "\0":
            os.chmod(path, 0o666)
        return self.listen(name, listener, handler)

    def listen(self, name, listener, handler):
        listener.listen(64)
        listener.setblocking(False)
        self.loop.register(listener, selectors.EVENT_READ, (name, handler))
        return listener

    def udp(self, name, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        receiver = socket.socket(family, socket.SOCK_DGRAM)
        receiver.bind((address, port))
        if address == ALL_LOCAL_GROUP:
            group = socket.inet_aton(address) + socket.inet_aton("203.0.113.10")
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        receiver.setblocking(False)
        self.loop.register(receiver, selectors.EVENT_READ, (name, None))

    def https(self, stream, local, peer, log):
        with self.tls.wrap_socket(stream, server_side=True) as wrapped:
            services.http(wrapped, local, peer, log)

    def run(self):
        print("ready", flush=True)
        self.loop.register(sys.stdin, selectors.EVENT_READ, None)
        while True:
            # The log's reader comes last, so that it reads of all the others.
            ready = sorted(self.loop.select(), key=lambda one: one[0].fileobj is self.log_listener)
            for key, _ in ready:
                if key.data is None:
                    return
                self.take(key.fileobj, *key.data)

    def take(self, ready, name, handler):
        if handler is None:
            self.datagrams(ready, name)
            return
        while True:
            try:
                stream, peer = ready.accept()
            except BlockingIOError:
                return
            local, peer = names.as_text(stream.getsockname()), names.as_text(peer)
            if name != "log":
                self.log.add(name, local, peer)
            stream.setblocking(True)
            threading.Thread(
                target=connection, args=(stream, handler, local, peer, self.log), daemon=True
            ).start()

    def datagrams(self, receiver, name):
        local = names.as_text(receiver.getsockname())
        while True:
            try:
                packet, peer = receiver.recvfrom(65536)
            except BlockingIOError:
                return
            self.log.add(name, local, names.as_text(peer))
            replies = [b"PONG"]
            if name == "dns-udp":
                replies = self.names.answers(packet, local, names.as_text(peer))
            for reply in replies:
                receiver.sendto(reply, peer)


def connection(stream, handler, local, peer, log):
    with stream:
        try:
            stream.settimeout(20)
            handler(stream, local, peer, log)
        except (OSError, ValueError):
            pass  # a client that broke off, or one that talks nonsense


if __name__ == "__main__":
    World(sys.argv[1]).run()
