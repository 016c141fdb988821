"""Which of the 195 rules of Windows' memory manager have been tested, by what Check says of each test."""
import os
import re
import textwrap

LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "unit", "nt_rules.txt")
ROW = re.compile(r"^([A-Z]\d\d) ", re.M)
TEST = re.compile(r"^(ok|not ok) \d+ - [^:]*:[^:]*:((?:[A-Z]\d\d_)+)", re.M)  # in Check's TAP log


class Rules:
    def __init__(self):
        with open(LIST, encoding="utf-8") as file:
            self.rows = ROW.findall(file.read())
        self.verdicts = {}  # row: did every test named by it pass?

    def note(self, tap):
        """Add up what one program's TAP log says."""
        for verdict, names in TEST.findall(tap):
            for row in names.split("_")[:-1]:
                self.verdicts[row] = self.verdicts.get(row, True) and verdict == "ok"

    def report(self):
        """The rules that no test names, then one line of sums."""
        seen = [self.verdicts.get(row) for row in self.rows]
        open_rows = [row for row, verdict in zip(self.rows, seen) if verdict is None]
        text = "NT rules without a test: " + " ".join(open_rows)
        lines = textwrap.wrap(text, 110, subsequent_indent="  ") if open_rows else []
        lines.append(f"NT rules: {len(self.rows)} rows, {seen.count(True)} passed, {len(open_rows)} open, "
                     f"{seen.count(False)} failed")
        return "\n".join(lines)
