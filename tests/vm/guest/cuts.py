"""One life of a box that is about to lose its power. Runs as root in the guest, once a start.

`cuts.py prepare` installs and configures. `cuts.py` checks what the last cut left, and enrols somebody
while the host waits to pull the plug. What the host has to know it reads in the shared folder:
`done` has a line for every customer whose enrolment was said to be done since the last life.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from devices import Box, Camera, Ear, Panel, say, sh, until

HOST = Path("/mnt/host")


def prepare(box: Box) -> None:
    box.install()
    box.configure()


def live(box: Box, camera: Camera, panel: Panel) -> None:
    ear = Ear()
    # It was enabled by the package, started with the machine, and tries until its devices are there.
    until("the box", 120, lambda: box.property("ActiveState") == "active", every=1)
    ear.wait("state", lambda said: said["camera"] == "streaming", 30, 0)
    check(box)
    for customer in kept(box):
        sh("instored", "customers", "forget", customer)
    (HOST / "done").write_text("")
    camera.show("alex")
    time.sleep(1)
    since = ear.mark()
    panel.press()
    time.sleep(0.1)
    panel.release()
    (HOST / "pressed").write_text("")
    _, done = ear.wait("enrolment", lambda said: said["event"] == "done", 60, since)
    (HOST / "done").write_text(done["customer"]["id"] + "\n")
    time.sleep(3600)


def kept(box: Box) -> list[str]:
    return [customer["id"] for customer in box.cli("customers", "list")]


def check(box: Box) -> None:
    """Every customer whose enrolment was said to be done is there, and whole."""
    promised = (HOST / "done").read_text().split()
    there = kept(box)
    assert set(promised) <= set(there), f"{promised} were promised, {there} are there"
    assert len(there) <= 1, f"one enrolled at most, {there} are there"
    verified = box.cli("vault", "verify")
    say(f"promised {len(promised)}, there {len(there)}, verified {json.dumps(verified)}")
    (HOST / "checked").write_text(f"{len(promised)} promised, {len(there)} there\n")


if __name__ == "__main__":
    panel = Panel()
    box = Box(panel)
    if sys.argv[1:] == ["prepare"]:
        prepare(box)
    else:
        live(box, Camera(), panel)
