"""DNS messages, as far as the world's name server needs them (RFC 1035)."""

import ipaddress
import struct

TYPES = {1: "A", 5: "CNAME", 16: "TXT", 28: "AAAA", 33: "SRV"}
NUMBERS = {name: number for number, name in TYPES.items()}
NO_SUCH_NAME = 3


def question(packet):
    """The first question: its name in lower case, the number of its type, and its bytes."""
    labels = []
    at = 12
    while packet[at]:
        length = packet[at]
        labels.append(packet[at + 1 : at + 1 + length].decode("latin-1").lower())
        at += 1 + length
    (kind,) = struct.unpack_from("!H", packet, at + 1)
    return ".".join(labels), kind, packet[12 : at + 5]


def name_bytes(name):
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def data(kind, value):
    """The bytes of a record's value."""
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind == "CNAME":
        return name_bytes(value)
    if kind == "TXT":
        return bytes([len(value)]) + value.encode()
    priority, weight, port, target = value
    return struct.pack("!HHH", priority, weight, port) + name_bytes(target)


def record(owner, kind, value, ttl):
    body = data(kind, value)
    head = struct.pack("!HHIH", NUMBERS[kind], 1, ttl, len(body))
    return name_bytes(owner) + head + body


def reply(packet, asked, records, code=0, truncated=False):
    """An answer to a query, with these records."""
    flags = 0x8580 | code | (0x0200 if truncated else 0)
    kept = [] if truncated else records
    head = packet[:2] + struct.pack("!HHHHH", flags, 1, len(kept), 0, 0)
    return head + asked + b"".join(kept)
