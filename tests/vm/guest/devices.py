"""The guest's camera, button, light and broker: kernel devices and real programs."""

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


def say(what: str) -> None:
    """Tells the log what is being done, with the guest's own time."""
    print(f"[{time.monotonic():8.2f}] {what}", flush=True)


def sh(*command: str, check: bool = True) -> str:
    """What a program prints."""
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def until(what: str, seconds: float, holds: Callable[[], Any], every: float = 0.02) -> Any:
    """Waits until something holds, and gives it back; asks at intervals of so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {seconds} s")
        time.sleep(every)
    return found


def in_time(what: str, took: float, limit: float) -> None:
    """Says how long something took, and holds it against its limit."""
    say(f"{what} after {took:.2f} s")
    assert took <= limit, f"{what} after {took:.2f} s, and not within {limit} s"


def play(part: Callable[[], None]) -> None:
    """Plays it; where it fails, the box's journal says more."""
    try:
        part()
    except BaseException:
        print(sh("journalctl", "-q", "-o", "short-monotonic", "-u", "instored", check=False)[-6000:])
        raise


def plug_in_loopback(number: int) -> str:
    """Loads v4l2loopback, and gives back the path of its device."""
    path = f"/dev/video{number}"
    sh("modprobe", "v4l2loopback", "exclusive_caps=1", "max_buffers=4",
       "card_label=Entrance Camera", f"video_nr={number}")
    until("the camera's node", 10, lambda: Path(path).exists())
    return path


def unload(module: str) -> None:
    """Removes a module, as soon as nobody uses it any more."""
    rmmod = lambda: subprocess.run(["rmmod", module], stderr=subprocess.DEVNULL)
    until(f"an unused {module}", 15, lambda: not rmmod().returncode)


class Camera:
    """A v4l2loopback device, and the process that films for it."""

    def __init__(self, number: int = 10) -> None:
        self.number = number
        self.plug_in()

    def plug_in(self, number: int | None = None) -> None:
        """Loads the module, and films an empty entrance."""
        self.number = number or self.number
        plug_in_loopback(self.number)
        self.start()

    def unplug(self) -> None:
        """Ends the film, and unloads the module once whoever watched has let go."""
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
        """As a power cut of the camera would."""
        self.process.kill()
        self.process.wait()

    def show(self, scene: str) -> float:
        """Shows a scene, from the next frame on, or with " still" its first frame; gives back when."""
        self.process.stdin.write(f"{scene}\n")
        self.process.stdin.flush()
        return time.monotonic()

    def freeze(self) -> None:
        """Gives no more frames, and stays."""
        self.show("nothing")


def projector(device: str, fourcc: str, stride: int, size: int) -> int:
    """The loopback device, open to be written: frames of `size` bytes in this format."""
    node = os.open(device, os.O_RDWR)
    # The device is what it said it was when somebody last asked, and remembers a writer for good that
    # did not stream.
    fcntl.ioctl(node, 0x80685600, bytearray(104))  # VIDIOC_QUERYCAP
    # struct v4l2_format: VIDEO_OUTPUT; width, height, format, no fields, stride, size, sRGB.
    code = int.from_bytes(fourcc.encode(), "little")
    wanted = struct.pack("=I4x7I", 2, WIDTH, HEIGHT, code, 1, stride, size, 8)
    fcntl.ioctl(node, 0xC0D05605, bytearray(wanted.ljust(208, b"\0")))  # VIDIOC_S_FMT
    fcntl.ioctl(node, 0x40045612, struct.pack("=I", 2))  # VIDIOC_STREAMON
    return node


def film(device: str) -> None:
    """Writes frames into the device at the camera's rate; scenes are named on standard input."""
    scenes = {scene.stem: scene.read_bytes() for scene in SCENES.iterdir()}
    showing = "nobody"

    def listen() -> None:
        nonlocal showing
        for line in sys.stdin:
            showing = line.strip()
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    node = projector(device, "YUYV", WIDTH * 2, FRAME)
    due, shown = time.monotonic(), 0
    while True:
        scene, _, still = showing.partition(" ")
        if scene in scenes:
            frames = scenes[scene]
            start = 0 if still else shown * FRAME % len(frames)
            os.write(node, frames[start : start + FRAME])
            shown += 1
        due += 1 / FPS
        time.sleep(max(0, due - time.monotonic()))


