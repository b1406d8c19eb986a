"""What chaos.py plays with: a disk that can be full, and a training whose ranks can be met."""
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

END_LIMIT_S = 20  # so long may a rank outlive its job
DISK_BYTES = 8 << 20


def wait_until(condition, seconds):
    """Whether it came to hold."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Disk:
    """A small file system of its own, or an ordinary folder that is never full."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "chaos", str(folder)]
        self.mounted = subprocess.run(mount, stderr=subprocess.DEVNULL).returncode == 0
        self.ballast = folder / "ballast"

    def fill(self, bytes_left):
        if not self.mounted:
            return
        with self.ballast.open("wb", buffering=0) as file:
            for piece in (1 << 16, 1 << 12):
                try:
                    while True:
                        file.write(bytes(piece))
                except OSError:
                    pass
            file.truncate(max(0, file.tell() - bytes_left))

    def free(self):
        self.ballast.unlink(missing_ok=True)

    def remove(self):
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
        shutil.rmtree(self.folder)


class Job:
    """One start of the training."""

    def __init__(self, command, ranks, variables, output):
        self.ranks = ranks
        self.output = output
        self.family = {}  # rank -> process, of those seen so far
        self.alone = "mpirun" not in command[0]
        with output.open("w") as file:
            self.main = subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=variables,
                                         start_new_session=True)
        if self.alone:
            self.family[0] = self.main.pid

    def ended(self):
        return self.main.poll() is not None

    def look(self):
        """Finds the ranks among mpirun's children."""
        if self.alone or len(self.family) == self.ranks or self.ended():
            return
        for task in Path(f"/proc/{self.main.pid}/task").glob("*/children"):
            for child in read(task).decode().split():
                rank = re.search(rb"\0OMPI_COMM_WORLD_RANK=(\d+)\0", read(f"/proc/{child}/environ"))
                if rank:
                    self.family[int(rank[1])] = int(child)

    def send(self, number, ranks):
        """To those of the ranks that live."""
        wait_until(lambda: self.look() or self.ended() or set(ranks) <= set(self.family), 20)
        for rank in ranks:
            if rank in self.family and self.lives(self.family[rank]):
                os.kill(self.family[rank], number)

    def lives(self, process):
        if process == self.main.pid:
            return not self.ended()
        # A number may have been given anew.
        return b"\0train\0" in read(f"/proc/{process}/cmdline") and not b") Z " in read(f"/proc/{process}/stat")

    def send_to_main(self, number):
        if not self.ended():
            self.main.send_signal(number)

    def wait(self, seconds):
        """Its exit code as a shell would give it, or None when it does not end."""
        if not wait_until(lambda: self.look() or self.ended(), seconds):
            return None
        code = self.main.returncode
        return code if code >= 0 else 128 - code

    def left_behind(self):
        wait_until(lambda: not any(map(self.lives, self.family.values())), END_LIMIT_S)
        return [rank for rank, process in self.family.items() if self.lives(process)]

    def end(self):
        self.look()
        for process in [self.main.pid, *self.family.values()]:
            if self.lives(process):
                os.kill(process, signal.SIGKILL)
        self.main.wait()


def read(path):
    """The bytes of a file; none where there is none any more."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def inode(path):
    try:
        return path.stat().st_ino
    except OSError:
        return None


def newest_checkpoint(run):
    return max((int(folder.name[5:]) for folder in run.glob("checkpoints/step-*")), default=0)


def step_of(line):
    """Of a line of metrics; 0 where it is none."""
    step = re.match(rb'\{"step":(\d+),', line)
    return int(step[1]) if step else 0


def last_reported_step(run):
    return step_of((read(run / "metrics.jsonl").splitlines() or [b""])[-1])
