"""Camera, button, LED, broker and service of the guest: kernel devices and real programs."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable

WIDTH, HEIGHT, FPS = 640, 480, 5
FRAME = WIDTH * HEIGHT * 2
SCENES = Path("/mnt/host/scenes")
STILLS = Path("/mnt/host/stills")
BUTTON, LIGHT = 17, 27


def log(text: str) -> None:
    """Prints a line with the guest's time."""
    print(f"[{time.monotonic():8.2f}] {text}", flush=True)


def sh(*command: str, check: bool = True) -> str:
    """Runs a program and returns its standard output."""
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def wait_until(condition: str, seconds: float, check: Callable[[], Any], every: float = 0.02) -> Any:
    """Polls a condition at an interval in seconds, and returns its first true value."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{condition} is missing after {seconds} s")
        time.sleep(every)
    return found


def assert_within(event: str, took: float, limit: float) -> None:
    """Asserts a duration, in seconds, and prints it."""
    log(f"{event} after {took:.2f} s")
    assert took <= limit, f"{event} after {took:.2f} s; limit: {limit} s"


def run_part(part: Callable[[], None]) -> None:
    """Runs a part. If it fails, the box's journal is printed."""
    try:
        part()
    except BaseException:
        print(sh("journalctl", "-q", "-o", "short-monotonic", "-u", "instored", check=False)[-6000:])
        raise


def load_loopback(number: int) -> str:
    """Loads v4l2loopback and returns the path of its device."""
    path = f"/dev/video{number}"
    sh("modprobe", "v4l2loopback", "exclusive_caps=1", "max_buffers=4",
       "card_label=Entrance Camera", f"video_nr={number}")
    wait_until("the camera's node", 10, lambda: Path(path).exists())
    return path


def unload(module: str) -> None:
    """Removes a module as soon as it is unused."""
    rmmod = lambda: subprocess.run(["rmmod", module], stderr=subprocess.DEVNULL)
    wait_until(f"an unused {module}", 15, lambda: not rmmod().returncode)


class Camera:
    """A v4l2loopback device with the process that writes its frames."""

    def __init__(self, number: int = 10) -> None:
        self.number = number
        self.load()

    def load(self, number: int | None = None) -> None:
        """Loads the module and shows an empty entrance."""
        self.number = number or self.number
        load_loopback(self.number)
        self.start()

    def unload_module(self) -> None:
        """Stops the frames and unloads the module as soon as no program uses it."""
        self.stop()
        unload("v4l2loopback")

    @property
    def path(self) -> str:
        return f"/dev/video{self.number}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, self.path], stdin=subprocess.PIPE, text=True
        )

    def stop(self) -> None:
        """Kills the process, like a power cut of the camera."""
        self.process.kill()
        self.process.wait()

    def show(self, scene: str) -> float:
        """Shows a scene, or with the suffix " still" its first frame, from the next frame on. Returns the
        time."""
        self.process.stdin.write(f"{scene}\n")
        self.process.stdin.flush()
        return time.monotonic()

    def freeze(self) -> None:
        """Sends no more frames. The device stays."""
        self.show("nothing")


def open_output(device: str, fourcc: str, stride: int, size: int) -> int:
    """Opens the loopback device for writing frames of `size` bytes in a format."""
    node = os.open(device, os.O_RDWR)
    # The device updates its capabilities only when they are queried. A writer that opens it without
    # streaming blocks it for good.
    fcntl.ioctl(node, 0x80685600, bytearray(104))  # VIDIOC_QUERYCAP
    # struct v4l2_format: VIDEO_OUTPUT; width, height, format, no fields, stride, size, sRGB.
    code = int.from_bytes(fourcc.encode(), "little")
    format_ = struct.pack("=I4x7I", 2, WIDTH, HEIGHT, code, 1, stride, size, 8)
    fcntl.ioctl(node, 0xC0D05605, bytearray(format_.ljust(208, b"\0")))  # VIDIOC_S_FMT
    fcntl.ioctl(node, 0x40045612, struct.pack("=I", 2))  # VIDIOC_STREAMON
    return node


