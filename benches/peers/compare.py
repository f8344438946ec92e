"""Times the program and its peers alternately, and prints medians and ratios."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import cv2
import numpy as np

import peers

RUNS = 5  # of each peer per round


def main() -> None:
    parser = argparse.ArgumentParser(prog="benches/peers/run.sh", description=__doc__)
    parser.add_argument("root", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("program", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", help="only comparisons whose name contains this")
    arguments = parser.parse_args()

    pictures = face_pictures(arguments.root, arguments.work)
    results = {}
    for name, (own, others) in comparisons(arguments, pictures).items():
        if arguments.only and arguments.only not in name:
            continue
        results[name] = compare(own, others(), arguments.rounds)
        if not arguments.json:
            report(name, results[name])
    if arguments.json:
        json.dump(results, sys.stdout)


def comparisons(arguments: argparse.Namespace, pictures: dict[str, Path]) -> dict:
    """Returns by name: a call that returns the program's time in ms, and a call that creates the peers."""

    def own(stage: str, size: str = "640x480", share: float = 1, **options: object) -> Callable:
        width, height = options.pop("detector", size).split("x")
        line = [arguments.program, "bench", "--json", "--runs", RUNS, "--picture", pictures[size]]
        for key, value in options.items():
            line += [f"--{key}", value]
        environment = os.environ | {
            "INSTORED_VISION_DETECT_WIDTH": width,
            "INSTORED_VISION_DETECT_HEIGHT": height,
        }

        def run() -> float:
            out = subprocess.run([str(w) for w in line], env=environment, capture_output=True, check=True)
            stages = json.loads(out.stdout)["stages"]
            return next(s["median_us"] for s in stages if s["name"] == stage) / 1e3 * share

        return run

    work, frame = arguments.work, cv2.imread(str(pictures["640x480"]))
    return {
        "embed, SFace": (own("embed", model="sface"), lambda: peers.embedders(work, "sface")),
        # The program runs MobileFaceNet on a face and its mirror image.
        "embed, MobileFaceNet": (
            own("embed", model="mobilefacenet", share=0.5),
            lambda: peers.embedders(work, "mobilefacenet"),
        ),
        "detect, 320x320": (own("detect", "320x320"), lambda: peers.detectors(work, (320, 320))),
        "detect, 640x480": (own("detect", "640x480"), lambda: peers.detectors(work, (640, 480))),
        "frame, SFace, as configured": (
            own("frame", detector="320x256", model="sface"),
            lambda: peers.frames(work, frame),
        ),
        "frame, SFace, detector at 640x480": (
            own("frame", model="sface"),
            lambda: peers.frames(work, frame),
        ),
        "search, 100,000 of 128": (
            own("search", model="sface", customers=100_000),
            lambda: peers.searches(100_000, 128),
        ),
        "search, 100,000 of 512": (
            own("search", model="mobilefacenet", customers=100_000),
            lambda: peers.searches(100_000, 512),
        ),
    }


def compare(own: Callable, others: dict[str, Callable], rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {"instored": []} | {name: [] for name in others}
    for _ in range(rounds):
        times["instored"].append(own())
        for name, run in others.items():
            run()
            for _ in range(RUNS):
                start = time.process_time()
                run()
                times[name].append((time.process_time() - start) * 1e3)
    return {name: median(values) for name, values in times.items()}


def report(name: str, medians: dict[str, float]) -> None:
    print(f"\n{name}")
    own = medians["instored"]
    for peer, milliseconds in medians.items():
        ratio = "" if peer == "instored" else f"  ratio {own / milliseconds:.2f}"
        print(f"  {peer:34} {milliseconds:9.3f} ms{ratio}", flush=True)


def face_pictures(root: Path, work: Path) -> dict[str, Path]:
    """Writes a portrait on grey at each size. Returns the paths."""
    portrait = cv2.imread(str(root / "crates/simulation/portraits/person_a_1.jpg"))
    paths = {}
    for width, height in ((640, 480), (320, 320)):
        scale = 0.9 * height / portrait.shape[0]
        person = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        rows, columns = person.shape[:2]
        frame = np.full((height, width, 3), 96, np.uint8)
        top, left = (height - rows) // 2, (width - columns) // 2
        frame[top : top + rows, left : left + columns] = person
        paths[f"{width}x{height}"] = work / f"frame-{width}x{height}.png"
        cv2.imwrite(str(paths[f"{width}x{height}"]), frame)
    return paths


if __name__ == "__main__":
    main()
