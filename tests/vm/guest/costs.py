"""What the box takes of the processor: at an empty entrance, with a customer who moves, and with one who
stands still. Runs as root in the guest, whose clock counts instructions."""

from __future__ import annotations

import time

from devices import Box, Camera, Ear, Panel, play, say

# Of what a customer who moves costs, at the same frames a second.
EMPTY = 0.10
STILL = 0.40
SECONDS = 20


class Costs:
    def __init__(self) -> None:
        self.panel, self.camera, self.ear = Panel(), Camera(), Ear()
        self.box = Box(self.panel)

    def tell(self) -> None:
        self.box.install()
        self.box.configure()
        since = self.ear.mark()
        self.box.systemctl("start")
        self.ear.wait("state", lambda said: said["camera"] == "streaming", 20, since)
        self.camera.show("alex")
        self.panel.tap()
        self.ear.wait("enrolment", lambda said: said["event"] == "done", 30, since)

        moving = self.cost("alex")
        still = self.cost("alex", still=True)
        stranger = self.cost("stranger")
        empty = self.cost("nobody")
        say(f"a stranger: {stranger / moving:.2f} of a customer who moves")
        say(f"a still customer: {still / moving:.3f}, at most {STILL}")
        say(f"an empty entrance: {empty / moving:.3f}, at most {EMPTY}")
        assert still <= STILL * moving and empty <= EMPTY * moving

    def cost(self, scene: str, still: bool = False) -> float:
        """Milliseconds of the processor a second, once the scene before has passed."""
        self.camera.show(f"{scene} still" if still else scene)
        # Longer than anybody counts as being there after they left; and no event says when a stranger
        # has. The second wait is what is measured.
        time.sleep(8)
        before = self.used()
        time.sleep(SECONDS)
        cost = (self.used() - before) / SECONDS
        say(f"{scene}{', still' if still else ''}: {cost:.2f} ms a second")
        return cost

    def used(self) -> float:
        return int(self.box.property("CPUUsageNSec")) / 1e6


if __name__ == "__main__":
    play(Costs().tell)
    print("the costs are counted")