class GpioSim:
    """A simulated GPIO device: one chip for each label, with 54 lines named as on a Raspberry Pi."""

    CONFIG = Path("/sys/kernel/config/gpio-sim")
    LINES = 54

    def __init__(self, name: str, labels: list[str], used_line: int | None = None) -> None:
        """Creates the chips under the lowest free numbers. The kernel itself uses `used_line`."""
        sh("modprobe", "gpio-sim")
        if not os.path.ismount("/sys/kernel/config"):
            sh("mount", "-t", "configfs", "none", "/sys/kernel/config")
        self.folder = self.CONFIG / name
        banks = [self.folder / f"bank{i}" for i in range(len(labels))]
        for bank, label in zip(banks, labels):
            bank.mkdir(parents=True)
            (bank / "num_lines").write_text(str(self.LINES))
            (bank / "label").write_text(label)
            for line in range(self.LINES):
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
    """A simulated GPIO chip with the button and the light at its lines."""

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
        """A short press, with a hundred bounces at each of its ends."""
        for ends in ("pull-down", "pull-up"):
            for _ in range(50):
                self._pull(BUTTON, "pull-up")
                self._pull(BUTTON, "pull-down")
            self._pull(BUTTON, ends)
            time.sleep(0.1)

    def is_lit(self) -> bool:
        return (self.lines / f"sim_gpio{LIGHT}/value").read_text().strip() == "1"

    def lit(self, seconds: float) -> list[float]:
        """How long the light was on, each time it went out within so many seconds."""
        spells, since, end = [], None, time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            on = self.is_lit()
            if on and since is None:
                since = now
            elif not on and since is not None:
                spells.append(now - since)
                since = None
            time.sleep(0.01)
        return spells

    def _pull(self, line: int, level: str) -> None:
        (self.lines / f"sim_gpio{line}/pull").write_text(level)


class Ear:
    """Hears everything that the boxes say on the broker."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, str, Any]] = []
        command = ["mosquitto_sub", "-V", "5", "-q", "1", "-t", "instored/#", "-F", "%t %p"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self.process.stdout:
            topic, _, payload = line.strip().partition(" ")
            try:
                said = json.loads(payload)
            except ValueError:
                said = payload
            self.heard.append((time.monotonic(), topic.rsplit("/", 1)[-1], said))
            brief = {k: said[k] for k in ("event", "reason", "count", "camera", "mode") if k in said} \
                if isinstance(said, dict) else said
            say(f"  heard {topic}: {brief}")

    def mark(self) -> int:
        """A place from which on to wait."""
        return len(self.heard)

    def wait(
        self, topic: str, fits: Callable[[Any], bool], seconds: float, since: int
    ) -> tuple[float, Any]:
        """The first message of the topic since the mark that fits, and when it came."""

        def found() -> tuple[float, Any] | None:
            new = ((at, said) for at, where, said in self.heard[since:] if where == topic)
            return next(((at, said) for at, said in new if fits(said)), None)

        return until(f"a fitting message on {topic}", seconds, found)

    def silent(self, topic: str, since: int) -> bool:
        return not any(where == topic for _, where, _ in self.heard[since:])


class Box:
    """The installed package and its service."""

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
            # QEMU has no byte products for this processor, and takes floats one by one.
            self.set("vision", "embedder", '"mobilefacenet"')

    def set(self, section: str, key: str, value: str) -> None:
        """Takes the comment sign from a key, as an editor would, and sets it."""
        before, header, after = self.config.read_text().partition(f"\n[{section}]\n")
        after, changed = re.subn(rf"(?m)^#?{key} =.*", f"{key} = {value}", after, count=1)
        assert header and changed, f"the configuration has no [{section}] {key}"
        self.config.write_text(before + header + after)

    def systemctl(self, *command: str) -> str:
        return sh("systemctl", *command, self.SERVICE)

    def property(self, name: str) -> str:
        return sh("systemctl", "show", "-P", name, self.SERVICE).strip()

    def thread(self, name: str) -> int:
        """The id of one of the service's threads."""
        for task in Path(f"/proc/{self.property('MainPID')}/task").iterdir():
            if (task / "comm").read_text().strip() == name:
                return int(task.name)
        raise AssertionError(f"no thread {name}")

    def cli(self, *arguments: str) -> Any:
        return json.loads(sh("instored", *arguments, "--json"))

    def journal(self) -> str:
        return sh("journalctl", "-q", "-o", "cat", "-u", self.SERVICE)


def state(said: Any) -> str:
    return said["camera"]


if __name__ == "__main__":
    film(sys.argv[1])
