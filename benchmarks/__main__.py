"""Run every benchmark briefly, on drawn leaves.

    python -m benchmarks                     all of them, some minutes
    python -m benchmarks mask prediction     only these

This shows that each benchmark works.  With so few images, and one round
instead of several, its figures are rough; those in docs/ are of each benchmark
alone, with its defaults, on real photographs.
"""

import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from leaffliction.utils.images import write_image
from samples.dataset import sample_counts
from samples.drawing import draw_leaf_and_mask

ROOT = Path(__file__).resolve().parent.parent
COUNT, SIZE, SEED = 160, 256, 42     # drawn leaves, pixels
# Arguments of each benchmark, and values of its constants that make it brief.
# In the arguments, IMAGES, OTHERS, MASKS, GROUPS, ARCHIVE, DATA and SPLIT are
# paths in the folder of this run.
BRIEF: dict[str, tuple[str, dict[str, object]]] = {
    "augmentation": ("IMAGES", {"ROUNDS": 1}),
    "mask": ("IMAGES MASKS", {}),
    "leaf_sizes": ("IMAGES", {"PER_CLASS": 1, "SIZES": [60, 300]}),
    "transformation": ("IMAGES", {"IMAGES": 30, "PLAIN_IMAGES": 2}),
    # Without patience the head would train for 30 epochs.
    "training": ("IMAGES --groups GROUPS --weights none --size 64 "
                 "--epochs 1 --patience 1 --seeds 42",
                 {"USUAL_EPOCHS": [1, 1]}),
    "budget": ("IMAGES --groups GROUPS --weights none --minutes 0.1", {}),
    "learning": ("", {"ROUNDS": 1, "IMAGES": 64}),
    "few": ("IMAGES GROUPS --images 8 --seeds 1 "
            "--classes Apple_healthy,Grape_Esca --weights none --size 64 "
            "--epochs 1", {}),
    "few_shot": ("IMAGES --images 4 --seeds 1 --weights none ARCHIVE "
                 "--size 64 --epochs 1", {}),
    "export": ("", {"ROUNDS": 1}),
    "prediction": ("ARCHIVE IMAGES", {"ROUNDS": 1, "BULK_ROUNDS": 1,
                                      "NETWORK_IMAGES": 50}),
    "web": ("IMAGES --learnings ARCHIVE",
            {"ROUNDS": 1, "START_ROUNDS": 1, "REQUESTS": 40, "MANY": 80}),
    # Of the kinds of photographs, two can be drawn; notes name the others.
    "release": ("DATA --learnings ARCHIVE --split SPLIT", {}),
    "hints": ("DATA --learnings ARCHIVE --split SPLIT",
              {"WORSE_IMAGES": 8, "TIMED_IMAGES": 8, "ROUNDS": 1}),
    "field": ("ARCHIVE/.. --leaves IMAGES --field OTHERS", {}),
    "plants": ("OTHERS ARCHIVE", {"GROUPS": 20}),
    "scale": ("--learnings ARCHIVE", {"IMAGES": 200, "ROUNDS": 1})}
# Each runs in a new process: python -c START module constants arguments ...
START = """
import importlib, json, sys
name, constants = sys.argv[1], json.loads(sys.argv[2])
module = importlib.import_module(f"benchmarks.{name}")
if unknown := set(constants) - set(vars(module)):
    sys.exit(f"error: benchmarks/{name}.py has no {unknown}")
vars(module).update(constants)
sys.argv = [name, *sys.argv[3:]]
sys.exit(module.main())
"""


def draw(folder: Path) -> None:
    """Draw IMAGES with MASKS and the CSV GROUPS, and other leaves, OTHERS."""
    rows = ["file,leaf"]
    # Other names, since field.py leaves out files that were trained on.
    for name, stem, seed in (("IMAGES", "image", SEED),
                             ("OTHERS", "other", SEED + 1)):
        for index, (class_name, count) in enumerate(
                sample_counts(COUNT).items()):
            for number in range(1, count + 1):
                rng = np.random.default_rng([seed, index, number])
                leaf, mask = draw_leaf_and_mask(class_name, rng, SIZE)
                file = f"{class_name}/{stem} ({number})"
                write_image(folder / name / f"{file}.JPG", leaf)
                if name == "IMAGES":
                    rows.append(f"{file}.JPG,{class_name} {number}")
                    write_image(folder / "MASKS" / f"{file}.png",
                                cv2.cvtColor(mask.astype(np.uint8) * 255,
                                             cv2.COLOR_GRAY2RGB))
    (folder / "GROUPS").write_text("\n".join(rows) + "\n")


def train(folder: Path) -> None:
    """Train briefly, so that there is an archive to predict with."""
    subprocess.run(
        [sys.executable, ROOT / "train.py", folder / "IMAGES", "--groups",
         folder / "GROUPS", "--output", folder / "learnings.zip",
         "--weights", "none", "--size", "96", "--epochs", "1",
         "--float-model", "--no-display"],
        check=True, stdout=subprocess.DEVNULL)


def lay_out_data(folder: Path) -> None:
    """Make DATA, a folder of photographs as release.py reads it, and SPLIT.

    Its leaves are IMAGES, with the split of train(), and those from the web
    are OTHERS.
    """
    (folder / "DATA").mkdir()
    (folder / "DATA" / "leaves").symlink_to(folder / "IMAGES")
    (folder / "DATA" / "wild").symlink_to(folder / "OTHERS")
    with (open(folder / "report" / "split.csv", newline="") as lines,
          open(folder / "SPLIT", "w", newline="") as stream):
        writer = csv.writer(stream)
        writer.writerow(("file", "leaf", "class", "domain", "part"))
        writer.writerows(
            (f"leaves/{row['file']}", row["leaf"], row["class"], "laboratory",
             row["part"]) for row in csv.DictReader(lines)
            if row["part"] != "left out")


def main(names: list[str]) -> int:
    """Run the benchmarks; return the exit status, 1 if one has failed."""
    failed = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        draw(folder)
        train(folder)
        lay_out_data(folder)
        paths = {name: str(folder / name) for name in (
            "IMAGES", "OTHERS", "MASKS", "GROUPS", "DATA", "SPLIT")} | {
                "ARCHIVE": str(folder / "learnings.zip"),
                "ARCHIVE/..": temporary}
        for name in names:
            arguments, constants = BRIEF[name]
            print(f"== {name}", flush=True)
            start = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-c", START, name, json.dumps(constants), *(
                    paths.get(word, word) for word in arguments.split())],
                cwd=ROOT)
            if done.returncode:
                failed.append(name)
            print(f"   ({time.monotonic() - start:.0f} s)\n", flush=True)
    if failed:
        print("failed: " + ", ".join(failed), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(BRIEF)
    if unknown := set(chosen) - set(BRIEF):
        sys.exit(f"error: no benchmark {', '.join(sorted(unknown))}; there "
                 f"are {', '.join(BRIEF)}")
    sys.exit(main(chosen))
