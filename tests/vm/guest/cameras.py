"""What cameras deliver: every format through v4l2loopback, and what vivid can do besides. Runs as root in
the guest."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from devices import (
    FPS, HEIGHT, STILLS, WIDTH, Box, Ear, Panel, plug_in_loopback, projector, say, sh, state,
    unload,
)

# How many times the width a row of the first plane has bytes. A JPEG has no rows.
STRIDES = {"RGB3": 3, "BGR3": 3, "YUYV": 2, "UYVY": 2, "NV12": 1, "YU12": 1, "MJPG": 0, "GREY": 1}
# Levels by which the mean brightness of one picture may differ between formats.
ALIKE = 2


def look(device: str, width: int = WIDTH, height: int = HEIGHT) -> tuple[bool, str]:
    """What the doctor says of a camera."""
    told = subprocess.run(
        ["instored", "doctor", "--json"], capture_output=True, text=True, env={
            **os.environ, "INSTORED_CAMERA_DEVICE": device, "INSTORED_CAMERA_FPS": str(FPS),
            "INSTORED_CAMERA_WIDTH": str(width), "INSTORED_CAMERA_HEIGHT": str(height),
        },
    )
    camera = next(line for line in json.loads(told.stdout) if line["what"] == "camera")
    say(f"  {camera['says']}")
    return camera["good"], camera["says"]


@contextmanager
def shown(device: str, fourcc: str, picture: bytes) -> Iterator[None]:
    """Films one picture, as long as the context lasts."""
    node = projector(device, fourcc, STRIDES[fourcc] * WIDTH, len(picture))
    over = threading.Event()

    def film() -> None:
        while not over.wait(1 / FPS):
            os.write(node, picture)

    filming = threading.Thread(target=film, daemon=True)
    filming.start()
    try:
        yield
    finally:
        over.set()
        filming.join()
        os.close(node)


def every_format() -> None:
    say("one picture in every format")
    device = plug_in_loopback(10)
    brightness = {}
    for fourcc in STRIDES:
        with shown(device, fourcc, (STILLS / fourcc).read_bytes()):
            good, says = look("card:entrance")
        assert good and f"{fourcc} {WIDTH}x{HEIGHT}" in says, says
        brightness[fourcc] = int(re.search(r"brightness (\d+)", says)[1])
    assert max(brightness.values()) - min(brightness.values()) <= ALIKE, brightness
    unload("v4l2loopback")


def odd_sizes_and_nodes() -> None:
    say("vivid: sizes that it does not have, and nodes that are no cameras")
    sh("modprobe", "vivid", "n_devs=2", "multiplanar=1,2")
    nodes = {
        node.joinpath("name").read_text().strip(): f"/dev/{node.name}"
        for node in Path("/sys/class/video4linux").glob("video*")
    }
    camera = nodes["vivid-000-vid-cap"]
    for width, height, nearest in [(641, 481, "640x480"), (64, 4096, "640x480|320x180|1920x1080")]:
        good, says = look(camera, width, height)
        assert good and re.search(nearest, says), says
    # An input without sizes of its own takes any that its steps allow.
    sh("v4l2-ctl", "-d", camera, "-i", "3")
    good, says = look(camera, 1001, 333)
    assert good and "1000x332" in says, says
    for name in ["vivid-000-vid-out", "vivid-000-meta-cap", "vivid-001-vid-cap"]:
        good, says = look(nodes[name])
        assert not good and "no usable format" in says and "use another camera" in says, says
    unload("vivid")


def disconnect(panel: Panel) -> None:
    say("vivid: damaged frames, and a camera that is pulled out while it streams")
    box, ear = Box(panel, camera="card:vivid"), Ear()
    box.configure()
    sh("modprobe", "vivid")
    box.systemctl("start")
    is_now(ear, "streaming", 0)
    since = ear.mark()
    sh("v4l2-ctl", "-d", "/dev/video0", "-c", "inject_v4l2_buf_flag_error=1")
    time.sleep(2)  # Silence can only be waited for.
    assert ear.silent("state", since), "one damaged frame is no trouble"
    sh("v4l2-ctl", "-d", "/dev/video0", "-c", "disconnect=1")
    is_now(ear, "trouble", since)
    since = ear.mark()
    unload("vivid")
    sh("modprobe", "vivid")
    is_now(ear, "streaming", since)
    assert box.property("NRestarts") == "0", "a lost camera restarts nothing"


def is_now(ear: Ear, wanted: str, since: int) -> Any:
    return ear.wait("state", lambda said: state(said) == wanted, 20, since)


if __name__ == "__main__":
    panel = Panel()
    Box(panel).install()
    try:
        every_format()
        odd_sizes_and_nodes()
        disconnect(panel)
    except BaseException:
        print(sh("journalctl", "-q", "-o", "cat", "-u", "instored", check=False)[-4000:])
        raise
    print("the cameras are seen")
