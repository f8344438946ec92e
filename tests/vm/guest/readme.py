"""Commands of the README for a box, executed as written. Runs as root in the guest; a configuration by
script replaces the editor."""

from __future__ import annotations

import os
import re
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from devices import Box, Camera, Subscriber, Panel, log, sh, state, wait_until

HOST = Path("/mnt/host")
HEADING = "\n## A box of your own\n"


def commands() -> list[str]:
    """Returns the first block of commands under the heading, for this machine's architecture, without
    comments."""
    section = (HOST / "README.md").read_text().partition(HEADING)[2]
    block = re.search(r"(?m)(^    .*\n)+", section)
    assert block, "the README has no commands for a box"
    written = block[0].replace("arm64", sh("dpkg", "--print-architecture").strip())
    return [line.partition(" #")[0].strip() for line in written.splitlines()]


def install_script(name: str, script: str) -> None:
    path = Path("/usr/local/bin", name)
    path.write_text(script)
    path.chmod(0o755)


def page() -> int | None:
    """Returns the length of the display's page, or None while it is not served."""
    token = Path("/etc/instored/page-token").read_text().strip()
    request = urllib.request.Request("http://127.0.0.1:8080/", headers={"Cookie": f"token={token}"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return len(answer.read())
    except OSError:
        return None


def main() -> None:
    panel = Panel()
    camera, box = Camera(), Box(panel)
    # The guest has no user but root, and no sudo.
    install_script("sudo", '#!/bin/sh\nexec "$@"\n')
    for command in commands():
        log(f"$ {command}")
        if command.startswith("sudo nano "):
            assert command.split()[-1] == str(box.config)
            box.configure()
            continue
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        # Prompts are answered with yes.
        done = subprocess.run(command, shell=True, cwd=HOST, env=environment, input="y\n" * 9,
                              capture_output=True, text=True)
        print(done.stdout[-3000:], done.stderr[-2000:], flush=True)
        # The doctor fails if it finds a fault, such as an unsynchronised clock.
        assert done.returncode == 0 or "doctor" in command, f"{command}: {done.returncode}"
    # The display of the box uses the first account.
    sh("instored", "setup", "--displays", "2")
    subscriber = Subscriber("display-entrance-2")
    subscriber.wait("state", lambda payload: state(payload) == "streaming", 20, 0)
    log(f"the page: {wait_until('the page', 20, page, every=1)} bytes")
    camera.show("alex")
    panel.agree()
    _, done = subscriber.wait("enrolment", lambda payload: payload["event"] == "done", 30, 0)
    log(f"the first customer: {done['claim_code']}")
    check_anonymous_access()
    purge()


def check_anonymous_access() -> None:
    """Asserts that the broker and the page reject programs without an account and a token."""
    client = ["mosquitto_sub", "-V", "5", "-t", "#", "-C", "1", "-W", "10"]
    assert subprocess.run(client, capture_output=True).stdout == b"", "the broker accepts anonymous clients"
    try:
        urllib.request.urlopen("http://127.0.0.1:8080/", timeout=20)
        raise AssertionError("the page needs no token")
    except urllib.error.HTTPError as error:
        assert error.code == 403, error


def purge() -> None:
    """Asserts that the purge of the package deletes what the set-up wrote."""
    log("purge")
    sh("apt-get", "-q", "-y", "purge", "instored")
    for path in ("/etc/instored", "/etc/mosquitto/instored", "/etc/mosquitto/conf.d/instored.conf",
                 "/etc/systemd/system/instored.service.d", "/etc/systemd/system/instored-display.service.d"):
        assert not os.path.lexists(path), f"{path} still exists"
    assert sh("systemctl", "is-active", "mosquitto").strip() == "active"


if __name__ == "__main__":
    main()
    print("readme: passed")
