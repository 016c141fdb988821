#!/usr/bin/env python3
"""Programs that nobody here wrote, run on files and under gdb: run.py BUILD [NAME...]

They come from the npm registry, by its own client, into build/thirdparty; what they are is pinned by
checksum. Wine's programs come with its DLLs. Prints a table: each program, what it did, how long it took;
the last line is "N passed, N failed, N skipped". The README's table is this one.
"""
import filecmp
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STORE = os.path.join(TOP, "build", "thirdparty")
SYSROOT = os.path.join(TOP, "build", "sysroot")
PATIENCE = 120

# name: package and version, sha256 of its archive
PACKAGES = {
    "7zip": ("7zip-bin@5.2.0", "04f9738ee00be8be53f5d06254a9e6e4b5117b17f8b74058477d870e62764a7d"),
    "ripgrep": ("@vscode/ripgrep-win32-x64@1.18.0", "725006b9662fa0f73cb0dc7d62b666524b80cfe125214ca75dab5293ef9e4203"),
    "ast-grep": ("@ast-grep/cli-win32-x64-msvc@0.51.1",
                 "af1bcba961585009ac050714734d9a4df55ff50b3f3f491366cd785edcfc4c7f"),
    "esbuild": ("@esbuild/win32-x64@0.28.2", "7286c3611b6f1f4c4d9ec90adcbc478407ff0d28ead96567f361d53e67613e19"),
}


class Failed(Exception):
    """A program did not do what it should."""


