"""Processor time of the box: empty entrance, moving customer, still customer, stranger. Runs as root in the
guest, whose clock counts instructions."""

from __future__ import annotations

import time

from devices import Box, Camera, Subscriber, Panel, run_part, log

# Maximum processor time relative to a moving customer, at the same frame rate.
EMPTY_MAX = 0.10
STILL_MAX = 0.40
# Duration of a measurement, in seconds.
SECONDS = 20


class Costs:
    def __init__(self) -> None:
        self.panel, self.camera, self.subscriber = Panel(), Camera(), Subscriber()
        self.box = Box(self.panel)

    def run(self) -> None:
        self.box.install()
        self.box.configure()
        since = self.subscriber.position()
        self.box.systemctl("start")
        self.subscriber.wait("state", lambda payload: payload["camera"] == "streaming", 20, since)
        self.camera.show("alex")
        self.panel.agree()
        self.subscriber.wait("enrolment", lambda payload: payload["event"] == "done", 30, since)

        moving = self.cost("alex")
        still = self.cost("alex", still=True)
        stranger = self.cost("stranger")
        empty = self.cost("nobody")
        log(f"a stranger: {stranger / moving:.2f} of a moving customer")
        log(f"a still customer: {still / moving:.3f}, at most {STILL_MAX}")
        log(f"an empty entrance: {empty / moving:.3f}, at most {EMPTY_MAX}")
        assert still <= STILL_MAX * moving and empty <= EMPTY_MAX * moving

    def cost(self, scene: str, still: bool = False) -> float:
        """Returns the processor time of a scene, in milliseconds per second."""
        self.camera.show(f"{scene} still" if still else scene)
        # The previous person counts as present for some seconds, and no event reports the departure of a
        # stranger.
        time.sleep(8)
        before = self.used()
        time.sleep(SECONDS)
        cost = (self.used() - before) / SECONDS
        log(f"{scene}{', still' if still else ''}: {cost:.2f} ms per second")
        return cost

    def used(self) -> float:
        return int(self.box.property("CPUUsageNSec")) / 1e6


if __name__ == "__main__":
    run_part(Costs().run)
    print("costs: passed")
