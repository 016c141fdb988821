#!/usr/bin/env python3
"""Break- and watchpoints and single steps beside gdbserver and QEMU's user-mode stub: beside.py BUILD.

One C program, beside.c: under winstub the one that mingw made, under the others the one that gcc made. The same gdb
drives each and takes the times, in one run, since ratios carry over between machines and figures do not. The last
lines say whether winstub's goals are met. One line per case: name value unit.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

# What gdb runs: the arguments are NAME and a JSON list of [what, turns].
DRIVER = r'''
import gdb, json, os, time

def do(line):
    return gdb.execute(line, to_string=True)

def prepare(scenario, turns):
    do("set variable scenario = %d" % scenario)
    do("set variable turns = %d" % turns)

def to_done():
    start = time.monotonic()
    do("continue")
    taken = time.monotonic() - start
    assert "done" in do("info symbol $pc"), do("info symbol $pc")
    return taken

def measure(what, turns):
    if what == "plain":
        prepare(0, turns)
        return to_done()
    if what == "condition":
        prepare(0, turns)
        do("break called if n == -1")
        return to_done()
    if what == "neighbour":
        prepare(1, turns)
        do("watch page.cold")
        return to_done()
    if what == "large":
        prepare(1, turns)
        if os.environ["BESIDE_SERVER"] == "gdbserver":
            do("set can-use-hw-watchpoints 0")
        do("watch page.large")
        return to_done()
    if what == "plain_neighbour":
        prepare(1, turns)
        return to_done()
    if what == "logged":
        prepare(2, turns)
        do("monitor watch %x 8 write log" % int(gdb.parse_and_eval("(long long) &page.cold")))
        return to_done()
    if what == "watched":
        prepare(2, turns)
        do("watch page.cold if page.cold == -1")
        return to_done()
    prepare(1, 1 << 40)
    do("tbreak work")
    do("continue")
    start = time.monotonic()
    if what == "stepi":
        do("stepi %d" % turns)
    else:
        do("set $left = %d" % turns)
        do("while $rcx != -1 && $left != 0\nset $left = $left - 1\nstepi\nend")
    return time.monotonic() - start

if os.environ["BESIDE_SERVER"] == "qemu":
    do("set can-use-hw-watchpoints 0")  # its user mode has none: gdb steps and compares
do("break done")
do("tbreak ready")
do("continue")
what, turns = json.loads(os.environ["BESIDE"])
print("TOOK %.9f" % measure(what, turns), flush=True)
do("kill")
'''


def build(folder, out):
    """The program for Linux, at a fixed address and without a dynamic loader in the way."""
    subprocess.run(["gcc", "-g", "-O0", "-fcf-protection=none", "-no-pie", "-static", "-o", out,
                    os.path.join(folder, "beside.c")], check=True)


class Servers:
    def __init__(self, build_folder, scratch):
        here = os.path.dirname(os.path.abspath(__file__))
        self.scratch = scratch
        self.windows = os.path.join(build_folder, "guests", "beside64.exe")
        self.winstub = os.path.join(build_folder, "winstub")
        self.linux = os.path.join(scratch, "beside")
        build(here, self.linux)

    def names(self):
        wanted = {"winstub": self.winstub, "gdbserver": shutil.which("gdbserver"), "qemu": shutil.which("qemu-x86_64")}
        for name, path in wanted.items():
            if path:
                yield name
            else:
                print(f"beside: no {name} on this machine, it is left out", file=sys.stderr)

    def connect(self, name):
        """gdb's arguments and the process to end, if any."""
        if name == "winstub":
            return [self.windows, "-ex", f"target remote | {self.winstub} --stdio --bare {self.windows} 2>/dev/null"], None
        if name == "gdbserver":
            return [self.linux, "-ex", f"target remote | gdbserver --once - {self.linux} 2>/dev/null"], None
        socket = os.path.join(self.scratch, "qemu.sock")
        if os.path.exists(socket):
            os.unlink(socket)
        qemu = subprocess.Popen(["qemu-x86_64", "-g", socket, self.linux], stderr=subprocess.DEVNULL)
        while not os.path.exists(socket) and qemu.poll() is None:
            pass
        return [self.linux, "-ex", f"target remote {socket}"], qemu

    def take(self, name, what, turns):
        """Seconds of one measurement; None when it did not work."""
        driver = os.path.join(self.scratch, "driver.py")
        with open(driver, "w", encoding="utf-8") as file:
            file.write(DRIVER)
        arguments, process = self.connect(name)
        command = ["gdb", "-nx", "-q", "-batch", "-ex", "set confirm off", "-ex", "set pagination off", "-ex",
                   "set debuginfod enabled off", *arguments, "-x", driver]
        try:
            run = subprocess.run(command, env=dict(os.environ, BESIDE=json.dumps([what, turns]), BESIDE_SERVER=name),
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False, text=True)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process:
                process.kill()
                process.wait()
        for line in run.stdout.splitlines():
            if line.startswith("TOOK "):
                return float(line.split()[1])
        if os.environ.get("BESIDE_DEBUG"):
            print(run.stdout, file=sys.stderr)
        return None