def write_frames(device: str) -> None:
    """Writes frames to the device at the camera's rate. Standard input selects the scene."""
    scenes = {scene.stem: scene.read_bytes() for scene in SCENES.iterdir()}
    showing = "nobody"

    def read_scenes() -> None:
        nonlocal showing
        for line in sys.stdin:
            showing = line.strip()
        os._exit(0)

    threading.Thread(target=read_scenes, daemon=True).start()
    node = open_output(device, "YUYV", WIDTH * 2, FRAME)
    due, frame_count = time.monotonic(), 0
    while True:
        scene, _, still = showing.partition(" ")
        if scene in scenes:
            frames = scenes[scene]
            start = 0 if still else frame_count * FRAME % len(frames)
            os.write(node, frames[start : start + FRAME])
            frame_count += 1
        due += 1 / FPS
        time.sleep(max(0, due - time.monotonic()))


class GpioSim:
    """A simulated GPIO device: one chip for each label. A pin controller has 54 lines, named as on a Raspberry
    Pi; another chip has 2, since the kernel has numbers for 512 lines only."""

    CONFIG = Path("/sys/kernel/config/gpio-sim")
    LINES = {True: 54, False: 2}

    def __init__(self, name: str, labels: list[str], used_line: int | None = None) -> None:
        """Creates the chips under the lowest free numbers. The kernel itself uses `used_line`."""
        sh("modprobe", "gpio-sim")
        if not os.path.ismount("/sys/kernel/config"):
            sh("mount", "-t", "configfs", "none", "/sys/kernel/config")
        self.folder = self.CONFIG / name
        banks = [self.folder / f"bank{i}" for i in range(len(labels))]
        for bank, label in zip(banks, labels):
            bank.mkdir(parents=True)
            lines = self.LINES[label.startswith("pinctrl-")]
            (bank / "num_lines").write_text(str(lines))
            (bank / "label").write_text(label)
            for line in range(lines):
                (bank / f"line{line}").mkdir()
                (bank / f"line{line}/name").write_text(f"GPIO{line}")
            if used_line is not None:
                hog = bank / f"line{used_line}/hog"
                hog.mkdir()
                (hog / "name").write_text("other-user")
                (hog / "direction").write_text("input")
        (self.folder / "live").write_text("1")
        self.chips = [(bank / "chip_name").read_text().strip() for bank in banks]
        device = (self.folder / "dev_name").read_text().strip()
        self.lines = [Path("/sys/devices/platform", device, chip) for chip in self.chips]

    def remove(self) -> None:
        """Removes the chips, as a driver that is unbound does."""
        (self.folder / "live").write_text("0")
        folders = [path for path in self.folder.rglob("*") if path.is_dir()]
        for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
            folder.rmdir()
        self.folder.rmdir()


class Panel:
    """A simulated GPIO chip with button and LED."""

    def __init__(self, sim: GpioSim | None = None, index: int = 0) -> None:
        sim = sim or GpioSim("box", ["pinctrl-bcm2711"])
        self.chip = f"/dev/{sim.chips[index]}"
        self.lines = sim.lines[index]
        self.release()

    def press(self) -> None:
        self._pull(BUTTON, "pull-down")

    def release(self) -> None:
        self._pull(BUTTON, "pull-up")

    def tap(self) -> None:
        """Presses the button shortly, with 50 bounces at each edge."""
        for ends in ("pull-down", "pull-up"):
            for _ in range(50):
                self._pull(BUTTON, "pull-up")
                self._pull(BUTTON, "pull-down")
            self._pull(BUTTON, ends)
            time.sleep(0.1)

    def agree(self) -> None:
        """Presses twice: the first press offers the enrolment, the second one agrees."""
        self.tap()
        time.sleep(1)
        self.tap()

    def is_lit(self) -> bool:
        return (self.lines / f"sim_gpio{LIGHT}/value").read_text().strip() == "1"

    def lit_durations(self, seconds: float) -> list[float]:
        """Watches the LED for some seconds. Returns the duration of each completed flash."""
        durations, since, end = [], None, time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            on = self.is_lit()
            if on and since is None:
                since = now
            elif not on and since is not None:
                durations.append(now - since)
                since = None
            time.sleep(0.01)
        return durations

    def _pull(self, line: int, level: str) -> None:
        (self.lines / f"sim_gpio{line}/pull").write_text(level)


