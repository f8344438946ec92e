"""Button and LED on GPIO chips that are numbered and labelled as those of Raspberry Pi 5, 4 and 3, appear
late, disappear, or are in use. Runs as root in the guest; the service runs as its own user."""

from __future__ import annotations

import json
import subprocess
import time

from devices import Box, Camera, Subscriber, GpioSim, Panel, run_part, log, state, wait_until

# Numbers below this one belong to other chips.
FIRST_NUMBER = 11
# Label of the chip behind the pin header of each model, and the labels of its other chips.
MODELS = {
    "Raspberry Pi 5": ["gpio-brcmstb@107d508500", "pinctrl-rp1", "gpio-brcmstb@107d508520",
                       "gpio-brcmstb@107d517c00", "gpio-brcmstb@107d517c20"],
    "Raspberry Pi 4": ["raspberrypi-exp-gpio", "pinctrl-bcm2711"],
    "Raspberry Pi 3": ["pinctrl-bcm2835", "raspberrypi-exp-gpio"],
}
# The daemon tries every 10 s to open a missing panel.
REOPENED = 15.0


def doctor() -> tuple[bool, str]:
    """Returns whether the doctor finds the panel good, and its text."""
    printed = subprocess.run(["instored", "doctor", "--json"], capture_output=True, text=True).stdout
    panel = next(line for line in json.loads(printed) if line["what"] == "panel")
    log(f"  {panel['says']}")
    return panel["good"], panel["says"]


def without_a_chip(box: Box, subscriber: Subscriber) -> None:
    log("no GPIO chip: the service runs, and the doctor reports it")
    box.systemctl("start")
    subscriber.wait("state", lambda payload: state(payload) == "streaming", 20, 0)
    good, says = doctor()
    assert not good and "this machine has none" in says and "panel.driver" in says, says
    time.sleep(REOPENED)
    assert box.property("ActiveState") == "active" and box.property("NRestarts") == "0"
    assert box.journal().count("no GPIO chip for button and status LED") == 1, "logged once"


def chips_of(model: str, box: Box, subscriber: Subscriber) -> None:
    labels = MODELS[model]
    log(f"the chips of a {model} appear, numbered from {FIRST_NUMBER}")
    others = GpioSim("others", [f"other-{i}" for i in range(FIRST_NUMBER)])
    sim = GpioSim("pi", labels)
    # The kernel keeps the number of a chip that was removed while one of its lines was in use.
    assert int(sim.chips[0].removeprefix("gpiochip")) >= FIRST_NUMBER, sim.chips
    # No chip has a low number any more.
    others.remove()
    index = next(i for i, label in enumerate(labels) if label.startswith("pinctrl-"))
    panel = Panel(sim, index)
    wait_until("the panel", REOPENED, lambda: doctor()[0], every=1)
    assert f"{panel.chip} ({labels[index]})" in doctor()[1]
    flash = wait_until("a flash of the LED", 10, lambda: panel.lit_durations(4))
    assert all(length < 0.2 for length in flash), flash
    since = subscriber.position()
    panel.agree()
    subscriber.wait("enrolment", lambda payload: payload["event"] == "started", 20, since)
    assert wait_until("the LED to ask for a look", 10, panel.is_lit)

    log(f"the chips of the {model} disappear while the service runs")
    sim.remove()
    wait_until("the loss", REOPENED, lambda: not doctor()[0], every=1)
    subscriber.wait("enrolment", lambda payload: payload["event"] == "failed", 60, since)
    assert box.property("NRestarts") == "0", "the lost panel restarted the service"


def a_line_in_use(box: Box) -> None:
    log("the button's line is in use")
    sim = GpioSim("busy", ["pinctrl-rp1"], used_line=17)
    time.sleep(REOPENED)
    good, says = doctor()
    assert not good and "in use by other-user" in says and "panel.button_line" in says, says
    sim.remove()


def lines_by_name(box: Box, subscriber: Subscriber) -> None:
    log("lines are configured by name")
    box.set("panel", "button_line", '"GPIO17"')
    box.set("panel", "light_line", '"GPIO27"')
    box.systemctl("restart")
    chips_of("Raspberry Pi 5", box, subscriber)


def main() -> None:
    camera, subscriber = Camera(), Subscriber()
    box = Box(None)
    box.install()
    box.configure()
    without_a_chip(box, subscriber)
    for model in MODELS:
        chips_of(model, box, subscriber)
    a_line_in_use(box)
    lines_by_name(box, subscriber)
    camera.stop()


if __name__ == "__main__":
    run_part(main)
    print("panel: passed")
