"""Power cuts during enrolments. Runs as root in the guest, once per start.

`power_cuts.py prepare` installs and configures the box. `power_cuts.py` checks the vault after the last cut
and enrols a customer, until the host kills the machine. The host reads the shared folder: `done` contains the
id of each customer whose enrolment was published as done since the last start.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from devices import Box, Camera, Subscriber, Panel, log, sh, wait_until

HOST = Path("/mnt/host")


def prepare(box: Box) -> None:
    box.install()
    box.configure()


def run(box: Box, camera: Camera, panel: Panel) -> None:
    subscriber = Subscriber()
    # The package has enabled the service. It retries until its devices exist.
    wait_until("the box", 120, lambda: box.property("ActiveState") == "active", every=1)
    subscriber.wait("state", lambda payload: payload["camera"] == "streaming", 30, 0)
    check(box)
    for customer in customer_ids(box):
        sh("instored", "customers", "forget", customer)
    (HOST / "done").write_text("")
    camera.show("alex")
    time.sleep(1)
    since = subscriber.position()
    panel.press()
    time.sleep(0.1)
    panel.release()
    (HOST / "pressed").write_text("")
    _, done = subscriber.wait("enrolment", lambda payload: payload["event"] == "done", 60, since)
    (HOST / "done").write_text(done["customer"]["id"] + "\n")
    time.sleep(3600)


def customer_ids(box: Box) -> list[str]:
    return [customer["id"] for customer in box.cli("customers", "list")]


def check(box: Box) -> None:
    """Checks that each customer whose enrolment was published is stored and valid."""
    published = (HOST / "done").read_text().split()
    stored = customer_ids(box)
    assert set(published) <= set(stored), f"{published} were published, {stored} are stored"
    assert len(stored) <= 1, f"at most one can be enrolled, {stored} are stored"
    verified = box.cli("vault", "verify")
    log(f"published {len(published)}, stored {len(stored)}, verified {json.dumps(verified)}")
    (HOST / "checked").write_text(f"{len(published)} published, {len(stored)} stored\n")


if __name__ == "__main__":
    panel = Panel()
    box = Box(panel)
    if sys.argv[1:] == ["prepare"]:
        prepare(box)
    else:
        run(box, Camera(), panel)
