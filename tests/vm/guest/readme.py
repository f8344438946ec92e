"""What the README says of a box of one's own, typed word for word. Runs as root in the guest, where an
editor that knows its lines sits in nano's place."""

from __future__ import annotations

import os
import re
import subprocess
import urllib.request
from pathlib import Path

from devices import Box, Camera, Ear, Panel, say, sh, state, until

HOST = Path("/mnt/host")
HEADING = "\n## A box of your own\n"


def commands() -> list[str]:
    """The first block of commands under the heading, for this machine's package, without
    what is said beside them."""
    section = (HOST / "README.md").read_text().partition(HEADING)[2]
    block = re.search(r"(?m)(^    .*\n)+", section)
    assert block, "the README has no commands for a box"
    written = block[0].replace("arm64", sh("dpkg", "--print-architecture").strip())
    return [line.partition(" #")[0].strip() for line in written.splitlines()]


def stand_in(name: str, script: str) -> None:
    path = Path("/usr/local/bin", name)
    path.write_text(script)
    path.chmod(0o755)


def page() -> int | None:
    """The length of the display's page, once it is served."""
    try:
        with urllib.request.urlopen("http://127.0.0.1:8080/", timeout=20) as answer:
            return len(answer.read())
    except OSError:
        return None


def main() -> None:
    panel = Panel()
    camera, ear, box = Camera(), Ear(), Box(panel)
    # Nobody but root is here.
    stand_in("sudo", '#!/bin/sh\nexec "$@"\n')
    for command in commands():
        say(f"$ {command}")
        if command.startswith("sudo nano "):
            assert command.split()[-1] == str(box.config)
            box.configure()
            continue
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        # A prompt would be answered with yes.
        done = subprocess.run(command, shell=True, cwd=HOST, env=environment, input="y\n" * 9,
                              capture_output=True, text=True)
        print(done.stdout[-3000:], done.stderr[-2000:], flush=True)
        # The doctor's answer is no success where there is something to mend, such as a clock.
        assert done.returncode == 0 or "doctor" in command, f"{command}: {done.returncode}"
    ear.wait("state", lambda said: state(said) == "streaming", 20, 0)
    say(f"the page: {until('the page', 20, page, every=1)} bytes")
    camera.show("alex")
    panel.tap()
    _, done = ear.wait("enrolment", lambda said: said["event"] == "done", 30, 0)
    say(f"the first customer: {done['claim_code']}")


if __name__ == "__main__":
    main()
    print("the README holds")