def checksum(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def package(name):
    """The folder with the package's files, fetched when it is not there."""
    spec, wanted = PACKAGES[name]
    folder = os.path.join(STORE, name)
    if os.path.isdir(folder):
        return folder
    os.makedirs(STORE, exist_ok=True)
    if not shutil.which("npm"):
        raise Failed("npm is missing: apt-get install npm")
    done = subprocess.run(["npm", "pack", "--silent", spec], cwd=STORE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, timeout=300)
    if done.returncode:
        raise Failed(f"npm cannot fetch {spec}: {done.stdout.strip()}")
    archive = os.path.join(STORE, done.stdout.split()[-1])
    if checksum(archive) != wanted:
        raise Failed(f"{spec} is not what it was: sha256 {checksum(archive)}")
    with tarfile.open(archive) as tar:
        tar.extractall(folder + ".new")
    os.remove(archive)
    os.rename(os.path.join(folder + ".new", "package"), folder)
    os.rmdir(folder + ".new")
    return folder


class Drive:
    """A host folder that is the guest's drive C:, with something to work on."""

    def __init__(self, build, program):
        self.winstub = os.path.join(build, "winstub")
        self.program = program
        self.folder = tempfile.mkdtemp(prefix="winstub-programs-")
        self.output = ""

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, data):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as file:
            file.write(data)

    def sources(self):
        """A folder `src` with texts, an empty file, a folder below, and bytes that no packer makes smaller."""
        for name in ("README.md", "Makefile"):
            with open(os.path.join(TOP, name), "rb") as file:
                self.write(f"src/{name}", file.read())
        self.write("src/sub/empty", b"")
        self.write("src/sub/noise.bin", b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(8000)))

    def command(self, *arguments):
        return [self.winstub, "--run", "--root", SYSROOT, "--drive", f"C={self.folder}", self.program, *arguments]

    def run(self, *arguments, wanted=r"", status=0):
        """Run the program to its end; what it printed, in which the pattern is."""
        try:
            done = subprocess.run(self.command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            raise Failed(f"{' '.join(arguments)}: not over after {PATIENCE} s") from None
        self.output = done.stdout.decode(errors="replace").replace("\r\n", "\n")
        errors = done.stderr.decode(errors="replace")
        if done.returncode != status or not re.search(wanted, self.output):
            raise Failed(f"{' '.join(arguments)}: status {done.returncode}, it printed:\n{self.output}{errors}")
        return self.output

    def same(self, one, other):
        """Do two folders hold the same?"""
        def differ(compared):
            return bool(compared.left_only or compared.right_only or compared.diff_files or
                        any(differ(below) for below in compared.subdirs.values()))
        if differ(filecmp.dircmp(self.path(one), self.path(other))):
            raise Failed(f"{one} and {other} differ")

    def debug(self, *script, arguments=(), wanted=()):
        """Let gdb start the program and run a script; every pattern is in what it prints."""
        words = " ".join(f"'{word}'" for word in arguments)
        pipe = f"{self.winstub} --stdio --root {SYSROOT} --drive C={self.folder} {self.program} {words}"
        command = ["gdb", "-nx", "-q", "-batch", "-ex", "set confirm off", "-ex", "set width 0",
                   "-x", os.path.join(TOP, "gdbinit"), "-ex", f"target remote | {pipe}"]
        for line in script:
            command += ["-ex", line]
        command.append(self.program)
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            raise Failed(f"gdb was not done after {PATIENCE} s") from None
        output = done.stdout.decode(errors="replace")
        for pattern in wanted:
            if not re.search(pattern, output, re.M):
                raise Failed(f"gdb did not print '{pattern}' but:\n{output}")

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def script(symbol="NtCreateFile"):
    """Single steps from the entry point, a breakpoint in a DLL and a watchpoint on the stack, in any program."""
    return ("set $entry = $pc", "stepi 200", "print $pc != $entry", f"break *(void *) &'{symbol}'", "continue", "backtrace 3",
            "delete", "set $top = (unsigned long) $sp", "watch *(int *) $top", "continue", "delete", "continue")


def shows(symbol="NtCreateFile"):
    return (r"^\$\d+ = 1", rf"Breakpoint 1.*, .*{symbol}", r"^#1 ", r"[Hh]ardware watchpoint 2: ", r"exited")


def sevenzip(width):
    def program():
        return os.path.join(package("7zip"), "win", width, "7za.exe")

    def work(drive):
        drive.sources()
        drive.run("a", "out.7z", "src", wanted=r"Everything is Ok")
        drive.run("a", "-tzip", "out.zip", "src", wanted=r"Everything is Ok")
        drive.run("l", "out.7z", wanted=r"noise\.bin")
        drive.run("t", "out.7z", wanted=r"Everything is Ok")
        drive.run("x", "-oout", "out.7z", wanted=r"Everything is Ok")
        drive.run("x", "-ozip", "out.zip", wanted=r"Everything is Ok")
        drive.same("src", "out/src")
        drive.same("src", "zip/src")
        drive.run("d", "out.7z", "src/Makefile", wanted=r"Everything is Ok")
        drive.run("l", "out.7z", wanted=r"(?s)^((?!Makefile).)*$")
        return "creates .7z and .zip archives of a folder, lists, tests, extracts (the same bytes), deletes from one"

    def debug(drive):
        drive.sources()
        symbol = "NtCreateFile" if width == "x64" else "NtCreateFile@44"
        drive.debug(*script(symbol), arguments=("a", "out.7z", "src"), wanted=shows())

    return program, work, debug


def ripgrep():
    def work(drive):
        drive.sources()
        with open(drive.path("src", "README.md"), encoding="utf-8") as file:
            lines = [f"src\\README.md:{number}:{line.rstrip()}" for number, line in enumerate(file, 1) if "winstub" in line]
        said = drive.run("-n", "-H", "--no-heading", "winstub", r"src\README.md").splitlines()
        if [line.rstrip() for line in said] != lines:
            raise Failed("other lines than are in the file")
        drive.run("-c", "include|SYSROOT", "src", wanted=r"Makefile:\d+")
        drive.run("--files", "-j4", "src", wanted=r"noise\.bin")
        drive.run("no such words", "src", status=1)
        drive.write("list", b"pear\nApple\nfig\n")
        drive.run("-n", "--pre", "sort.exe", "pear|fig", "list", wanted=r"^2:fig\s+3:pear\s*$")
        return "searches files and folders with several threads, and what other programs print of them (--pre)"

    def debug(drive):
        drive.sources()
        drive.debug(*script(), arguments=("-c", "winstub", "src"), wanted=shows())

    return lambda: os.path.join(package("ripgrep"), "bin", "rg.exe"), work, debug


def astgrep():
    def work(drive):
        drive.write("src/a.c", b"int main(void)\n{\n    return add(1, add(2, 3));\n}\n")
        drive.run("run", "-p", "add($A, $B)", "-l", "c", "src", wanted=r"add\(1, add\(2, 3\)\)")
        drive.run("run", "-p", "add($A, $B)", "-r", "sub($B, $A)", "-l", "c", "-U", "src")
        with open(drive.path("src", "a.c"), encoding="utf-8") as file:
            if "sub(add(2, 3), 1)" not in file.read():
                raise Failed("the file was not rewritten")
        return "parses C, finds a pattern, rewrites the file, with several threads"

    def debug(drive):
        drive.write("src/a.c", b"int x = add(1, 2);\n")
        drive.debug(*script(), arguments=("run", "-p", "add($A, $B)", "-l", "c", "src"), wanted=shows())

    return lambda: os.path.join(package("ast-grep"), "ast-grep.exe"), work, debug


def esbuild():
    def work(drive):
        drive.write("src/main.js", b"import {twice} from './lib.js';\nconsole.log(twice(21));\n")
        drive.write("src/lib.js", b"export function twice(n) { return n * 2; }\nexport function never() {}\n")
        drive.run("src/main.js", "--bundle", "--outfile=out/bundle.js")
        drive.run("src/main.js", "--bundle", "--minify", "--sourcemap", "--outfile=out/small.js")
        with open(drive.path("out", "bundle.js"), encoding="utf-8") as file:
            bundle = file.read()
        if "twice(21)" not in bundle or "never" in bundle:
            raise Failed(f"the bundle is wrong:\n{bundle}")
        if not os.path.getsize(drive.path("out", "small.js.map")):
            raise Failed("no source map")
        return "bundles and minifies JavaScript, writes a source map: Go's scheduler, timers, completion port, many threads"

    def debug(drive):
        drive.write("src/main.js", b"console.log(1);\n")
        drive.debug(*script(), arguments=("src/main.js", "--bundle", "--outfile=out.js"), wanted=shows())

    return lambda: os.path.join(package("esbuild"), "esbuild.exe"), work, debug


def wine(name, work, *arguments):
    def debug(drive):
        drive.sources()
        drive.debug(*script("NtTerminateProcess"), arguments=arguments, wanted=shows("NtTerminateProcess"))

    return lambda: os.path.join(SYSROOT, "x86_64-windows", f"{name}.exe"), work, debug


def cmd(drive):
    drive.sources()
    drive.run("/c", "echo hi & ver", wanted=r"hi.*\n+Microsoft Windows")
    drive.run("/c", "dir", "src", wanted=r"(?s)Directory of C:\\src.*README\.md.*<DIR>\s+sub")
    drive.run("/c", "copy", r"src\Makefile", "copy")
    drive.run("/c", r"mkdir a\b & echo x>a\b\c.txt & type a\b\c.txt & ren a\b\c.txt d.txt & del a\b\d.txt & rmdir a\b",
              wanted=r"^x")
    if not filecmp.cmp(drive.path("copy"), drive.path("src", "Makefile"), False) or os.listdir(drive.path("a")):
        raise Failed("copy, del or rmdir did something else")
    drive.write("list", b"pear\nApple\nfig\n")
    drive.run("/c", "type list | sort | findstr p", wanted=r"^Apple\npear\n$")
    drive.run("/c", "for /f %i in ('hostname') do @echo [%i]", wanted=r"(?i)^\[winstub\]")
    drive.run("/c", "findstr nothing list || cmd /c exit 7", status=7)
    return "echo, ver, dir, copy, type, mkdir, ren, del, rmdir, redirection; starts programs, pipes, for /f, && and ||"


def reg(drive):
    drive.run("add", r"HKCU\Software\Test", "/v", "A", "/d", "5", wanted=r"successfully")
    drive.run("query", r"HKLM\Software\Microsoft\Windows NT\CurrentVersion", wanted=r"CurrentBuild\s+REG_SZ\s+\d+")
    drive.run("delete", r"HKLM\Software\Wow6432Node", "/f", wanted=r"successfully")
    return "adds, queries and deletes keys; the registry lives as long as the process"


def find(drive):
    drive.sources()
    drive.run("winstub", r"src\Makefile", wanted=r"libwinstub")
    return "finds lines"


def where(drive):
    drive.run("cmd", wanted=r"(?i)C:\\Windows\\system32\\cmd\.exe")
    return "finds a program on the path"


def xcopy(drive):
    drive.sources()
    drive.run("src", "copy", "/i", "/e", wanted=r"4 file\(s\) copied")
    drive.same("src", "copy")
    return "copies a folder with what is below"


def fc(drive):
    drive.sources()
    drive.run(r"src\Makefile", r"src\Makefile", wanted=r"no differences")
    return "compares files"


def findstr(drive):
    drive.sources()
    drive.run("libwinstub", r"src\Makefile", wanted=r"^SONAME .*libwinstub")
    drive.run("nosuchword", r"src\Makefile", status=1)
    return "finds lines"


def sort(drive):
    drive.write("list", b"pear\nApple\nfig\n")
    drive.run("list", wanted=r"^Apple\nfig\npear\n$")
    return "sorts lines"


def attrib(drive):
    drive.sources()
    drive.run("+r", r"src\Makefile")
    drive.run(r"src\Makefile", wanted=r"^A\s+R\s+C:\\src\\Makefile")
    if os.stat(drive.path("src", "Makefile")).st_mode & 0o222:
        raise Failed("the file can still be written")
    return "shows a file's attributes, makes it read-only"


def cabarc(drive):
    drive.sources()
    drive.run("n", "out.cab", r"src\README.md", r"src\sub\noise.bin")
    drive.run("l", "out.cab", wanted=r"README\.md")
    drive.write("new/keep", b"")
    drive.run("x", "out.cab", "README.md", "new\\")
    if not filecmp.cmp(drive.path("new", "README.md"), drive.path("src", "README.md"), False):
        raise Failed("what came out is not what went in")
    return "makes a .cab archive of files, lists, extracts (the same bytes)"


def regedit(drive):
    drive.run("/e", "out.reg", r"HKEY_LOCAL_MACHINE\Software")
    with open(drive.path("out.reg"), encoding="utf-16") as file:
        if "CurrentBuild" not in file.read():
            raise Failed("the export lacks what is in the registry")
    return "exports keys to a file"


def hostname(drive):
    drive.run(status=0, wanted=r"(?i)^winstub$")
    return "prints the computer's name"


PROGRAMS = {
    "7za (7-Zip 21.07), x64, Microsoft C++": sevenzip("x64"),
    "7za (7-Zip 21.07), ia32, Microsoft C++": sevenzip("ia32"),
    "rg (ripgrep 15.0), x64, Rust for MSVC": ripgrep(),
    "ast-grep 0.51.1, x64, Rust for MSVC": astgrep(),
    "esbuild 0.28.2, x64, Go": esbuild(),
    "cmd, Wine's": wine("cmd", cmd, "/c", "dir", "src"),
    "reg, Wine's": wine("reg", reg, "query", r"HKLM\Software"),
    "regedit, Wine's": wine("regedit", regedit, "/e", "out.reg", r"HKEY_CURRENT_USER\Software"),
    "find, Wine's": wine("find", find, "winstub", r"src\Makefile"),
    "findstr, Wine's": wine("findstr", findstr, "winstub", r"src\Makefile"),
    "sort, Wine's": wine("sort", sort, r"src\Makefile"),
    "where, Wine's": wine("where", where, "cmd"),
    "xcopy, Wine's": wine("xcopy", xcopy, "src", "copy", "/i", "/e"),
    "fc, Wine's": wine("fc", fc, r"src\Makefile", r"src\README.md"),
    "attrib, Wine's": wine("attrib", attrib, r"src\Makefile"),
    "cabarc, Wine's": wine("cabarc", cabarc, "n", "out.cab", r"src\Makefile"),
    "hostname, Wine's": wine("hostname", hostname),
}


def attempt(build, program, step):
    """What the step says, or why it failed; and seconds."""
    start = time.monotonic()
    drive = None
    try:
        drive = Drive(build, program())
        return True, step(drive) or "", time.monotonic() - start
    except Failed as reason:
        return False, str(reason), time.monotonic() - start
    finally:
        if drive:
            drive.close()


def main(build, words):
    sums = {True: 0, False: 0}
    failures = []
    print(f"| {'program':40} | works | under gdb | seconds | what it did |\n|{' --- |' * 5}")
    for name, (program, work, debug) in PROGRAMS.items():
        if words and not any(word in name for word in words):
            continue
        done, what, seconds = attempt(build, program, work)
        debugged, why, _ = attempt(build, program, debug)
        for good, text in ((done, what), (debugged, why)):
            sums[good] += 1
            if not good:
                failures.append(f"{name}: {text}")
        print(f"| {name:40} | {'yes' if done else 'no':5} | {'yes' if debugged else 'no':9} | {seconds:7.1f} "
              f"| {what if done else what.splitlines()[0]} |", flush=True)
    print("\n".join(failures))
    print(f"{sums[True]} passed, {sums[False]} failed, 0 skipped")
    return 0 if sums[True] and not sums[False] else 1


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1]), sys.argv[2:]))
