"""What a Python program asks of the network, by the standard library alone.

python.py CERTIFICATE-OF-THE-AUTHORITY
"""
import errno
import hashlib
import json
import os
import select
import socket
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request

AUTHORITY = sys.argv[1]
API = "api.test.example"
CASES = []


def test(name):
    def add(body):
        CASES.append((name, body))
        return body

    return add


def echoed(stream, words=b"hello"):
    stream.sendall(words)
    return stream.recv(100).decode()


def outcome(number):
    return errno.errorcode.get(number, "0" if number == 0 else str(number))


@test("a blocking connect")
def _():
    with socket.create_connection((API, 8090)) as stream:
        return echoed(stream)


@test("a connect without blocking, with epoll registered before it")
def _():
    address = socket.gethostbyname(API)
    with socket.socket() as stream, select.epoll() as poll:
        stream.setblocking(False)
        poll.register(stream, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
        started = stream.connect_ex((address, 8090))
        ready = poll.poll(5)
        while not any(events & select.EPOLLOUT and not events & select.EPOLLHUP for _, events in ready):
            ready = poll.poll(5)
        error = stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        stream.send(b"hello")
        while not any(events & select.EPOLLIN for _, events in poll.poll(5)):
            pass
        return f"{outcome(started)} {outcome(error)} {stream.recv(100).decode()}"


@test("a connect with a timeout")
def _():
    with socket.create_connection((API, 8090), timeout=5) as stream:
        return echoed(stream)


@test("a second connect")
def _():
    address = socket.gethostbyname(API)
    with socket.socket() as stream:
        stream.connect((address, 8090))
        return outcome(stream.connect_ex((address, 8090)))


@test("a bind to no address and port before the connect")
def _():
    address = socket.gethostbyname(API)
    with socket.socket() as stream:
        stream.bind(("0.0.0.0", 0))
        stream.connect((address, 8090))
        return echoed(stream)


@test("the address of the other end")
def _():
    with socket.create_connection((API, 8090)) as stream:
        return stream.getpeername()[0]


@test("the other end is the address that the name has")
def _():
    with socket.create_connection((API, 8090)) as stream:
        return str(stream.getpeername()[0] == socket.gethostbyname(API))


@test("the socket's options stay as set")
def _():
    with socket.create_connection((API, 8090)) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        nodelay = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        return f"{nodelay} {stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)} {echoed(stream)}"


@test("an IPv6 socket and an IPv4-mapped address")
def _():
    found = socket.getaddrinfo(API, 8090, socket.AF_INET6, socket.SOCK_STREAM, 0, socket.AI_V4MAPPED)
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as stream:
        stream.connect(found[0][4])
        return f"{found[0][4][0].startswith('::ffff:')} {echoed(stream)}"


@test("a name with an IPv6 address alone, asked for IPv6")
def _():
    return socket.getaddrinfo("six.test.example", 8090, socket.AF_INET6, socket.SOCK_STREAM)[0][4][0]


@test("a name with an IPv6 address alone, whatever it has")
def _():
    with socket.create_connection(("six.test.example", 8090)) as stream:
        return echoed(stream)


@test("an IPv6 address that no name stands for")
def _():
    with socket.create_connection(("2001:db8::10", 8090), timeout=5) as stream:
        return echoed(stream)


@test("an IPv4 address that no name stands for")
def _():
    with socket.create_connection(("203.0.113.10", 8090), timeout=5) as stream:
        return echoed(stream)


@test("getaddrinfo of an allowed name: one address, all kinds of sockets")
def _():
    found = socket.getaddrinfo(API, 80)
    return f"{len({address for *_, address in found})} {sorted({kind.name for _, kind, *_ in found})}"


@test("getaddrinfo of an unknown name")
def _():
    try:
        return str(socket.getaddrinfo("nowhere.test.example", 80))
    except socket.gaierror as error:
        return str(error.errno == socket.EAI_NONAME)


@test("getaddrinfo of a name that is not allowed")
def _():
    return str(len(socket.getaddrinfo("denied.test.example", 80, type=socket.SOCK_STREAM)))


@test("getaddrinfo of a name that --add-host gives")
def _():
    return str(len(socket.getaddrinfo("static.test.example", 80, type=socket.SOCK_STREAM)))


@test("ten threads look up names at once")
def _():
    found = []
    threads = [threading.Thread(target=lambda: found.append(socket.gethostbyname(API))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return f"{len(found)} {len(set(found))}"


@test("a connection that says nothing")
def _():
    socket.create_connection((API, 80)).close()
    return "closed"


@test("urllib: http")
def _():
    return json.load(urllib.request.urlopen(f"http://{API}/echo"))["method"]


@test("urllib: https")
def _():
    context = ssl.create_default_context(cafile=AUTHORITY)
    return json.load(urllib.request.urlopen(f"https://{API}/echo", context=context))["method"]


@test("urllib: https, with an authority that is unknown")
def _():
    try:
        return str(urllib.request.urlopen(f"https://{API}/echo").status)
    except urllib.error.URLError as error:
        return type(error.reason).__name__


def handshake(name, size):
    """A TLS handshake with the hello in pieces of that size."""
    context = ssl.create_default_context(cafile=AUTHORITY)
    arrives, leaves = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(arrives, leaves, server_hostname=name)
    with socket.create_connection((API, 443)) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                tls.do_handshake()
                return tls.version()
            except ssl.SSLWantReadError:
                bytes_out = leaves.read()
                for start in range(0, len(bytes_out), size):
                    stream.sendall(bytes_out[start : start + size])
                    time.sleep(0.001)
                arrives.write(stream.recv(65536))


@test("tls: a hello in pieces of seven bytes")
def _():
    return handshake(API, 7)


@test("tls: a name in capitals")
def _():
    return handshake("API.Test.EXAMPLE", 65536)


@test("tls: another protocol on its port")
def _():
    with socket.create_connection((API, 443)) as stream:
        stream.sendall(b"SSH-2.0-client\r\n")
        return str(stream.recv(10)[:1])


@test("urllib: 64 MB down, with their checksum")
def _():
    answer = urllib.request.urlopen(f"http://{API}/big")
    hashed = hashlib.sha256()
    while part := answer.read(1 << 20):
        hashed.update(part)
    return str(hashed.hexdigest() == answer.headers["x-sha256"])


@test("urllib: 10 MB up, with their checksum")
def _():
    body = os.urandom(10 << 20)
    told = json.load(urllib.request.urlopen(f"http://{API}/sink", data=body))
    return str(told["sha256"] == hashlib.sha256(body).hexdigest())


@test("a port where nobody listens")
def _():
    # A reset right after the connection was made shows in the connect itself, or only after it.
    with socket.socket() as stream:
        address = socket.gethostbyname(API)
        number = stream.connect_ex((address, 8099))
        return outcome(number) if number else ended(stream)


@test("a port that is not allowed")
def _():
    with socket.create_connection((API, 8091), timeout=5) as stream:
        return echoed(stream)


@test("a reset by the client ends the other side")
def _():
    with socket.create_connection((API, 8090)) as stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        return echoed(stream)


@test("a datagram and its answer")
def _():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        stream.settimeout(1)
        stream.connect(("203.0.113.10", 9999))
        return echoed(stream)


@test("a question of its own to the name server, for a name that is not allowed")
def _():
    question = b"\0\1\1\0\0\1\0\0\0\0\0\0\6denied\4test\7example\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        stream.settimeout(1)
        stream.sendto(question, ("203.0.113.53", 53))
        reply = stream.recv(512)
        return f"code {reply[3] & 15}, answers {reply[7]}"


@test("getaddrinfo of an allowed name, for the addresses that this machine has")
def _():
    return str(len(socket.getaddrinfo(API, 80, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)))


@test("the name of an address")
def _():
    try:
        return socket.gethostbyaddr(socket.gethostbyname(API))[0]
    except socket.herror:
        return "none"


def ended(stream):
    try:
        return repr(stream.recv(1))
    except OSError as error:
        return outcome(error.errno)


def reason(error):
    if isinstance(error, socket.gaierror):
        return {-2: "EAI_NONAME", -5: "EAI_NODATA", -3: "EAI_AGAIN", -4: "EAI_FAIL"}.get(error.errno, str(error))
    if isinstance(error, urllib.error.URLError):
        return reason(error.reason)
    if isinstance(error, OSError) and error.errno:
        return outcome(error.errno)
    return f"{type(error).__name__}: {error}"


socket.setdefaulttimeout(10)
for name, body in CASES:
    try:
        told = {"case": name, "ok": True, "detail": body()}
    except Exception as error:  # whatever it is, it is told
        told = {"case": name, "ok": False, "detail": reason(error)}
    print(json.dumps(told), flush=True)
