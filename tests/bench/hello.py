#!/usr/bin/env python3
"""How long a hello.exe on DLLs takes from exec to exit: hello.py BUILD [ROUNDS].

What that is compared with: the CPU time that the engine takes for the same instructions, nearly all of it translation, as
hello runs most of its code once. It is measured in runs of their own, with nothing counted (--fast), by engine_time.c:
inside uc_emu_start, without the calls back to winstub; how many of the blocks were translated more than once is printed beside
it, as that would be our doing. From exec to exit all counts, the dynamic linker and the kernel included: CPU time, which other
programs on the machine disturb least, and the shortest time by the clock. Else medians. One line per case: name value unit.
"""
import os
import resource
import statistics
import subprocess
import sys
import time

GOAL_RATIO, GOAL_SECONDS = 3.0, 0.25
DLLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "sysroot")


def cpu_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(build, bits, *options, preload=None):
    """Seconds by the clock, seconds of CPU time, and the last line on standard error."""
    command = [os.path.join(build, "winstub"), "--run", *options, "--root", DLLS,
               os.path.join(build, "programs", f"hello{bits}.exe")]
    environment = {**os.environ, **({"LD_PRELOAD": preload} if preload else {})}
    cpu, began = cpu_of_children(), time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False,
                          env=environment)
    taken = time.monotonic() - began
    if done.returncode != 42 or b"hello from" not in done.stdout:
        sys.exit(f"hello.py: {' '.join(command)}: {done.stdout!r} {done.stderr!r}")
    return taken, cpu_of_children() - cpu, done.stderr.decode().strip().rpartition("\n")[2]


def engine_seconds(build, bits, rounds):
    """What the engine takes, and how many blocks it translated and of them how many different ones."""
    said = [run(build, bits, "--fast", preload=os.path.join(build, "tests", "engine_time.so"))[2].split()
            for _ in range(rounds)]
    return statistics.median(float(words[1]) for words in said) / 1000, *said[-1][2:]


def measure(build, bits, rounds):
    engine, translated, different = engine_seconds(build, bits, rounds)
    print(f"hello{bits}_engine {engine * 1000:.2f} ms ({translated} blocks translated, {different} different ones)")
    for mode, options in (("deterministic", ()), ("fast", ("--fast",))):
        runs = [run(build, bits, *options) for _ in range(rounds)]
        cpu, shortest = statistics.median(r[1] for r in runs), min(r[0] for r in runs)
        ratio = cpu / engine
        print(f"hello{bits}_{mode}_cpu {cpu * 1000:.2f} ms")
        print(f"hello{bits}_{mode}_vs_engine {ratio:.3f} times"
              f" (goal {GOAL_RATIO:.2f}: {'met' if ratio <= GOAL_RATIO else 'missed'})")
        print(f"hello{bits}_{mode}_shortest {shortest:.3f} s"
              f" (goal {GOAL_SECONDS:.2f}: {'met' if shortest <= GOAL_SECONDS else 'missed'})", flush=True)


def main(build, rounds):
    if not os.path.exists(os.path.join(DLLS, "version")):
        sys.exit(f"hello.py: {DLLS} is missing: run `make sysroot`")
    for bits in (64, 32):
        measure(build, bits, rounds)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 9)
