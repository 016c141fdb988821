"""With which gdbs and which widths of guest a test runs."""

GDBS = ("gdb", "gdb-multiarch", "x86_64-w64-mingw32-gdb")
WIDTHS = (64, 32)


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
