"""Cameras: each format through v4l2loopback, and the inputs and faults of vivid. Runs as root in the guest."""

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
    FPS, HEIGHT, STILLS, WIDTH, Box, Subscriber, Panel, load_loopback, open_output, log, sh, state,
    unload,
)

# Bytes per pixel of a row of the first plane. A JPEG has no rows.
STRIDES = {"RGB3": 3, "BGR3": 3, "YUYV": 2, "UYVY": 2, "NV12": 1, "YU12": 1, "MJPG": 0, "GREY": 1}
# Maximum difference of the mean brightness between formats, in levels.
BRIGHTNESS_TOLERANCE = 2


def doctor_camera(device: str, width: int = WIDTH, height: int = HEIGHT) -> tuple[bool, str]:
    """Returns the doctor's result for a camera: whether it is good, and the message."""
    output = subprocess.run(
        ["instored", "doctor", "--json"], capture_output=True, text=True, env={
            **os.environ, "INSTORED_CAMERA_DEVICE": device, "INSTORED_CAMERA_FPS": str(FPS),
            "INSTORED_CAMERA_WIDTH": str(width), "INSTORED_CAMERA_HEIGHT": str(height),
        },
    )
    camera = next(line for line in json.loads(output.stdout) if line["what"] == "camera")
    log(f"  {camera['says']}")
    return camera["good"], camera["says"]


@contextmanager
def showing(device: str, fourcc: str, picture: bytes) -> Iterator[None]:
    """Shows a picture while the context lasts."""
    node = open_output(device, fourcc, STRIDES[fourcc] * WIDTH, len(picture))
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(1 / FPS):
            os.write(node, picture)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        os.close(node)


def check_formats() -> None:
    log("one picture in each format")
    device = load_loopback(10)
    brightness = {}
    for fourcc in STRIDES:
        with showing(device, fourcc, (STILLS / fourcc).read_bytes()):
            good, says = doctor_camera("card:entrance")
        assert good and f"{fourcc} {WIDTH}x{HEIGHT}" in says, says
        brightness[fourcc] = int(re.search(r"brightness (\d+)", says)[1])
    assert max(brightness.values()) - min(brightness.values()) <= BRIGHTNESS_TOLERANCE, brightness
    unload("v4l2loopback")


def check_sizes_and_other_nodes() -> None:
    log("vivid: unsupported sizes, and nodes that are no cameras")
    sh("modprobe", "vivid", "n_devs=2", "multiplanar=1,2")
    nodes = {
        node.joinpath("name").read_text().strip(): f"/dev/{node.name}"
        for node in Path("/sys/class/video4linux").glob("video*")
    }
    camera = nodes["vivid-000-vid-cap"]
    for width, height, nearest in [(641, 481, "640x480"), (64, 4096, "640x480|320x180|1920x1080")]:
        good, says = doctor_camera(camera, width, height)
        assert good and re.search(nearest, says), says
    # This input accepts any size in its step width.
    sh("v4l2-ctl", "-d", camera, "-i", "3")
    good, says = doctor_camera(camera, 1001, 333)
    assert good and "1000x332" in says, says
    for name in ["vivid-000-vid-out", "vivid-000-meta-cap", "vivid-001-vid-cap"]:
        good, says = doctor_camera(nodes[name])
        assert not good and "no usable format" in says and "use another camera" in says, says
    unload("vivid")


def check_disconnect(panel: Panel) -> None:
    log("vivid: damaged frames, and a camera that is unplugged while it streams")
    box, subscriber = Box(panel, camera="card:vivid"), Subscriber()
    box.configure()
    sh("modprobe", "vivid")
    box.systemctl("start")
    wait_for_camera(subscriber, "streaming", 0)
    since = subscriber.position()
    sh("v4l2-ctl", "-d", "/dev/video0", "-c", "inject_v4l2_buf_flag_error=1")
    time.sleep(2)  # The absence of a message can only be awaited.
    assert subscriber.has_no_message("state", since), "one damaged frame changed the state"
    sh("v4l2-ctl", "-d", "/dev/video0", "-c", "disconnect=1")
    wait_for_camera(subscriber, "trouble", since)
    since = subscriber.position()
    unload("vivid")
    sh("modprobe", "vivid")
    wait_for_camera(subscriber, "streaming", since)
    assert box.property("NRestarts") == "0", "the lost camera restarted the service"


def wait_for_camera(subscriber: Subscriber, expected: str, since: int) -> Any:
    return subscriber.wait("state", lambda payload: state(payload) == expected, 20, since)


if __name__ == "__main__":
    panel = Panel()
    Box(panel).install()
    try:
        check_formats()
        check_sizes_and_other_nodes()
        check_disconnect(panel)
    except BaseException:
        print(sh("journalctl", "-q", "-o", "cat", "-u", "instored", check=False)[-4000:])
        raise
    print("cameras: passed")
