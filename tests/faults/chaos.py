#!/usr/bin/env python3
"""The rounds of chaos.sh, which says what they are. Works in the folder that chaos.sh has prepared.

Each start and each deed draws from a generator of its own, whose seed names the round and the start, so that how long
something took changes nothing in what is drawn after it.
"""
import argparse
import collections
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from chaos_job import Disk, Job, inode, last_reported_step, newest_checkpoint, read, step_of, wait_until

START_LIMIT_S = 200  # one that takes longer hangs; a lease is waited for 20 s
NOT_MEANT_FOR_PEOPLE = re.compile(
    r"terminate called|what\(\):|Assertion|json\.exception|unexpected error|filesystem error|c10::|std::|"
    r"Process received signal|core dumped"
)


class Deeds:
    """What is done to a job while it runs. Each returns the exit codes that then are fitting, beside 0."""

    def __init__(self, round_, job, dice):
        self.round, self.job, self.dice = round_, job, dice

    def at_a_moment(self):
        """Waits for one: soon after the start, or some steps on. Whether the training had not begun then."""
        early, seconds = self.dice.random() < 0.2, self.dice.uniform(0, 1.5)
        steps, later = self.dice.randint(1, 12), self.dice.uniform(0, 0.06)
        if early:
            wait_until(self.job.ended, seconds)
        else:
            wait_until(lambda: self.job.ended() or self.steps_done() >= steps, START_LIMIT_S / 2)
            time.sleep(later)
        return self.steps_done() < 0

    def steps_done(self):
        """By this start; -1 before its first, which has a metrics file of its own."""
        metrics = self.round.run / "metrics.jsonl"
        if inode(metrics) in (None, self.round.metrics_before):
            return -1
        return last_reported_step(self.round.run) - self.round.saved_before

    def a_rank(self):
        return [self.dice.randrange(self.job.ranks)]

    def all_ranks(self):
        return list(range(self.job.ranks))

    def note(self, text):
        step = last_reported_step(self.round.run)
        self.round.note(f"  {text}, at step {step}" + (", when it had ended" if self.job.ended() else ""))

    def kill(self, ranks, whom):
        self.at_a_moment()
        self.note(f"SIGKILL to {whom}")
        self.job.send(signal.SIGKILL, ranks)
        return {137}

    def kill_rank(self):
        ranks = self.a_rank()
        return self.kill(ranks, f"rank {ranks[0]}")

    def kill_job(self):
        """As when the power fails: mpirun first, so that it has nothing to tell."""
        self.at_a_moment()
        self.job.look()
        self.note("SIGKILL to mpirun and all ranks")
        self.job.send_to_main(signal.SIGKILL)
        self.job.send(signal.SIGKILL, self.all_ranks())
        return {137}

    def kill_mpirun(self):
        """Its ranks are to notice."""
        self.at_a_moment()
        self.job.look()
        self.note("SIGKILL to mpirun")
        self.job.send_to_main(signal.SIGKILL)
        return {137}

    def stop(self, ranks, whom):
        self.at_a_moment()
        seconds = self.dice.uniform(0.2, 2)
        self.note(f"SIGSTOP to {whom} for {seconds:.1f} s")
        self.job.send(signal.SIGSTOP, ranks)
        wait_until(self.job.ended, seconds)
        self.job.send(signal.SIGCONT, ranks)
        return set()

    def stop_rank(self):
        ranks = self.a_rank()
        return self.stop(ranks, f"rank {ranks[0]}")

    def stop_job(self):
        return self.stop(self.all_ranks(), "all ranks")

    def tell(self, number, ranks, whom, times=1):
        early = self.at_a_moment()
        self.note(f"{number.name} to {whom}")
        for _ in range(times):
            self.job.send(number, ranks)
        # Before the program's first line nobody listens, and nothing is lost.
        return {75, 128 + number} if early else {75}

    def tell_rank(self):
        number = self.dice.choice([signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
        ranks = self.a_rank()
        return self.tell(number, ranks, f"rank {ranks[0]}")

    def tell_job(self):
        number = self.dice.choice([signal.SIGTERM, signal.SIGUSR1])
        return self.tell(number, self.all_ranks(), "all ranks", self.dice.randint(1, 3))

    def tell_mpirun(self):
        number = self.dice.choice([signal.SIGTERM, signal.SIGUSR1])
        early = self.at_a_moment()
        self.note(f"{number.name} to mpirun")
        self.job.send_to_main(number)
        if number == signal.SIGUSR1 or self.job.alone:
            return {75, 128 + number} if early else {75}
        # It ends its ranks in a way of its own, and passes on no more of what they say.
        self.round.heard = False
        return {1, 75, 137, 143}

    def fill_disk(self):
        """For a while, for the rest of this start, or for the next one too."""
        room = self.dice.choice([0, 4096, self.dice.randrange(4096, 200000)])
        seconds, until = self.dice.uniform(0, 2), self.dice.choice(["a while", "its end", "the next"])
        self.at_a_moment()
        self.round.disk.fill(room)
        self.note(f"the disk is full but for {room} bytes, until {until}")
        if until == "a while":
            wait_until(self.job.ended, seconds)
            self.round.disk.free()
            self.note(f"the disk has room again after {seconds:.1f} s")
        self.round.full_for = {"a while": 0, "its end": 1, "the next": 2}[until]
        return {1, 4}


class Round:
    """Starts of one run, disturbed and then left alone until it is finished."""

    # Those of Deeds; some more often.
    DEEDS = ["kill_rank", "kill_job", "kill_mpirun", "stop_rank", "stop_job", "tell_rank", "tell_job", "tell_mpirun",
             "fill_disk", "fill_disk"]

    def __init__(self, settings, number):
        self.settings, self.number = settings, number
        self.name = f"round-{number}"
        self.folder = Path(self.name).absolute()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.kind = ["vae", "lord"][number % 2]
        self.disk = Disk(self.folder / "disk")
        self.run = self.disk.folder / "run"
        self.full_for = 0  # starts
        self.damaged = {}  # file -> what it held before and what it holds now
        self.counts = settings.counts
        self.problems = []
        self.starts = 0
        self.heard = True  # what the ranks say

    def dice(self, what):
        return random.Random(f"{self.settings.seed}/{self.number}/{self.starts}/{what}")

    def note(self, text):
        with (self.folder / "deeds").open("a") as file:
            file.write(text + "\n")

    def problem(self, text):
        self.problems.append(text)
        self.note(f"FAILED: {text}")

    def play(self):
        for _ in range(self.dice("starts").randint(1, 4)):
            self.disturbed_start()
            if self.problems or self.finished():
                break
            self.damage()
        self.disk.free()
        self.full_for = 0
        # At most one start is refused because of what was damaged.
        for _ in range(2):
            self.starts += 1
            if self.problems or self.launch([], {}) == 0:
                break
        if not self.problems:
            self.compare()
        return not self.problems

    def finished(self):
        return b'"finished": true' in read(self.run / "run.json")

    def disturbed_start(self):
        self.starts += 1
        dice = self.dice("what is done")
        fault = self.fault() if dice.random() < 0.25 else {}
        names = dice.choices(self.DEEDS, k=0 if fault else dice.choice([1, 1, 2]))
        self.launch(names, fault)

    def fault(self):
        """Variables for a call that changes a file of the run and fails, or is the last."""
        dice = self.dice("fault")
        kind = dice.choice(["kill-before", "kill-after", "half", "ENOSPC", "EIO", "full"])
        self.counts[f"call {kind}"] += 1
        return {"FAULT_KIND": kind, "FAULT_AT": str(dice.randint(1, 150))}

    def launch(self, names, fault):
        """Starts the training, does what is named to it, and judges how it ends. Its exit code."""
        dice = self.dice("job")
        [ranks] = dice.choices([1, 2, 3, 4, 5], [3, 3, 2, 1, 1])
        pace = dice.choice([0, 10, 40])
        alone = ranks == 1 and dice.random() < 0.5
        if fault:
            fault["FAULT_RANK"] = str(dice.randrange(ranks))
        self.heard = True
        self.metrics_before = inode(self.run / "metrics.jsonl")
        self.saved_before = newest_checkpoint(self.run)
        job = self.job(ranks, alone, {**fault, "FAULT_PACE": str(pace)})
        self.note(f"start {self.starts}: {self.kind}, {'no mpirun' if alone else f'{ranks} ranks'}, pace {pace} ms "
                  + " ".join(f"{name}={value}" for name, value in fault.items()))
        self.counts["starts"] += 1
        codes = {0, 1, 4} if self.full_for > 0 else {0}
        if fault:
            codes |= {137} if fault["FAULT_KIND"] in ("kill-before", "kill-after", "half") else {1, 4}
        try:
            for i, name in enumerate(names):
                codes |= getattr(Deeds(self, job, self.dice(f"deed {i}")), name)()
                self.counts[name.replace("_", " ")] += 1
            status = job.wait(START_LIMIT_S)
            if status is None:
                self.problem(f"start {self.starts} does not end")
            elif job.left_behind():
                self.problem(f"ranks {job.left_behind()} outlive the job of start {self.starts}")
        finally:
            job.end()
        self.full_for = max(0, self.full_for - 1)
        if self.full_for == 0:
            self.disk.free()
        self.judge(status, codes, job.output)
        return status

    def job(self, ranks, alone, variables):
        variables |= {"FAULT_UNDER": str(self.run), "LD_PRELOAD": self.settings.injection}
        command = [self.settings.program, "train", "--config", f"{self.kind}.toml", "--run", str(self.run)]
        output = self.folder / f"output-{self.starts}"
        if alone:
            return Job(command, 1, {**os.environ, **variables}, output)
        mpirun = ["mpirun", "-q", "--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1",
                  "--mca", "odls_base_sigkill_timeout", "5"]
        for name, value in variables.items():
            mpirun += ["-x", f"{name}={value}"]
        return Job([*mpirun, "-n", str(ranks), *command], ranks, os.environ, output)

    def judge(self, status, codes, output):
        text = output.read_text(errors="replace")
        lines = [line for line in text.splitlines() if re.match(r"elbow: |error: |warning: |\[rank \d+\] ", line)]
        self.settings.remember(self, status, lines)
        self.note(f"  exit code {status}" + "".join(f"\n    {line}" for line in lines))
        codes |= {4} if self.damaged else set()
        if status is not None and status not in codes:
            self.problem(f"exit code {status} of start {self.starts}; one of {sorted(codes)} fits")
        is_own = status is not None and 0 < status < 128 and self.heard
        if is_own and not any("elbow: " in line for line in lines):
            self.problem(f"exit code {status} of start {self.starts}, and no word about it")
        if NOT_MEANT_FOR_PEOPLE.search(text):
            self.problem(f"start {self.starts} says {NOT_MEANT_FOR_PEOPLE.search(text)[0]!r}")
        if status == 4 and self.damaged:
            self.cure(text)
        elif status == 0 or self.finished():
            self.damaged = {}

    def damage(self):
        """Flips a bit of a file or cuts it short, mostly of checkpoints."""
        dice = self.dice("damage")
        for _ in range(dice.choice([0, 0, 1, 1, 2])):
            in_checkpoint, cut = dice.random() < 0.6, dice.random() < 0.4
            which, where, bit = dice.random(), dice.random(), dice.randrange(8)
            files = [file for file in sorted(self.run.rglob("*")) if file.is_file() and self.may_be_lost(file) > 0]
            files = [file for file in files if ("checkpoints" in file.parts) == in_checkpoint]
            if not files:
                continue
            file = files[int(which * len(files))]
            content = file.read_bytes()
            at = len(content) - 1 - int(where * self.may_be_lost(file))
            changed = content[:at] if cut else content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1:]
            file.write_bytes(changed)
            self.damaged[file] = (self.damaged.get(file, (content,))[0], changed)
            self.counts["cut" if cut else "flip"] += 1
            self.note(f"{file.relative_to(self.run)}: "
                      + (f"cut to {at} of {len(content)} bytes" if cut else f"bit {bit} of byte {at} flipped"))

    def may_be_lost(self, file):
        """How many bytes at the end of a file can be made anew; of the metrics those behind the newest checkpoint."""
        if file.name != "metrics.jsonl":
            return file.stat().st_size
        lines = file.read_bytes().splitlines(keepends=True)
        saved = newest_checkpoint(self.run)
        return sum(len(line) for line in lines if step_of(line) > saved)

    def cure(self, text):
        """What the message advises where it does: removes the lease; else brings a backup back."""
        for file, (before, after) in self.damaged.items():
            if not file.exists() or file.read_bytes() != after:
                continue  # it has been made anew
            if f"{file} is damaged" in text and "remove it if no job" in text:
                file.unlink()
                self.note(f"  {file.name} removed, as advised")
            else:
                file.write_bytes(before)
                self.note(f"  {file.name} restored")
        self.damaged = {}

    def compare(self):
        command = [sys.executable, self.settings.compare, str(self.run), f"reference-{self.kind}"]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            self.problem(f"not the bits of the undisturbed run: {result.stdout.strip()}{result.stderr.strip()}")

    def close(self):
        if self.problems and self.run.exists():
            shutil.copytree(self.run, self.folder / "run", symlinks=True)
        self.disk.remove()
        if self.problems:
            kept = Path("failed") / self.name
            shutil.rmtree(kept, ignore_errors=True)
            kept.parent.mkdir(exist_ok=True)
            self.folder.rename(kept)
            print(f"FAILED: round {self.number}: {self.problems[0]}\n  what was done: {kept.absolute()}/deeds\n"
                  f"  again: chaos.sh {self.settings.program} FOLDER {self.settings.seed} {self.number}", flush=True)
        else:
            shutil.rmtree(self.folder)


class Settings:
    def __init__(self):
        parser = argparse.ArgumentParser()
        for name in ("program", "injection", "compare", "seed"):
            parser.add_argument(f"--{name}", required=True)
        parser.add_argument("--rounds", type=int, required=True)
        parser.add_argument("--only", help="the number of a round, or FIRST-LAST")
        parser.parse_args(namespace=self)
        self.counts = collections.Counter()
        self.messages = collections.defaultdict(list)

    def remember(self, round_, status, lines):
        for line in lines:
            text = line.replace(str(round_.run), "RUN")
            text = re.sub(r"\d+(\.\d+)?", "N", text)
            self.messages[f"{status}: {text}"].append(round_.number)

    def write_messages(self):
        with Path("messages").open("w") as file:
            for text, rounds in sorted(self.messages.items()):
                file.write(f"{len(rounds):5} (round {rounds[0]}) {text}\n")


def main():
    # However it is ended, no job stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    settings = Settings()
    begin = time.monotonic()
    failed = 0
    numbers = range(1, settings.rounds + 1)
    if settings.only:
        ends = [int(number) for number in settings.only.split("-")]
        numbers = range(ends[0], ends[-1] + 1)
    for number in numbers:
        round_ = Round(settings, number)
        try:
            failed += not round_.play()
        except BaseException as problem:
            round_.problem(f"the round itself: {problem!r}")
            raise
        finally:
            round_.close()
            settings.write_messages()
    for what, count in sorted(settings.counts.items()):
        print(f"{count:6} {what}")
    print(f"{len(numbers)} rounds in {time.monotonic() - begin:.0f} s, {failed} failed (seed {settings.seed})")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
