"""What a workload may try on the network, one act a run: actor.py VERB ARGUMENTS

Prints `ok ...` with what came of it, the name of an errno, or `refused: ...`; then how long it took, in seconds.
"""

import errno
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.error
import urllib.request

import hello
from inside import adds_address, reconnects, takes

PATIENCE = 5


class Refused(Exception):
    """Not an errno: what the other side did."""


def dial(host, port, kind=socket.SOCK_STREAM, proto=0):
    """A connection to the first address that takes it. Any spelling that getaddrinfo knows is a host."""
    last = None
    for family, _, _, _, address in socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM):
        stream = socket.socket(family, kind, proto)
        stream.settimeout(PATIENCE)
        try:
            stream.connect(address)
            return stream
        except OSError as error:
            last = error
    raise last


def text_of(written):
    """Escapes as in \\r\\n."""
    return written.encode().decode("unicode_escape").encode("latin-1")


def received(stream):
    """The first bytes of an answer; that there are none is a refusal."""
    data = stream.recv(65536)
    if not data:
        raise Refused("closed")
    return data


def response(stream):
    """The status and the body of an answer, in one line."""
    data = received(stream)
    while b"\r\n\r\n" not in data:
        data += received(stream)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0]):
        body += received(stream)
    return head.split()[1].decode() + " " + body.decode("latin-1").replace("\n", " ")


def get(host, path="/"):
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def http(host, port, path="/"):
    stream = dial(host, port)
    stream.sendall(get(host, path))
    return response(stream)


def raw(host, port, *requests):
    """Each request once the one before it is answered; the last one's answer counts."""
    stream = dial(host, port)
    for request in requests:
        stream.sendall(text_of(request))
        answer = response(stream)
    return answer


def at_once(host, port, *requests):
    """All requests in one write; the last one's answer counts."""
    stream = dial(host, port)
    stream.sendall(b"".join(map(text_of, requests)))
    with stream.makefile("rb") as reader:
        for _ in requests:
            head = b"".join(iter(reader.readline, b"\r\n"))
            if not head:
                raise Refused("closed")
            body = reader.read(int(head.lower().partition(b"content-length:")[2].split()[0]))
    return body.decode("latin-1")


def https(host, port, ca, path="/", name=None):
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = name is None
    with context.wrap_socket(dial(host, port), server_hostname=name or host) as stream:
        stream.sendall(get(host, path))
        return response(stream)


def client_hello(host, port, name, *kinds):
    """A hello that was made by hand. Any answer means that it arrived, an alert too."""
    stream = dial(host, port)
    made = hello.make(text_of(name), kinds)
    if "bytes" in kinds:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in made:
            stream.sendall(bytes([byte]))
    else:
        stream.sendall(made)
    answer = received(stream)
    return {0x16: "hello", 0x15: "alert"}.get(answer[0], repr(answer))


def ask(host, port, words="ping"):
    stream = dial(host, port)
    stream.sendall(words.encode())
    return received(stream).decode("latin-1").strip()


def bulk(host, port, megabytes):
    """Sends so much to one that echoes, ends its half, and reads until the other one has ended."""
    sent = os.urandom(1 << 20) * int(megabytes)
    stream = dial(host, port)

    def send():
        stream.sendall(sent)
        stream.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    with stream.makefile("rb") as reader:
        back = reader.read()
    sender.join()
    return "the same" if back == sent else f"{len(back)} of {len(sent)} bytes"


def banner(host, port):
    return received(dial(host, port)).decode("latin-1").strip()


def connects(host, port):
    dial(host, port)
    return ""


def ask_address(family, address, port):
    """Without getaddrinfo."""
    stream = socket.socket(getattr(socket, family), socket.SOCK_STREAM)
    stream.settimeout(PATIENCE)
    stream.connect((address, int(port)))
    stream.sendall(get(address))
    return response(stream)


def follow(url):
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return answer.read().decode("latin-1")
    except urllib.error.URLError as error:
        raise error.reason if isinstance(error.reason, OSError) else error


def twice(host, port):
    """Two requests, each with a look-up of its own; the second one's answer counts."""
    http(host, port)
    return http(host, port)


def lookup(name):
    found = {address[0] for *_, address in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)}
    return " ".join(sorted(found))


def labels(suffix, count, length):
    """Names that carry data; how many of them are answered."""
    answered = 0
    for number in range(int(count)):
        payload = os.urandom(40).hex()[: int(length)]
        try:
            socket.getaddrinfo(f"{payload}{number}.{suffix}", 80, socket.AF_INET)
            answered += 1
        except socket.gaierror:
            pass
    return f"{answered} answered"


def records(suffix, count, kind):
    """Queries for names that carry data; how many are answered."""
    names = (f"{os.urandom(20).hex()}.{suffix}" for _ in range(int(count)))
    return f"{sum('code 5' not in own_dns(name, kind) for name in names)} answered"


def query(name, kind):
    """A DNS query as it goes over the wire."""
    name = b"".join(bytes([len(part)]) + part for part in text_of(name).split(b"."))
    return b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0" + name + b"\0" + struct.pack("!HH", int(kind), 1)


