#!/usr/bin/env python3
"""Run test programs side by side and add up what they say: run.py COMMAND...

A command is one argument; it says how it went in Check's words ("87%: Checks: 16, Failures: 1,
Errors: 1") or in ours ("15 passed, 1 failed, 0 skipped"). One that says neither, is killed, takes
too long, or fails without naming a failure counts as one failure. What a failing command printed is
shown; then comes what the tests say about the rules of Windows (nt_rules.py); the last line is the sum,
in our words. Exit status 0 means that something passed and nothing failed.
"""
import concurrent.futures
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time

import nt_rules

TIMEOUT = 1800  # seconds for one command; those that run many cases have their own, smaller ones
CHECK = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$", re.M)
OURS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)


class Result:
    def __init__(self, command, status, output, tap, seconds):
        self.command, self.status, self.output, self.seconds = command, status, output, seconds
        self.tap = tap  # Check's log of each test, "" if the command is no Check program
        self.passed = self.failed = self.skipped = 0
        for checks, failures, errors in CHECK.findall(output):
            bad = int(failures) + int(errors)
            self.failed += bad
            self.passed += int(checks) - bad
        for passed, failed, skipped in OURS.findall(output):
            self.passed += int(passed)
            self.failed += int(failed)
            self.skipped += int(skipped)
        if (status != 0 and not self.failed) or not self.passed + self.failed + self.skipped:
            self.failed += 1

    def report(self):
        name = " ".join(os.path.relpath(w) if os.path.isabs(w) else w for w in shlex.split(self.command))
        if not self.failed:
            print(f"  ok   {self.passed:6d}  {name} ({self.seconds:.1f} s)", flush=True)
            return
        print(f"  FAIL {self.failed:6d}  {name} ({self.status_text()}); it printed:", flush=True)
        print("".join(f"    {line}\n" for line in self.output.splitlines()), end="", flush=True)

    def status_text(self):
        if self.status is None:
            return f"still running after {TIMEOUT} s"
        return f"signal {-self.status}" if self.status < 0 else f"exit status {self.status}"


def run(command):
    start = time.monotonic()
    tap = tempfile.NamedTemporaryFile(prefix="winstub-tap-")
    env = dict(os.environ, CK_VERBOSITY="normal", CK_DEFAULT_TIMEOUT="120", CK_TAP_LOG_FILE_NAME=tap.name)
    try:
        done = subprocess.run(shlex.split(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=env, timeout=TIMEOUT, check=False)
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        status, output = None, late.stdout or b""
    except OSError as error:
        status, output = 127, str(error).encode()
    with tap:
        log = tap.read().decode(errors="replace")
    return Result(command, status, output.decode(errors="replace"), log, time.monotonic() - start)


def main(commands):
    sums = [0, 0, 0]
    rules = nt_rules.Rules()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run, c) for c in commands]):
            result = done.result()
            result.report()
            rules.note(result.tap)
            rules.note(result.output)
            for i, n in enumerate((result.passed, result.failed, result.skipped)):
                sums[i] += n
    print(rules.report())
    print(f"{sums[0]} passed, {sums[1]} failed, {sums[2]} skipped")
    return 0 if sums[0] and not sums[1] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
