#!/usr/bin/env python3
"""Run the example programs and compare what they print: run.py PROGRAM...

A program example_NAME must print what NAME.txt beside this file holds, and end well. The last line is
"N passed, N failed, N skipped".
"""
import difflib
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def differences(program):
    """None when the program printed what it should, else what to say about it."""
    name = os.path.basename(program).removeprefix("example_")
    with open(os.path.join(HERE, f"{name}.txt"), encoding="utf-8") as file:
        wanted = file.read()
    try:
        done = subprocess.run([program], capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0 and done.stdout == wanted:
        return None
    diff = difflib.unified_diff(wanted.splitlines(True), done.stdout.splitlines(True), f"{name}.txt", "printed")
    return f"{''.join(diff)}{done.stderr}exit status {done.returncode}"


def main(programs):
    failed = 0
    for program in programs:
        told = differences(program)
        if told is not None:
            failed += 1
            print(f"FAIL {program}:\n{told}", flush=True)
    print(f"{len(programs) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not programs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
