"""What a jailed program should not be able to do, and the two things that it should. usage: probe.py ADDRESS

Prints one line of JSON: for each act true (done) or the name of the error.
"""
import errno
import json
import socket
import subprocess
import sys
import urllib.request


def attempt(act):
    try:
        return bool(act())
    except OSError as error:
        reason = getattr(error, "reason", error)
        return errno.errorcode.get(getattr(reason, "errno", None) or 0, type(error).__name__)
    except Exception as error:  # whatever it was, it was not done
        return type(error).__name__


def write(path):
    with open(path, "w") as file:
        return file.write("text")


def spoken(host):
    with socket.create_connection((host, 8080), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return b"SERVED" in connection.recv(4096) + connection.recv(4096)


def answered(host):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.settimeout(3)
        own.sendto(b"text", (host, 8080))
        return own.recv(100) == b"SERVED"


def fetched(name):
    return b"SERVED" in urllib.request.urlopen(f"http://{name}:8080/", timeout=10).read()


other = sys.argv[1]
print("PROBE", json.dumps({
    "reads a secret": attempt(lambda: open("/srv/secret/credentials").read()),
    "writes outside": attempt(lambda: write("/marks/left")),
    "starts sh": attempt(lambda: subprocess.run(["/bin/sh", "-c", "echo RAN"], capture_output=True).stdout),
    "reaches another address": attempt(lambda: spoken(other)),
    "reaches it by UDP": attempt(lambda: answered(other)),
    "reaches the allowed name": attempt(lambda: spoken("allowed.test")),
    "reaches it as HTTP": attempt(lambda: fetched("allowed.test")),
    "writes its data": attempt(lambda: write("/data/own")),
}))
