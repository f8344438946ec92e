"""Button and LED on GPIO chips that are numbered and labelled as those of Raspberry Pi 5, 4 and 3, appear
late, disappear, or are in use. Runs as root in the guest; the service runs as its own user."""

from __future__ import annotations

import json
import subprocess
import time

from devices import Box, Camera, Ear, GpioSim, Panel, play, say, state, unload, until

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
    say(f"  {panel['says']}")
    return panel["good"], panel["says"]


def without_a_chip(box: Box, ear: Ear) -> None:
    say("no GPIO chip: the service runs, and the doctor says what is missing")
    box.systemctl("start")
    ear.wait("state", lambda said: state(said) == "streaming", 20, 0)
    good, says = doctor()
    assert not good and "this machine has none" in says and "panel.driver" in says, says
    time.sleep(REOPENED)
    assert box.property("ActiveState") == "active" and box.property("NRestarts") == "0"
    assert box.journal().count("no GPIO chip for button and status LED") == 1, "logged once"


def chips_of(model: str, box: Box, ear: Ear) -> None:
    labels = MODELS[model]
    say(f"the chips of a {model} appear, numbered from {FIRST_NUMBER}")
    others = GpioSim("others", [f"other-{i}" for i in range(FIRST_NUMBER)])
    sim = GpioSim("pi", labels)
    assert sim.chips[0] == f"gpiochip{FIRST_NUMBER}", sim.chips
    # No chip has a low number any more.
    others.remove()
    index = next(i for i, label in enumerate(labels) if label.startswith("pinctrl-"))
    panel = Panel(sim, index)
    until("the panel", REOPENED, lambda: doctor()[0], every=1)
    assert f"{panel.chip} ({labels[index]})" in doctor()[1]
    flash = until("a flash of the LED", 10, lambda: panel.lit(4))
    assert all(length < 0.2 for length in flash), flash
    since = ear.mark()
    panel.tap()
    ear.wait("enrolment", lambda said: said["event"] == "started", 20, since)
    assert until("the LED to ask for a look", 10, panel.is_lit)

    say(f"the chips of the {model} disappear while the service runs")
    sim.remove()
    until("the loss", REOPENED, lambda: not doctor()[0], every=1)
    ear.wait("enrolment", lambda said: said["event"] == "failed", 60, since)
    assert box.property("NRestarts") == "0", "a lost panel restarts nothing"


def a_line_in_use(box: Box) -> None:
    say("the button's line is in use")
    sim = GpioSim("busy", ["pinctrl-rp1"], used_line=17)
    time.sleep(REOPENED)
    good, says = doctor()
    assert not good and "in use by other-user" in says and "panel.button_line" in says, says
    sim.remove()


def lines_by_name(box: Box, ear: Ear) -> None:
    say("lines are configured by name")
    box.set("panel", "button_line", '"GPIO17"')
    box.set("panel", "light_line", '"GPIO27"')
    box.systemctl("restart")
    chips_of("Raspberry Pi 5", box, ear)


def main() -> None:
    camera, ear = Camera(), Ear()
    box = Box(None)
    box.install()
    box.configure()
    without_a_chip(box, ear)
    for model in MODELS:
        chips_of(model, box, ear)
    a_line_in_use(box)
    lines_by_name(box, ear)
    camera.stop()
    unload("gpio-sim")


if __name__ == "__main__":
    play(main)
    print("the panel is found under every number")