class Subscriber:
    """Receives all messages of all boxes, or those that an account may receive."""

    def __init__(self, account: str | None = None) -> None:
        self.received: list[tuple[float, str, Any]] = []
        command = ["mosquitto_sub", "-V", "5", "-q", "1", "-t", "instored/#", "-F", "%t %p"]
        if account:
            command += ["-u", account, "-P", Path("/etc/instored/accounts", account).read_text().strip()]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            topic, _, text = line.strip().partition(" ")
            try:
                payload = json.loads(text)
            except ValueError:
                payload = text
            self.received.append((time.monotonic(), topic.rsplit("/", 1)[-1], payload))
            brief = {k: payload[k] for k in ("event", "reason", "count", "camera", "mode") if k in payload} \
                if isinstance(payload, dict) else payload
            log(f"  received {topic}: {brief}")

    def position(self) -> int:
        """Returns the number of messages so far, as a start for `wait`."""
        return len(self.received)

    def wait(
        self, topic: str, matches: Callable[[Any], bool], seconds: float, since: int
    ) -> tuple[float, Any]:
        """Waits for a matching message of a topic after a position. Returns its time and payload."""

        def found() -> tuple[float, Any] | None:
            new = ((at, payload) for at, where, payload in self.received[since:] if where == topic)
            return next(((at, payload) for at, payload in new if matches(payload)), None)

        return wait_until(f"a matching message on {topic}", seconds, found)

    def has_no_message(self, topic: str, since: int) -> bool:
        return not any(where == topic for _, where, _ in self.received[since:])


class Box:
    """Installed package and its service."""

    SERVICE = "instored"

    def __init__(self, panel: Panel | None, camera: str = "card:Entrance") -> None:
        self.config = Path("/etc/instored/instored.toml")
        self.panel, self.camera = panel, camera

    def install(self) -> None:
        deb = str(next(Path("/mnt/host").glob("instored_*.deb")))
        sh("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "install", deb)

    def configure(self) -> None:
        self.set("camera", "device", f'"{self.camera}"')
        self.set("camera", "fps", str(FPS))
        # Without a panel of its own, the box finds the chip by its label.
        self.set("panel", "chip", f'"{self.panel.chip}"' if self.panel else '"auto"')
        if platform.machine() == "x86_64":
            # QEMU emulates this processor without byte products and with scalar floats.
            self.set("vision", "embedder", '"mobilefacenet"')

    def set(self, section: str, key: str, value: str) -> None:
        """Uncomments a key, as an editor would, and sets it."""
        before, header, after = self.config.read_text().partition(f"\n[{section}]\n")
        after, changed = re.subn(rf"(?m)^#?{key} =.*", f"{key} = {value}", after, count=1)
        assert header and changed, f"the configuration has no [{section}] {key}"
        self.config.write_text(before + header + after)

    def systemctl(self, *command: str) -> str:
        return sh("systemctl", *command, self.SERVICE)

    def property(self, name: str) -> str:
        return sh("systemctl", "show", "-P", name, self.SERVICE).strip()

    def thread(self, name: str) -> int:
        """Returns the id of a thread of the service."""
        for task in Path(f"/proc/{self.property('MainPID')}/task").iterdir():
            if (task / "comm").read_text().strip() == name:
                return int(task.name)
        raise AssertionError(f"no thread {name}")

    def cli(self, *arguments: str) -> Any:
        return json.loads(sh("instored", *arguments, "--json"))

    def journal(self) -> str:
        return sh("journalctl", "-q", "-o", "cat", "-u", self.SERVICE)


def state(payload: Any) -> str:
    return payload["camera"]


if __name__ == "__main__":
    write_frames(sys.argv[1])