def dns(server, name, kind="1"):
    """The answer's code and the number of its records."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.settimeout(0.5)
    sender.sendto(query(name, kind), (server, 53))
    answer = sender.recv(65536)
    return f"code {answer[3] & 15} records {struct.unpack_from('!H', answer, 6)[0]}"


def dns_by_tcp(server, name, kind="1"):
    """The same over TCP."""
    stream = dial(server, 53)
    asked = query(name, kind)
    stream.sendall(struct.pack("!H", len(asked)) + asked)
    answer = received(stream)[2:]
    return f"code {answer[3] & 15} records {struct.unpack_from('!H', answer, 6)[0]}"


def own_dns(name, kind="1"):
    """The same of the name server that resolv.conf names."""
    with open("/etc/resolv.conf", encoding="utf-8") as lines:
        servers = [line.split()[1] for line in lines if line.startswith("nameserver")]
    return dns(servers[0], name, kind)


def datagram(family, address, port):
    sender = socket.socket(getattr(socket, family), socket.SOCK_DGRAM)
    sender.settimeout(0.5)
    sender.sendto(b"ping", (address, int(port)))
    return sender.recv(65536).decode("latin-1")


def sends(address, port):
    """A datagram that is not answered."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.sendto(b"ping", (address, int(port)))
    return ""


def ping(address, kind):
    """An echo request by ICMP, from a socket for that or a raw one."""
    sender = socket.socket(socket.AF_INET, getattr(socket, kind), socket.IPPROTO_ICMP)
    sender.settimeout(0.5)
    body = struct.pack("!BBHHH", 8, 0, 0, 0, 1)
    total = sum(struct.unpack("!4H", body))
    body = body[:2] + struct.pack("!H", ~total & 0xFFFF) + body[4:]
    sender.sendto(body, (address, 0))
    sender.recv(65536)
    return ""


def opens(family, kind, proto="0"):
    socket.socket(int(family), int(kind), int(proto)).close()
    return ""


def multipath(host, port):
    stream = dial(host, port, proto=262)
    stream.sendall(b"ping")
    return received(stream).decode()


def fast_open(address, port):
    """Connects while it sends."""
    stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    stream.sendto(b"ping", socket.MSG_FASTOPEN, (address, int(port)))
    stream.settimeout(PATIENCE)
    return received(stream).decode()


def fast_open_later(address, port):
    """Connects once it sends, by a socket option."""
    stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    stream.settimeout(PATIENCE)
    stream.setsockopt(socket.IPPROTO_TCP, 30, 1)  # TCP_FASTOPEN_CONNECT
    stream.connect((address, int(port)))
    stream.sendall(b"ping")
    return received(stream).decode()


def unix(path):
    """`@` stands for the first byte of an abstract name."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(PATIENCE)
    stream.connect("\0" + path[1:] if path[0] == "@" else path)
    stream.sendall(b"PING")
    return received(stream).decode()


def serves(port, seconds):
    """Says that it listens, then answers all who come in that time."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", int(port)))
    listener.listen()
    print("listens", flush=True)
    end = time.monotonic() + float(seconds)
    visitors = 0
    while (left := end - time.monotonic()) > 0:
        listener.settimeout(left)
        try:
            stream, _ = listener.accept()
        except TimeoutError:
            break
        with stream:
            stream.sendall(b"FROM-THE-JAIL")
            visitors += 1
    return f"{visitors} visitors"


def repeatedly(host, port, *pauses):
    """A request after each pause; which servers answered."""
    servers = []
    for pause in pauses:
        time.sleep(float(pause))
        servers.append(json.loads(http(host, port).partition(" ")[2])["server"].rpartition(":")[0])
    return " ".join(servers)


def holds(host, port, count):
    """Connections that all stay open: how many are answered. Then one is given up for another."""
    held = [stream for _ in range(int(count)) if (stream := echoing(host, port))]
    answered = len(held)
    held.pop().close()
    time.sleep(0.2)
    return f"{answered} answered, then {'one more' if echoing(host, port) else 'none'}"


def echoing(host, port):
    """A connection that is answered; `None`: it is reset, at once or a little later."""
    try:
        stream = dial(host, port)
        stream.sendall(b"ping")
        return stream if stream.recv(4) else None
    except ConnectionError:
        return None


def beside(slow, host, port):
    """A request while another one waits for its host."""
    waiting = threading.Thread(target=http, args=(slow, port), daemon=True)
    waiting.start()
    time.sleep(0.2)
    answer = http(host, port)
    return answer if waiting.is_alive() else f"nothing waited beside {answer}"


def occupied(host, port, own):
    """Listens at a port on every address, then speaks to a host at another one, or the same."""
    with socket.create_server(("", int(own))):
        return ask(host, port)


def occupied_later(host, port, own):
    """The same the other way round."""
    answer = ask(host, port)
    socket.create_server(("", int(own))).close()
    return answer


VERBS = {
    verb.__name__.replace("_", "-"): verb
    for verb in (
        http, raw, at_once, https, client_hello, ask, bulk, banner, connects, ask_address, follow, twice, lookup, labels,
        dns, dns_by_tcp, own_dns, datagram, sends, ping, opens, multipath, fast_open, fast_open_later, unix, serves,
        repeatedly, holds, beside, takes, adds_address, reconnects, occupied, records, occupied_later,
    )
}


def answer(verb, arguments):
    try:
        return f"ok {VERBS[verb](*arguments)}".strip()
    except Refused as refusal:
        return f"refused: {refusal}"
    except socket.gaierror as error:
        return next(name for name in dir(socket) if name.startswith("EAI_") and getattr(socket, name) == error.errno)
    except TimeoutError:
        return "refused: no answer"
    except ssl.SSLError as error:
        return f"refused: {error.reason}"
    except OSError as error:
        return errno.errorcode.get(error.errno, f"refused: {error}")
    except UnicodeError:
        return "refused: no name"


if __name__ == "__main__":
    since = time.monotonic()
    print(answer(sys.argv[1], sys.argv[2:]))
    print(f"{time.monotonic() - since:.3f}")
