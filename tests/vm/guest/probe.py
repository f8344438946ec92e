"""Tries required and forbidden actions of the service, and prints the outcomes as JSON."""

import errno
import json
import os
import socket
import sys

REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EAFNOSUPPORT)
CHIP, CAMERA = sys.argv[1:3]


def connect(address: str, port: int) -> None:
    socket.create_connection((address, port), timeout=3).close()


def opened(path: str, flags: int) -> None:
    os.close(os.open(path, flags))


TRIALS = {
    "home": lambda: opened("/home/secret", os.O_RDONLY),
    "disk": lambda: opened("/dev/vda", os.O_RDONLY),
    "kernel log": lambda: opened("/dev/kmsg", os.O_WRONLY),
    "system files": lambda: opened("/etc/written", os.O_WRONLY | os.O_CREAT),
    "another address": lambda: connect("10.9.8.7", 1883),
    "raw packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
    "camera": lambda: opened(CAMERA, os.O_RDWR),
    "panel": lambda: opened(CHIP, os.O_RDWR),
    "broker": lambda: connect("127.0.0.1", 1883),
}


def outcome(trial) -> str:
    try:
        trial()
    except TimeoutError:
        return "refused"  # Packets are dropped silently.
    except OSError as error:
        return "refused" if error.errno in REFUSALS else error.strerror
    return "done"


print(json.dumps({name: outcome(trial) for name, trial in TRIALS.items()}))
