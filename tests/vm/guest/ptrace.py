"""Stops one thread of another process, as a thread that hangs would stop."""

from __future__ import annotations

import ctypes
import os

PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
WALL = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def hang(thread: int) -> None:
    """The thread stands still for as long as this process lives; all others go on."""
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if libc.ptrace(request, thread, None, None) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def bury(thread: int) -> None:
    """Lets go of a thread that was killed, as whoever traces it has to; without waiting."""
    try:
        os.waitpid(thread, os.WNOHANG | WALL)
    except ChildProcessError:
        pass  # It is gone.
