"""winstub as a program: exit statuses, messages, hostile files."""
import random
import re
import struct

from matrix import without_gdb

SECTOR = 0x200
ONE_LINE = re.compile(r"winstub: [^\n]+\n")


@without_gdb
def run_gives_the_exit_status_of_the_program(test):
    test.run("--run", test.guest("debuggee"), status=42)


@without_gdb
def run_tells_a_fault_from_an_exit(test):
    arch = {64: "x86-64", 32: "x86"}[test.bits]
    code = test.file("code.bin", bytes.fromhex("0f0b"))
    test.expect("ILLEGAL_INSTRUCTION" in test.run("--raw", "--arch", arch, "--run", code, status=128 + 4),
                "the fault is not explained")


@without_gdb
def run_names_the_function_that_is_not_there(test):
    test.expect("KERNEL32!CreateFileA" in test.run("--run", test.guest("imports"), status=125),
                "the function is not named")


@without_gdb
def says_what_it_recognised_and_how_to_connect(test):
    server = test.serve(test.guest("debuggee"))
    first, second = server.errors.text.splitlines()[:2]
    test.expect(f"debuggee{test.bits}.exe" in first, f"first line: {first}")
    test.expect(re.search(rf"gdb .*debuggee{test.bits}\.exe.* -ex 'target remote :{server.port}'", second),
                f"second line: {second}")


@without_gdb
def help_fits_a_screen(test):
    test.run("--help", status=0)
    lines = test.stdout.splitlines()
    test.expect(len(lines) <= 24 and max(map(len, lines)) <= 100, "more than 24 lines of 100 columns")


@without_gdb
def version_names_the_engine(test):
    test.run("--version", status=0)
    test.expect(re.search(r"winstub \d+\.\d+.*Unicorn \d+\.\d+", test.stdout, re.S), test.stdout)


def is_refused(test, *arguments):
    """Exit status 2 and one line that names the program's complaint."""
    errors = test.run(*arguments, status=2)
    test.expect(ONE_LINE.fullmatch(errors), f"not one line: {errors}")
    return errors


@without_gdb
def bad_options_are_explained(test):
    test.expect("--help" in is_refused(test), "no hint at --help")
    is_refused(test, "--no-such-option", test.guest("debuggee"))
    is_refused(test, "--gdb", "65536", test.guest("debuggee"))
    is_refused(test, "--base", "12monkeys", test.guest("debuggee"))
    is_refused(test, "/no/such/file.exe")
    is_refused(test, test.folder)


@without_gdb
def a_port_that_is_taken_is_explained(test):
    server = test.serve(test.guest("debuggee"))
    errors = is_refused(test, "--gdb", str(server.port), test.guest("debuggee"))
    test.expect(f"port {server.port}" in errors and "--gdb 0" in errors, errors)


@without_gdb
def other_files_are_refused_by_name(test):
    with open(test.winstub, "rb") as program:
        elf = test.file("elf", program.read(4096))
    test.expect("ELF" in is_refused(test, "--run", elf), "ELF is not recognised")
    is_refused(test, "--run", test.file("empty.exe", b""))
    is_refused(test, "--run", test.file("text.exe", b"hello\n" * 100))


@without_gdb
def a_truncated_program_is_refused(test):
    with open(test.guest("debuggee"), "rb") as program:
        image = program.read()
    end = end_of_sections(image)
    cuts = set(range(0, 0x40, 7)) | set(range(0x40, 0x200, 29)) | set(range(0x200, end, end // 24)) | {end - 1}
    for cut in sorted(cuts):
        errors = is_refused(test, "--run", test.file("cut.exe", image[:cut]))
        test.expect("cut.exe" in errors, f"cut at {cut:#x}: the file is not named")


def headers(image):
    """Offsets of the PE header and the section table, and how many sections there are."""
    pe = struct.unpack_from("<I", image, 0x3C)[0]
    sections, = struct.unpack_from("<H", image, pe + 6)
    optional, = struct.unpack_from("<H", image, pe + 20)
    return pe, pe + 24 + optional, sections


def end_of_sections(image):
    """The file's length from which on all section data is there; NT counts whole sectors."""
    _, table, count = headers(image)
    rows = [struct.unpack_from("<II", image, table + 40 * i + 16) for i in range(count)]
    return max(size + offset for size, offset in rows) - SECTOR + 1


@without_gdb
def a_hostile_program_is_refused_or_runs(test):
    with open(test.guest("debuggee"), "rb") as program:
        image = program.read()
    pe, table, count = headers(image)
    pick = random.Random(test.bits)
    for number in range(60):
        hostile = bytearray(image)
        for _ in range(pick.randint(1, 4)):
            at = pick.randrange(pe, table + 40 * count)
            hostile[at] = pick.choice([0x00, 0x01, 0x7F, 0x80, 0xFF, pick.randrange(256)])
        server = test.attempt(test.file(f"hostile{number}.exe", hostile))
        if server.port is None:
            test.expect(server.wait() == 2, f"exit status {server.process.returncode}")
            test.expect(ONE_LINE.fullmatch(server.errors.text), f"not one line: {server.errors.text}")
        server.close()
