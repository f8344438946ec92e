"""From `apt install` to a withdrawn consent, on kernel devices, with the faults that may occur. Runs as root
in the guest; the service runs as its own user."""

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

from devices import Box, Camera, Subscriber, Panel, assert_within, run_part, log, sh, state, wait_until
from ptrace import reap_thread, stop_thread

# Maximum time to a greeting, in seconds.
GREETING_MAX = 2.0
# Maximum time to report a change of the camera, in seconds.
CAMERA_CHANGE_MAX = 5.0
# Time out of view after which a customer has left, in seconds.
DEPARTURE = 5.0


def event(name: str) -> Callable[[Any], bool]:
    return lambda payload: payload["event"] == name


class Scenario:
    def __init__(self) -> None:
        self.panel, self.camera, self.subscriber = Panel(), Camera(), Subscriber()
        self.box = Box(self.panel)

    def run(self) -> None:
        self.install()
        self.start()
        customer = self.enrol()
        self.greet(customer)
        self.check_sandbox()
        self.check_lost_camera()
        self.check_watchdog()
        self.check_stranger()
        self.withdraw(customer)
        self.reload_and_stop()
        self.remove()

    def install(self) -> None:
        log("installation")
        self.box.install()
        assert self.box.property("UnitFileState") == "enabled"
        assert sh("stat", "-c", "%G %a", self.panel.chip).strip() == "gpio 660", "the udev rule"
        self.box.configure()

    def start(self) -> None:
        log("start")
        since = self.subscriber.position()
        started = time.monotonic()
        self.box.systemctl("start")
        log(f"READY after {time.monotonic() - started:.1f} s")
        self.subscriber.wait("state", lambda payload: payload["camera"] == "streaming", 20, since)
        assert os.stat(f"/proc/{self.box.property('MainPID')}").st_uid != 0, "it runs as root"

    def enrol(self) -> str:
        log("a customer presses the bouncing button once")
        self.camera.show("alex")
        time.sleep(1)
        since = self.subscriber.position()
        self.panel.tap()
        _, done = self.subscriber.wait("enrolment", event("done"), 30, since)
        started = [payload for _, where, payload in self.subscriber.received[since:]
                   if where == "enrolment" and payload["event"] == "started"]
        assert len(started) == 1, f"one press started {len(started)} enrolments"
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
                    "-e", "instored/entrance/reply/till", "-m", json.dumps(order), "-W", "20")
        assert "error" not in answer, answer
        # A customer who has enrolled counts as present, and has to leave before the next greeting.
        self.camera.show("nobody")
        time.sleep(DEPARTURE)
        return customer

    def greet(self, customer: str) -> None:
        log("the customer returns, years older")
        since = self.subscriber.position()
        shown = self.camera.show("alex-later")
        at, visit = self.subscriber.wait("visit", event("arrived"), 20, since)
        assert_within("greeted", at - shown, GREETING_MAX)
        assert visit["customer"]["id"] == customer
        assert [order["id"] for order in visit["orders"]] == ["T2-77"], visit["orders"]
        self.camera.show("nobody")
        self.subscriber.wait("visit", event("left"), 15, since)

    def check_stranger(self) -> None:
        log("a stranger passes")
        since = self.subscriber.position()
        self.camera.show("stranger")
        time.sleep(4)
        self.camera.show("nobody")
        assert self.subscriber.has_no_message("visit", since) and self.subscriber.has_no_message("enrolment", since)

    def check_sandbox(self) -> None:
        log("forbidden actions of the service")
        Path("/home/secret").write_text("secret")
        os.chmod("/home/secret", 0o644)
        add_address()
        probe = Path(__file__).with_name("probe.py").read_text()
        unit = Path("/usr/lib/systemd/system/instored.service").read_text()
        # The restrictions of the unit, without the settings that start and monitor the program.
        service = unit[unit.index("[Service]") : unit.index("[Install]")].splitlines()[1:]
        own = ("#", "Exec", "Type", "Restart", "Watchdog", "Timeout", "StateD", "RuntimeD")
        restrictions = [line for line in service if "=" in line and not line.startswith(own)]

        def outcomes(*properties: str) -> dict[str, str]:
            options = [part for line in properties for part in ("-p", line)]
            return json.loads(
                sh("systemd-run", "--wait", "--pipe", "--quiet", *options,
                   sys.executable, "-c", probe, self.panel.chip, self.camera.path)
            )

        free, confined = outcomes(), outcomes(*restrictions)
        log(f"  confined: {confined}")
        for allowed in ("camera", "panel", "broker"):
            assert confined[allowed] == "done", f"the service cannot reach the {allowed}: {confined[allowed]}"
        for trial in confined.keys() - {"camera", "panel", "broker"}:
            assert confined[trial] == "refused", f"the service reached {trial}: {confined[trial]}"
            assert free[trial] != "refused", f"{trial} is refused without the restrictions, so the test proves nothing"

    def check_lost_camera(self) -> None:
        log("the camera freezes")
        self.expect_camera("trouble", self.camera.freeze, CAMERA_CHANGE_MAX)
        log("the camera delivers frames again")
        self.expect_camera("streaming", lambda: self.camera.show("nobody"), CAMERA_CHANGE_MAX)
        log("the producer is killed")
        self.expect_camera("trouble", self.camera.stop, CAMERA_CHANGE_MAX)
        time.sleep(4)
        self.expect_camera("streaming", self.camera.start, CAMERA_CHANGE_MAX)
        log("the module is unloaded, and loaded with another number")
        self.expect_camera("trouble", self.camera.unload_module, CAMERA_CHANGE_MAX)
        time.sleep(4)
        self.expect_camera("streaming", lambda: self.camera.load(12), CAMERA_CHANGE_MAX)
        assert self.box.property("NRestarts") == "0", "the lost camera restarted the service"

    def expect_camera(self, expected: str, action: Callable[[], Any], limit: float) -> None:
        since = self.subscriber.position()
        action()
        done = time.monotonic()
        at, _ = self.subscriber.wait("state", lambda payload: state(payload) == expected, 20, since)
        assert_within(f"  {expected}", at - done, limit)

    def check_watchdog(self) -> None:
        log("the vision thread hangs")
        since = self.subscriber.position()
        thread = self.box.thread("vision")
        stop_thread(thread)
        started = time.monotonic()
        restarted = lambda: reap_thread(thread) or self.box.property("NRestarts") == "1"
        wait_until("the watchdog", 60, restarted, every=1)
        log(f"restarted after {time.monotonic() - started:.1f} s")
        self.subscriber.wait("state", lambda payload: state(payload) == "streaming", 40, since)
        assert "watchdog" in sh("journalctl", "-q", "-o", "cat", "-u", "instored").lower()

    def withdraw(self, customer: str) -> None:
        log("the button is held without a customer in view")
        since = self.subscriber.position()
        self.panel.press()
        time.sleep(4.9)
        flashes = self.panel.lit_durations(1.1)
        self.panel.release()
        log(f"  the light: {[round(flash, 2) for flash in flashes]}")
        *first, last = flashes[-3:]
        assert all(0.1 < flash < 0.2 for flash in first), "the signal of a failure is three short flashes"
        # The third flash merges with the first flash of the idle signal.
        assert 0.1 < last < 0.25, "the third flash has another length"
        assert all(flash < 0.1 for flash in self.panel.lit_durations(6)), "the idle signal is missing"
        assert self.subscriber.has_no_message("enrolment", since)
        assert len(self.box.cli("customers", "list")) == 1
        log("the customer holds the button for 3 s, which changes nothing")
        self.camera.show("alex-later")
        self.subscriber.wait("visit", event("arrived"), 20, since)
        self.panel.press()
        time.sleep(3)
        self.panel.release()
        time.sleep(1)
        assert self.subscriber.has_no_message("enrolment", since)
        log("the customer holds the button for 5 s")
        self.panel.press()
        pressed = time.monotonic()
        at, withdrawn = self.subscriber.wait("enrolment", event("withdrawn"), 10, since)
        log(f"withdrawn {at - pressed:.2f} s after the press")
        self.panel.release()
        assert withdrawn["customer"] == customer
        assert at - pressed >= 4.9, "withdrawn too early"
        assert not self.box.cli("customers", "list")
        since = self.subscriber.position()
        self.camera.show("nobody")
        time.sleep(DEPARTURE)
        self.camera.show("alex-later")
        time.sleep(3)
        assert not any(payload["event"] == "arrived" for _, where, payload in self.subscriber.received[since:]
                       if where == "visit"), "the deleted customer was greeted"
        self.camera.show("nobody")

    def reload_and_stop(self) -> None:
        log("reload")
        self.box.set("shop", "orders_shown", "1")
        self.box.systemctl("reload")
        wait_until("the reload", 5, lambda: "[shop] settings reloaded" in self.box.journal(), every=0.5)
        log("stop")
        started = time.monotonic()
        self.box.systemctl("stop")
        took = time.monotonic() - started
        assert_within("stopped", took, 2.0)
        assert self.box.property("Result") == "success"

    def remove(self) -> None:
        log("removal and purge")
        config = self.box.config.read_text()
        sh("apt-get", "-q", "-y", "remove", "instored")
        assert Path("/var/lib/private/instored/vault.redb").exists(), "remove keeps the vault"
        assert self.box.config.read_text() == config, "remove keeps the configuration"
        self.box.install()
        assert self.box.config.read_text() == config, "installing again keeps the configuration"
        sh("apt-get", "-q", "-y", "purge", "instored")
        for path in ("/var/lib/private/instored", "/var/lib/instored", "/etc/instored"):
            assert not os.path.lexists(path), f"{path} still exists"


def add_address() -> None:
    """Adds an address outside of 127.0.0.0/8 to the loopback interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        address = struct.pack("=16sH2x4s8x", b"lo:1", socket.AF_INET, bytes([10, 9, 8, 7]))
        fcntl.ioctl(any_socket, 0x8916, address)  # SIOCSIFADDR


if __name__ == "__main__":
    run_part(Scenario().run)
    print("scenario: passed")
