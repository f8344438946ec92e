"""Stops a single thread of another process, like a hang."""

from __future__ import annotations

import ctypes
import os

PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
WALL = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def stop_thread(thread: int) -> None:
    """Stops a thread until this process ends. The other threads continue."""
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if libc.ptrace(request, thread, None, None) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def reap_thread(thread: int) -> None:
    """Reaps a killed thread without waiting. Its tracer has to do so."""
    try:
        os.waitpid(thread, os.WNOHANG | WALL)
    except ChildProcessError:
        pass  # It is reaped already.
