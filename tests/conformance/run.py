#!/usr/bin/env python3
"""Wine's own tests of virtual memory, inside winstub: run.py BUILD (what `make conformance` calls).

The sources are those of the Wine whose DLLs the programs run on (build/wine-source, build/sysroot8); they are
compiled here and never committed. They are told that they run on Windows (WINETEST_PLATFORM): what Wine is known to do
otherwise, and is otherwise forgiven for, counts as a failure. There must be no more failures than Wine itself has, every
one must be one that explained.tsv explains, and every row of it must still be a failure. The last line is a sum of
checks: "N passed, N failed, N skipped".
"""
import concurrent.futures
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SOURCE = os.path.join(ROOT, "build/wine-source")
DLLS = os.path.join(ROOT, "build/sysroot8")
TIMEOUT = 300  # seconds for one program
COMPILERS = {"x64": "x86_64-w64-mingw32-gcc", "x86": "i686-w64-mingw32-gcc"}
# Wine's internal structures, without which ntdll's tests do not compile; kernel32's do not compile with them.
DEFINES = {"ntdll": ["-D__WINESRC__"], "kernel32": []}
# What Wine itself (Debian 12's 8.0~repack-4) says of the same programs: checks, failures. Measured in chroots that held
# nothing else, amd64 with wine64 and i386 with wine32, by `WINETEST_PLATFORM=windows xvfb-run wine PROGRAM virtual` with
# a fresh prefix. Without the variable Wine has no failure in any of them.
WINES_OWN = {("ntdll", "x64"): (1224, 169), ("kernel32", "x64"): (29373, 852),
             ("ntdll", "x86"): (877, 83), ("kernel32", "x86"): (29938, 857)}

FAILURE = re.compile(r"^(?:[0-9a-f]+:)?virtual\.c:(\d+): Test failed: (.*)$", re.M)
SUM = re.compile(r"virtual: (\d+) tests executed \(\d+ marked as todo, \d+ as flaky, \d+ failures?\), (\d+) skipped")


def build(module, width, out):
    exe = os.path.join(out, f"{module}_virtual_{width}.exe")
    test = os.path.join(SOURCE, "dlls", module, "tests/virtual.c")
    subprocess.run([COMPILERS[width], "-w", "-O1", "-g", "-D__WINE_PE_BUILD", "-D_WIN32_WINNT=0x0A00", *DEFINES[module],
                    f'-DTEST_FILE="{test}"', "-I", os.path.join(SOURCE, "include"), "-o", exe,
                    os.path.join(HERE, "runner.c"), "-lntdll", "-luser32", "-ladvapi32"], check=True)
    return exe


def explanations():
    """{(module, width, line): why}; the width of a row may be "any"."""
    rows = {}
    with open(os.path.join(HERE, "explained.tsv"), encoding="utf-8") as table:
        for row in table:
            if row.strip() and not row.startswith("#"):
                module, width, line, why = row.rstrip("\n").split("\t")
                for each in COMPILERS if width == "any" else [width]:
                    rows[module, each, int(line)] = why
    return rows


def run(module, width, winstub, out):
    exe = build(module, width, out)
    drive = exe + ".C"  # the files that tests make
    os.makedirs(os.path.join(drive, "temp"), exist_ok=True)
    try:
        done = subprocess.run([winstub, "--root", DLLS, "--drive", f"C={drive}", "--env", r"TEMP=C:\temp", "--env", r"TMP=C:\temp",
                               "--env", "WINETEST_PLATFORM=windows", "--run", exe, "virtual"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=TIMEOUT, check=False)
        text, end = done.stdout, f"exit status {done.returncode}"
    except subprocess.TimeoutExpired as late:
        text, end = late.stdout or b"", f"still running after {TIMEOUT} s"
    text = text.decode(errors="replace").replace("\r", "")
    with open(exe + ".log", "w", encoding="utf-8") as log:
        log.write(text)
    return module, width, text, end


def judge(module, width, text, end, explained):
    """(passed, failed, skipped) of one program, and what there is to say about it."""
    sums = SUM.findall(text)
    failures = FAILURE.findall(text)
    known = {key for key in explained if key[:2] == (module, width)}
    unexplained = [(line, what) for line, what in failures if (module, width, int(line)) not in known]
    stale = sorted(line for _, _, line in known - {(module, width, int(line)) for line, _ in failures})
    complaints = [f"virtual.c:{line}: {what}" for line, what in unexplained]
    complaints += [f"virtual.c:{line} is explained but does not fail" for line in stale]
    if not sums:
        return (0, len(complaints) + 1, 0), complaints + [f"it did not come to its end ({end}): {text[-300:].strip()}"]
    wine = WINES_OWN[module, width]
    if len(failures) > wine[1]:
        complaints.append(f"{len(failures)} failures are more than Wine's own {wine[1]}")
    executed, skipped = (sum(int(s[i]) for s in sums) for i in (0, 1))
    print(f"{module} virtual {width}: {executed} checks, {len(failures)} failures, {len(failures) - len(unexplained)} of them explained, "
          f"{skipped} skipped (Wine itself: {wine[0]} checks, {wine[1]} failures)")
    return (executed - len(failures), len(complaints), skipped), complaints


def main(build_dir):
    out = os.path.join(build_dir, "conformance")
    os.makedirs(out, exist_ok=True)
    explained = explanations()
    sums = [0, 0, 0]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        runs = [pool.submit(run, m, w, os.path.join(build_dir, "winstub"), out) for m in DEFINES for w in COMPILERS]
        for each in runs:
            module, width, text, end = each.result()
            counts, complaints = judge(module, width, text, end, explained)
            sums = [a + b for a, b in zip(sums, counts)]
            for complaint in complaints:
                print(f"  {module} {width} {complaint}")
    print(f"{sums[0]} passed, {sums[1]} failed, {sums[2]} skipped")
    return 0 if sums[0] and not sums[1] else 1


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1])))
