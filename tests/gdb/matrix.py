"""With which gdbs, which widths of guest and which DLLs a test runs."""

GDBS = ("gdb", "gdb-multiarch", "x86_64-w64-mingw32-gdb")
WIDTHS = (64, 32)
SYSROOTS = ("sysroot", "sysroot8")  # folders below build/: the newest Wine's DLLs, and Wine 8's


def with_each_gdb(test):
    """Every gdb, both widths."""
    test.matrix = [(gdb, bits) for gdb in GDBS for bits in WIDTHS]
    return test


def with_one_gdb(test):
    """What does not depend on the gdb: the mingw one, both widths."""
    test.matrix = [(GDBS[-1], bits) for bits in WIDTHS]
    return test


def without_gdb(test):
    """What needs no gdb, both widths."""
    test.matrix = [(None, bits) for bits in WIDTHS]
    return test


def with_dlls(test):
    """No gdb, both widths, every set of DLLs."""
    test.matrix = [(None, bits, dlls) for bits in WIDTHS for dlls in SYSROOTS]
    return test


def with_dlls_and_gdb(test):
    """Each gdb with one width on one set of DLLs, and each of these with the other ones once."""
    test.matrix = [("gdb", 64, "sysroot"), ("gdb", 32, "sysroot8"),
                   ("x86_64-w64-mingw32-gdb", 64, "sysroot8"), ("x86_64-w64-mingw32-gdb", 32, "sysroot")]
    return test
