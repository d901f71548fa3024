"""TLS client hellos that no library would make (RFC 8446, section 4.1.2; RFC 6066, section 3)."""

import os
import struct


def sized(format_of_length, data):
    return struct.pack(format_of_length, len(data)) + data


def extension(number, data):
    return struct.pack("!H", number) + sized("!H", data)


def server_name(*names):
    listed = b"".join(b"\0" + sized("!H", name) for name in names)
    return extension(0, sized("!H", listed))


def extensions(name, kinds):
    """`no-name`, `ech`, `two-names` (the second is another's) and `twice` change what is sent."""
    others = [b"other.world.test"]
    parts = []
    if "no-name" not in kinds:
        parts.append(server_name(name, *(others if "two-names" in kinds else [])))
    if "twice" in kinds:
        parts.append(server_name(*others))
    if "ech" in kinds:
        # an outer hello: suites, a config's number, a key and a payload (RFC 9849, section 5)
        inner = b"\0\0\1\0\1\x07" + sized("!H", os.urandom(32)) + sized("!H", os.urandom(144))
        parts.append(extension(0xFE0D, inner))
    parts.append(extension(10, sized("!H", struct.pack("!HH", 29, 23))))  # groups
    parts.append(extension(11, b"\1\0"))  # point formats
    parts.append(extension(13, sized("!H", struct.pack("!HHH", 0x0403, 0x0804, 0x0401))))  # signatures
    return b"".join(parts)


def make(name, kinds):
    """A hello of TLS 1.2, in one record or, with `split`, in one for each 40 bytes."""
    suites = struct.pack("!HHHH", 0xC02B, 0xC02F, 0xC02C, 0xC030)
    body = b"\x03\x03" + os.urandom(32) + b"\0" + sized("!H", suites) + b"\1\0"
    body += sized("!H", extensions(name, kinds))
    message = b"\1" + struct.pack("!I", len(body))[1:] + body
    step = 40 if "split" in kinds else len(message)
    pieces = [message[at : at + step] for at in range(0, len(message), step)]
    return b"".join(b"\x16\x03\x01" + sized("!H", piece) for piece in pieces)
