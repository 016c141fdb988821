"""The README shows what really happens."""
import os
import re
import subprocess

from session import PATIENCE

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..")


def once(test):
    test.matrix = [("gdb", 64)]
    return test


def in_readme(test, text):
    """Is the text a block of the README, apart from addresses and the build's folder?"""
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as readme:
        blocks = "\n".join(line[4:] for line in readme.read().splitlines() if line.startswith("    ") or not line)
    wanted = plain(text)
    for line in wanted.splitlines():
        test.expect(line in plain(blocks).splitlines(), f"README.md does not show: {line}")
    test.expect(wanted in plain(blocks), "README.md shows the lines in another order")


def plain(text):
    text = re.sub(r"build/\w+/", "build/", text)
    text = re.sub(r"\b(0x)?[0-9a-f]{6,16}\b", "ADDRESS", text)
    return "\n".join(re.sub(r"\s+", " ", line).strip() for line in text.splitlines() if line.strip())


@once
def the_first_session_is_what_the_demo_prints(test):
    done = subprocess.run([os.path.join(TOP, ".ci", "demo"), os.path.relpath(test.build, TOP)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False, text=True)
    test.transcript.add("shell", done.stdout)
    test.expect(done.returncode == 0, f"the demo ended with status {done.returncode}")
    in_readme(test, done.stdout)


@once
def the_options_are_those_of_help(test):
    test.run("--help", status=0)
    in_readme(test, test.stdout)
