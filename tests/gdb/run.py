#!/usr/bin/env python3
"""Run the tests in which a real gdb debugs a real program: run.py BUILD [NAME...]

A test is a function of a test_*.py file; `matrix` says with which gdbs, which widths of guest and, when it is
about DLLs, which of these it runs. They run side by side. A failure prints the reason and the whole transcript. The last line is
"N passed, N failed, N skipped"; a gdb that is not installed is a failure, nothing is ever skipped.
"""
import concurrent.futures
import importlib
import os
import re
import sys
import traceback

from session import Failed, Test

HERE = os.path.dirname(os.path.abspath(__file__))


def cases(words):
    """Every (name, function, (gdb, bits[, dlls])), or those whose name contains one of the words."""
    for file in sorted(os.listdir(HERE)):
        if not (file.startswith("test_") and file.endswith(".py")):
            continue
        module = importlib.import_module(file[:-3])
        for function in vars(module).values():
            for gdb, bits, *dlls in getattr(function, "matrix", []):
                name = f"{function.__name__} [{', '.join([*([gdb] if gdb else []), f'{bits} bits', *dlls])}]"
                if not words or any(word in name for word in words):
                    yield name, function, (gdb, bits, *dlls)


def run(build, function, case):
    """None when the test passed, else what to print."""
    test = Test(build, *case)
    try:
        function(test)
        return None
    except Failed as reason:
        why = str(reason)
    except Exception:  # a test that breaks has failed, the others go on
        why = traceback.format_exc()
    finally:
        test.close()
    return "\n".join([why, *test.transcript.lines()])


def main(build, words):
    sums = {True: 0, False: 0}
    verdicts = {}  # of the tests that are named by rules of memory (nt_rules.py)
    with concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        running = {pool.submit(run, os.path.abspath(build), *case[1:]): case[0] for case in cases(words)}
        for done in concurrent.futures.as_completed(running):
            failure = done.result()
            sums[failure is None] += 1
            rule = running[done].split(" ")[0]
            verdicts[rule] = verdicts.get(rule, True) and failure is None
            if failure is not None:
                print(f"FAIL {running[done]}: {failure}\n", flush=True)
            elif words:
                print(f"ok   {running[done]}", flush=True)
    for rule, passed in verdicts.items():
        if re.match(r"[A-Z]\d\d_", rule):
            print(f"{'ok' if passed else 'not ok'} - {rule}")
    print(f"{sums[True]} passed, {sums[False]} failed, 0 skipped")
    return 0 if sums[True] and not sums[False] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
