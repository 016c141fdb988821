"""
Which of the 195 rules of Windows' memory manager have been tested, by what Check says of each test and, where DLLs
decide, by what tests/gdb says of programs on them. Rows without a test must be explained in unit/nt_rules_chosen.txt.
"""
import os
import re
import textwrap

UNIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "unit")
LIST = os.path.join(UNIT, "nt_rules.txt")
CHOSEN = os.path.join(UNIT, "nt_rules_chosen.txt")
ROW = re.compile(r"^([A-Z]\d\d)\b", re.M)
# In Check's TAP log, and in what tests/gdb/run.py prints.
TEST = re.compile(r"^(ok|not ok) (?:\d+ - [^:]*:[^:]*:|- )((?:[A-Z]\d\d_)+)", re.M)


def rows_of(path):
    with open(path, encoding="utf-8") as file:
        return ROW.findall(file.read())


def paragraph(title, rows):
    return textwrap.wrap(f"{title}: {' '.join(rows)}", 110, subsequent_indent="  ") if rows else []


class Rules:
    def __init__(self):
        self.rows = rows_of(LIST)
        self.chosen = rows_of(CHOSEN)
        self.verdicts = {}  # row: did every test named by it pass?

    def note(self, said):
        """Add up what one program says of its tests."""
        for verdict, names in TEST.findall(said):
            for row in names.split("_")[:-1]:
                self.verdicts[row] = self.verdicts.get(row, True) and verdict == "ok"

    def report(self):
        """The rules that no test names, then one line of sums."""
        seen = [self.verdicts.get(row) for row in self.rows]
        open_rows = [row for row, verdict in zip(self.rows, seen) if verdict is None]
        lines = paragraph("NT rules without a test, explained in tests/unit/nt_rules_chosen.txt",
                          [row for row in open_rows if row in self.chosen])
        lines += paragraph("NT rules without a test", [row for row in open_rows if row not in self.chosen])
        lines.append(f"NT rules: {len(self.rows)} rows, {seen.count(True)} passed, {len(open_rows)} open, "
                     f"{seen.count(False)} failed")
        return "\n".join(lines)
