"""From `apt install` to a withdrawn consent, on kernel devices, and everything that may break on the
way. Runs as root in the guest; the box runs as its service user."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any, Callable

from devices import Box, Camera, Ear, Panel, in_time, play, say, sh, state, until
from ptrace import bury, hang

# A face that is there is to be greeted within this time.
GREETED = 2.0
# A camera that is back is to be seen again within this time.
BACK = 5.0
# Out of sight for so long, a customer has left.
LEAVES = 5.0


def event(name: str) -> Callable[[Any], bool]:
    return lambda said: said["event"] == name


class Story:
    def __init__(self) -> None:
        self.panel, self.camera, self.ear = Panel(), Camera(), Ear()
        self.box = Box(self.panel)

    def tell(self) -> None:
        self.install()
        self.start()
        customer = self.enrol()
        self.greet(customer)
        self.stay_in_the_box()
        self.lose_the_camera()
        self.hang()
        self.pass_by()
        self.withdraw(customer)
        self.reload_and_stop()
        self.remove()

    def install(self) -> None:
        say("the package is installed")
        self.box.install()
        assert self.box.property("UnitFileState") == "enabled"
        assert sh("stat", "-c", "%G %a", self.panel.chip).strip() == "gpio 660", "the udev rule"
        self.box.configure()

    def start(self) -> None:
        say("the service is started")
        since = self.ear.mark()
        begun = time.monotonic()
        self.box.systemctl("start")
        say(f"READY after {time.monotonic() - begun:.1f} s")
        self.ear.wait("state", lambda said: said["camera"] == "streaming", 20, since)
        assert os.stat(f"/proc/{self.box.property('MainPID')}").st_uid != 0, "it runs as root"

    def enrol(self) -> str:
        say("a customer comes, and presses the button once, bouncing")
        self.camera.show("alex")
        time.sleep(1)
        since = self.ear.mark()
        self.panel.tap()
        _, done = self.ear.wait("enrolment", event("done"), 30, since)
        started = [said for _, where, said in self.ear.heard[since:]
                   if where == "enrolment" and said["event"] == "started"]
        assert len(started) == 1, f"one press began {len(started)} enrolments"
        customer = done["customer"]["id"]
        order = {
            "claim_code": done["claim_code"],
            "order": {
                "id": "T2-77", "placed": "2026-03-29T09:15:00+02:00", "currency": "EUR",
                "lines": [{"sku": "4002", "name": "Oat milk 1 l", "quantity": 2, "unit_price": 199}],
                "total": 398,
            },
        }
        answer = sh("mosquitto_rr", "-V", "5", "-t", "instored/entrance/cmd/order",
                    "-e", "till/answers", "-m", json.dumps(order), "-W", "20")
        assert "error" not in answer, answer
        # Who enrols is here, and has to leave to be greeted anew.
        self.camera.show("nobody")
        time.sleep(LEAVES)
        return customer

    def greet(self, customer: str) -> None:
        say("the customer returns, years older")
        since = self.ear.mark()
        shown = self.camera.show("alex-later")
        at, visit = self.ear.wait("visit", event("arrived"), 20, since)
        in_time("greeted", at - shown, GREETED)
        assert visit["customer"]["id"] == customer
        assert [order["id"] for order in visit["orders"]] == ["T2-77"], visit["orders"]
        self.camera.show("nobody")
        self.ear.wait("visit", event("left"), 15, since)

    def pass_by(self) -> None:
        say("a stranger passes")
        since = self.ear.mark()
        self.camera.show("stranger")
        time.sleep(4)
        self.camera.show("nobody")
        assert self.ear.silent("visit", since) and self.ear.silent("enrolment", since)

    def stay_in_the_box(self) -> None:
        say("the service tries what it must not")
        Path("/home/secret").write_text("secret")
        os.chmod("/home/secret", 0o644)
        add_address()
        probe = Path(__file__).with_name("probe.py").read_text()
        unit = Path("/usr/lib/systemd/system/instored.service").read_text()
        # All that the unit sets, but for what starts and watches the program and what is its own.
        service = unit[unit.index("[Service]") : unit.index("[Install]")].splitlines()[1:]
        own = ("#", "Exec", "Type", "Restart", "Watchdog", "Timeout", "StateD", "RuntimeD")
        restrictions = [line for line in service if "=" in line and not line.startswith(own)]

        def tried(*properties: str) -> dict[str, str]:
            options = [part for line in properties for part in ("-p", line)]
            return json.loads(
                sh("systemd-run", "--wait", "--pipe", "--quiet", *options,
                   sys.executable, "-c", probe, self.panel.chip, self.camera.path)
            )

        free, confined = tried(), tried(*restrictions)
        say(f"  confined: {confined}")
        for may in ("camera", "panel", "broker"):
            assert confined[may] == "done", f"the service cannot reach the {may}: {confined[may]}"
        for trial in confined.keys() - {"camera", "panel", "broker"}:
            assert confined[trial] == "refused", f"the service reached {trial}: {confined[trial]}"
            assert free[trial] != "refused", f"{trial} is refused to everybody, so says nothing"

    def lose_the_camera(self) -> None:
        say("the camera freezes")
        self.camera_is("trouble", self.camera.freeze, BACK)
        say("and thaws")
        self.camera_is("streaming", lambda: self.camera.show("nobody"), BACK)
        say("the producer is killed")
        self.camera_is("trouble", self.camera.stop, BACK)
        time.sleep(4)
        self.camera_is("streaming", self.camera.start, BACK)
        say("the module is unloaded, and comes back under another number")
        self.camera_is("trouble", self.camera.unplug, BACK)
        time.sleep(4)
        self.camera_is("streaming", lambda: self.camera.plug_in(12), BACK)
        assert self.box.property("NRestarts") == "0", "a lost camera restarts nothing"

    def camera_is(self, wanted: str, after: Callable[[], Any], limit: float) -> None:
        since = self.ear.mark()
        after()
        done = time.monotonic()
        at, _ = self.ear.wait("state", lambda said: state(said) == wanted, 20, since)
        in_time(f"  {wanted}", at - done, limit)

    def hang(self) -> None:
        say("the vision thread hangs")
        since = self.ear.mark()
        thread = self.box.thread("vision")
        hang(thread)
        begun = time.monotonic()
        restarted = lambda: bury(thread) or self.box.property("NRestarts") == "1"
        until("the watchdog", 60, restarted, every=1)
        say(f"restarted after {time.monotonic() - begun:.1f} s")
        self.ear.wait("state", lambda said: state(said) == "streaming", 40, since)
        assert "watchdog" in sh("journalctl", "-q", "-o", "cat", "-u", "instored").lower()

    def withdraw(self, customer: str) -> None:
        say("somebody holds the button, and nobody is recognised")
        since = self.ear.mark()
        self.panel.press()
        time.sleep(4.9)
        flashes = self.panel.lit(1.1)
        self.panel.release()
        say(f"  the light: {[round(flash, 2) for flash in flashes]}")
        *no, last = flashes[-3:]
        assert all(0.1 < flash < 0.2 for flash in no), "three short flashes say no"
        # The third runs into the first of the light at rest.
        assert 0.1 < last < 0.25, "and the third, too"
        assert all(flash < 0.1 for flash in self.panel.lit(6)), "the light is at rest again"
        assert self.ear.silent("enrolment", since)
        assert len(self.box.cli("customers", "list")) == 1
        say("the customer holds the button, lets go early, and stays")
        self.camera.show("alex-later")
        self.ear.wait("visit", event("arrived"), 20, since)
        self.panel.press()
        time.sleep(3)
        self.panel.release()
        time.sleep(1)
        assert self.ear.silent("enrolment", since)
        say("the customer holds the button for five seconds")
        self.panel.press()
        pressed = time.monotonic()
        at, withdrawn = self.ear.wait("enrolment", event("withdrawn"), 10, since)
        say(f"withdrawn {at - pressed:.2f} s after the press")
        self.panel.release()
        assert withdrawn["customer"] == customer
        assert at - pressed >= 4.9, "too early"
        assert not self.box.cli("customers", "list")
        since = self.ear.mark()
        self.camera.show("nobody")
        time.sleep(LEAVES)
        self.camera.show("alex-later")
        time.sleep(3)
        assert not any(said["event"] == "arrived" for _, where, said in self.ear.heard[since:]
                       if where == "visit"), "somebody who withdrew was greeted"
        self.camera.show("nobody")

    def reload_and_stop(self) -> None:
        say("the configuration is read again")
        self.box.set("shop", "orders_shown", "1")
        self.box.systemctl("reload")
        until("the reload", 5, lambda: "[shop] settings reloaded" in self.box.journal(), every=0.5)
        say("the service is stopped")
        begun = time.monotonic()
        self.box.systemctl("stop")
        took = time.monotonic() - begun
        in_time("stopped", took, 2.0)
        assert self.box.property("Result") == "success"

    def remove(self) -> None:
        say("the package is removed, and purged")
        config = self.box.config.read_text()
        sh("apt-get", "-q", "-y", "remove", "instored")
        assert Path("/var/lib/private/instored/vault.redb").exists(), "remove keeps the vault"
        assert self.box.config.read_text() == config, "remove keeps the configuration"
        self.box.install()
        assert self.box.config.read_text() == config, "installing again keeps the configuration"
        sh("apt-get", "-q", "-y", "purge", "instored")
        for path in ("/var/lib/private/instored", "/var/lib/instored", "/etc/instored"):
            assert not os.path.lexists(path), f"{path} is still there"


def add_address() -> None:
    """Gives the loopback interface an address that is not localhost's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        address = struct.pack("=16sH2x4s8x", b"lo:1", socket.AF_INET, bytes([10, 9, 8, 7]))
        fcntl.ioctl(any_socket, 0x8916, address)  # SIOCSIFADDR


if __name__ == "__main__":
    play(Story().tell)
    print("the story is told")
