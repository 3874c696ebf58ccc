"""What the races share: spending CPU seconds, what the machine can do, and the table."""

import argparse
import hashlib
import json
import multiprocessing
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MIB = 1 << 20
# A file takes 20 to 50 us to create; ext4 that has just freed thousands nearby takes ten times that.
SLOW_CREATE = 150
ENVIRONMENT = dict(os.environ)


def spend(command, where, codes=(0,)):
    """CPU seconds and MiB of resident memory of a command that must end with one of the codes."""
    with tempfile.TemporaryFile() as told:
        child = subprocess.Popen(command, cwd=where, stdout=told, stderr=told, env=ENVIRONMENT)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in codes:
            told.seek(0)
            words = " ".join(map(str, command))
            sys.exit(f"{words}: exit {child.returncode}\n{told.read().decode(errors='replace')}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def machine(scratch):
    """What the machine is, and GB/s of what bounds the lines: the best of three."""
    content = random.Random(1).randbytes(64 * MIB)
    path = scratch / "probe"

    def rate(job, clock):
        best = float("inf")
        for _ in range(3):
            start = clock()
            job()
            best = min(best, clock() - start)
        return round(len(content) / best / 1e9, 2)

    def write():
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def read():
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass

    def create():
        folder = Path(tempfile.mkdtemp(dir=scratch))
        start = time.process_time()
        for number in range(1000):
            os.close(os.open(folder / str(number), os.O_CREAT | os.O_WRONLY))
        return round((time.process_time() - start) * 1000)

    buffer = bytearray(MIB)
    found = {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "write_and_sync_gb_per_s": rate(write, time.perf_counter),
        "cached_read_gb_per_cpu_s": rate(read, time.process_time),
        "md5_one_stream_gb_per_cpu_s": rate(lambda: hashlib.md5(content).digest(), time.process_time),
        "create_file_cpu_us": create(),
    }
    if found["create_file_cpu_us"] > SLOW_CREATE:
        print(
            f"creating a file takes {found['create_file_cpu_us']} us here, because many were deleted nearby "
            "a moment ago: wait some minutes or set TMPDIR to another folder",
            file=sys.stderr,
        )
    path.unlink()
    return found


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")


class Race:
    def __init__(self, tools, chosen, bounds, scratch):
        self.tools, self.chosen, self.bounds, self.scratch = tools, chosen, bounds, scratch
        self.lines = []

    def wants(self, *names):
        return not self.chosen.only or any(word in name for word in self.chosen.only for name in names)

    def job(self, name, limit, prepare, command, times=None, floor=None):
        """The least CPU seconds of each tool for one command, each time in a prepared repository."""
        if not self.wants(name):
            return
        found, memory = {}, {}
        for label, tool in self.tools.items():
            spent = []
            for _ in range(times or self.chosen.times):
                where = self.scratch / label
                prepare(where, tool)
                os.sync()
                spent.append(spend([tool, *command], where))
            found[label] = min(seconds for seconds, _ in spent)
            memory[label] = max(resident for _, resident in spent)
        self.tell(name, limit, found, memory, floor)

    def start(self, limit):
        """Milliseconds of CPU from nothing to a printed version, the mean of a hundred."""
        if not self.wants("start, ms"):
            return
        found, memory = {}, {}
        for label, tool in self.tools.items():
            spent = [spend([tool, "--version"], self.scratch) for _ in range(100)]
            found[label] = 1000 * sum(seconds for seconds, _ in spent) / len(spent)
            memory[label] = max(resident for _, resident in spent)
        self.tell("start, ms", limit, found, memory)

    def tell(self, name, limit, found, memory, floor=None):
        ours = found["ketch"]
        peer, theirs = next(((label, f) for label, f in found.items() if label != "ketch"), (None, None))
        line = {
            "name": name,
            "ketch": round(ours, 4),
            "peer": peer,
            "theirs": theirs and round(theirs, 4),
            "limit": limit,
            "floor": floor and round(floor, 3),
            "met": None if limit is None else ours <= limit,
            "mib": {label: round(mib) for label, mib in memory.items()},
        }
        self.lines.append(line)
        ratio = f"{peer:>7} {theirs:8.2f} {theirs / ours:7.1f}x" if theirs else f"{'no peer':>7} {'':>8} {'':>8}"
        shown = "" if limit is None else f"{limit:.2f}"
        least = "" if floor is None else f"{floor:.2f}"
        verdict = {None: "", True: "met", False: "MISSED"}[line["met"]]
        resident = "/".join(f"{mib:.0f}" for mib in memory.values())
        print(f"{name:<40} {ours:8.3f} {ratio} {least:>6} {shown:>6} {verdict:<6} {resident:>9}", flush=True)


def options(parser):
    """The arguments that every race takes besides its own."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("--ketch", default=target / "release/ketch", type=Path)
    parser.add_argument("--dvc", default=ROOT / ".peers/dvc/bin/dvc", type=Path)
    parser.add_argument("--only", action="append", help="lines with this in their name; may be repeated")
    parser.add_argument("--times", default=3, type=int, help="repetitions of each command by each tool (3)")
    parser.add_argument("--json", type=Path, help="write the lines to this file, too")
    chosen = parser.parse_args()
    if not chosen.ketch.exists():
        sys.exit(f"no {chosen.ketch}: cargo build --release -p ketch")
    return chosen


def run(parser, everything):
    """Runs the lines, which are given the race, in a scratch folder of their own."""
    chosen = options(parser)
    tools = {"ketch": chosen.ketch.resolve()}
    if chosen.dvc.exists():
        tools["dvc"] = chosen.dvc.absolute()
    else:
        print(f"no {chosen.dvc}: run scripts/test-setup to race DVC", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="ketch-race-", dir=os.environ.get("TMPDIR")) as scratch:
        scratch = Path(scratch)
        ENVIRONMENT.update(
            HOME=str(scratch), DVC_NO_ANALYTICS="1", DVC_SITE_CACHE_DIR=str(scratch / "site")
        )
        # In a process of its own: what this one has ever held is counted as its children's memory.
        with multiprocessing.get_context("fork").Pool(1) as pool:
            bounds = pool.apply(machine, (scratch,))
        race = Race(tools, chosen, bounds, scratch)
        for name, value in bounds.items():
            print(f"# {name.replace('_', ' ')}: {value}")
        print(
            f"{'CPU seconds':<40} {'ketch':>8} {'peer':>7} {'':>8} {'ratio':>8} {'floor':>6} {'limit':>6} "
            f"{'':<6} {'MiB':>9}"
        )
        everything(race)
    if chosen.json:
        chosen.json.write_text(json.dumps({"machine": bounds, "lines": race.lines}, indent=2) + "\n")
