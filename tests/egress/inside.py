"""Acts on the jail's own network: places of the gateway's, addresses, and a socket that changes its mind."""

import ctypes
import errno
import os
import socket
import struct

REQUEST = 0x405  # NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE
NEW_ADDRESS = 20  # RTM_NEWADDR


def takes(kind, host, port):
    """Listens at the place where a host's name leads, beside whoever is there, and hears what is sent there."""
    place = (socket.gethostbyname(host), int(port))
    with socket.socket(socket.AF_INET, getattr(socket, kind)) as taken:
        try:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:  # what looks like a datagram socket may be none
                raise
        taken.bind(place)
        if kind == "SOCK_STREAM":
            taken.listen()
        else:
            taken.settimeout(0.5)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"ping", place)
            taken.recv(4)
    return ""


def adds_address(address):
    """Gives the loopback an address (rtnetlink(7))."""
    body = struct.pack("=BBBBI", socket.AF_INET, 32, 0, 254, 1)
    body += struct.pack("=HH4s", 8, 2, socket.inet_aton(address))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.send(struct.pack("=IHHII", 16 + len(body), NEW_ADDRESS, REQUEST, 1, 0) + body)
        (code,) = struct.unpack_from("=i", kernel.recv(4096), 16)
    if code < 0 and code != -17:  # EEXIST: an earlier run has added it
        raise OSError(-code, os.strerror(-code))
    return ""


def reconnects(host, port, address, other_port):
    """Dissolves a connection to a host, and connects the same socket to an address."""
    with socket.create_connection((host, int(port))) as stream:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.connect(stream.fileno(), bytes(16), 16) < 0:  # AF_UNSPEC
            raise OSError(ctypes.get_errno(), "")
        stream.connect((address, int(other_port)))
        stream.sendall(b"ping")
        return stream.recv(4).decode()
