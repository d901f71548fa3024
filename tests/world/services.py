"""What answers in the world, one function for each protocol: each takes a connection until it has ended."""

import json
import ssl

CREDENTIALS = b"SECRET-CREDENTIALS"
REDIRECTS = {
    "/redirect-to-metadata": "http://169.254.169.254/latest/meta-data/",
    "/redirect-to-other": "http://other.world.test/",
    "/redirect-to-loopback": "http://127.0.0.1:9000/",
}
PAGES = {
    "/left-pad": b'{"name": "left-pad", "dist-tags": {"latest": "1.3.0"}}',
    "/debian/dists/stable/Release": b"Origin: World\nSuite: stable\n",
}


def head_of(reader):
    """The first line and the headers of a request; `None` at the end."""
    first = reader.readline(65536).decode("latin-1").split()
    if len(first) != 3:
        return None
    headers = {}
    while line := reader.readline(65536).decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return first[0], first[1], headers


def response(method, path, headers, where):
    if path in REDIRECTS:
        return "302 Found", f"Location: {REDIRECTS[path]}\r\n", b""
    if path in PAGES:
        return "200 OK", "", PAGES[path]
    seen = {"server": where, "method": method, "path": path, "host": headers.get("host")}
    return "200 OK", "", json.dumps(seen).encode()


def http(stream, local, peer, log):
    """Echoes what was asked for; keeps the connection."""
    name = "https" if isinstance(stream, ssl.SSLSocket) else "http"
    with stream.makefile("rb") as reader:
        while request := head_of(reader):
            method, path, headers = request
            reader.read(int(headers.get("content-length", 0)))
            log.add("request", local, peer, path=path, host=headers.get("host"), over=name)
            status, more, body = response(method, path, headers, local)
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
            stream.sendall(head.encode() + body)


def metadata(stream, _local, _peer, _log):
    """The credentials, whatever is asked for."""
    stream.recv(65536)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(CREDENTIALS)}\r\nConnection: close\r\n\r\n"
    stream.sendall(head.encode() + CREDENTIALS)


def echo(stream, _local, _peer, _log):
    while data := stream.recv(65536):
        stream.sendall(data)


def ssh(stream, _local, _peer, _log):
    stream.sendall(b"SSH-2.0-World\r\n")
    stream.recv(65536)


def pong(stream, _local, _peer, _log):
    stream.recv(65536)
    stream.sendall(b"PONG")