ROUNDS = 3


def least(servers, names, what, turns):
    """Microseconds of one turn by server, the least of some rounds, which are interleaved; None: it cannot do that."""
    best = {}
    for _ in range(ROUNDS):
        for name in names:
            if best.get(name, 0) is not None:
                taken = servers.take(name, what, turns[name])
                best[name] = None if taken is None else min(taken, best.get(name, taken))
    return {name: None if value is None else value * 1e6 / turns[name] for name, value in best.items()}


# name, what, the same loop without a debugger's point in it, turns by server, compared with the others
CASES = [
    ("condition_false", "condition", "plain", {"winstub": 1000000, "gdbserver": 10000, "qemu": 1000}, True),
    ("watch_next_to_hot_data", "neighbour", "plain_neighbour",
     {"winstub": 5000000, "gdbserver": 5000000, "qemu": 200}, True),
    ("watch_64_bytes_next_to_hot_data", "large", "plain_neighbour",
     {"winstub": 5000000, "gdbserver": 200, "qemu": 200}, True),
    ("watch_hit", "watched", None, {"winstub": 1000, "gdbserver": 1000, "qemu": 100}, True),
    ("watch_hit_logged_in_target", "logged", None, {"winstub": 100000}, False),
    ("stepi_10000", "stepi", None, {"winstub": 10000, "gdbserver": 10000, "qemu": 10000}, False),
    ("while_stepi", "while", None, {"winstub": 1000, "gdbserver": 1000, "qemu": 1000}, False),
]
REMARKS = {
    "watch_next_to_hot_data": " (a processor's debug registers, which gdbserver uses, cost nothing; it has 32 bytes of them)",
}
WINEDBG_STEPS = 400  # a second, as measured on another machine


def measure(servers, case, what, without, turns):
    """Print a case; what each took."""
    names = [name for name in servers.names() if name in turns]
    times = least(servers, names, what, turns)
    bare = least(servers, names, without, turns) if without else {}
    for name in names:
        if times[name] is not None and bare.get(name):
            times[name] = max(times[name] - bare[name], 0)
        print(f"{case}_{name} " + ("not_possible -" if times[name] is None else f"{times[name]:.3f} us"), flush=True)
    return times


def main(build_folder):
    goals = []
    with tempfile.TemporaryDirectory(prefix="winstub-bench-") as scratch:
        servers = Servers(os.path.abspath(build_folder), scratch)
        for case, what, without, turns, compared in CASES:
            times = measure(servers, case, what, without, turns)
            ours = times["winstub"]
            others = [value for name, value in times.items() if name != "winstub" and value is not None]
            if compared:
                met = ours is not None and all(ours <= other for other in others)
                goals.append(f"goal {case}: the least of all per hit: {'met' if met else 'missed'}{REMARKS.get(case, '')}")
            if what in ("stepi", "while") and ours:
                rate = 1e6 / ours
                goals.append(f"goal {case}: over winedbg's {WINEDBG_STEPS}/s: "
                             f"{'met' if rate > WINEDBG_STEPS else 'missed'} ({rate:.0f}/s; "
                             + ", ".join(f"{name} {1e6 / value:.0f}/s" for name, value in times.items()
                                         if name != "winstub" and value) + ")")
    print("\n".join(goals))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
