#!/usr/bin/env python3
"""compare_runs.py RUN REFERENCE [--checkpoint-may-miss]

Whether a finished run is, bit for bit, what a reference is: the parameters, the last checkpoint's tensors and
record, the metrics without their times, and no half-made file is left. Says what differs; exit status 1 if anything does.
"""
import json
import sys
from pathlib import Path

arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
allowed = {a for a in sys.argv[1:] if a.startswith("--")}
run, reference = (Path(a) for a in arguments)
problems = []


def last_checkpoint(root):
    folders = sorted((root / "checkpoints").glob("step-*"))
    return folders[-1] if folders else None


def compare_files(ours, theirs):
    names = {p.name for p in ours.glob("*.safetensors")} | {p.name for p in theirs.glob("*.safetensors")}
    for name in sorted(names):
        a, b = ours / name, theirs / name
        if not a.exists() or not b.exists():
            problems.append(f"{name} is only in one of {ours} and {theirs}")
        elif a.read_bytes() != b.read_bytes():
            problems.append(f"{a} differs")


def metrics(root):
    lines = []
    for line in (root / "metrics.jsonl").read_text().splitlines():
        values = json.loads(line)
        values.pop("time")
        lines.append(json.dumps(values))
    return lines


def record(folder):
    return json.loads((folder / "manifest.json").read_text())["record"]


compare_files(run, reference)
ours, theirs = last_checkpoint(run), last_checkpoint(reference)
if ours is None or ours.name != theirs.name:
    if "--checkpoint-may-miss" not in allowed:
        problems.append(f"the last checkpoint is {ours and ours.name}, not {theirs.name}")
else:
    compare_files(ours, theirs)
    if record(ours) != record(theirs):
        problems.append(f"the record of {ours.name} differs")
a, b = metrics(run), metrics(reference)
if a != b:
    different = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    problems.append(f"metrics.jsonl: {len(a)} lines instead of {len(b)}; line {different + 1} differs")
if not json.loads((run / "run.json").read_text())["finished"]:
    problems.append("run.json says that the run is not finished")
for path in run.rglob("*"):
    if path.name.startswith((".staging-", ".discarded-")) or ".tmp-" in path.name:
        problems.append(f"{path} was left behind")
print("; ".join(problems))
sys.exit(bool(problems))
