#!/usr/bin/env python3
"""Fails on what no file of the project should hold: check_text.py [root of the source tree]

Notes to come back later, paths of somebody's machine, tabs, carriage returns, blanks at a line's end, a missing last
line end, and, in code, lines of more than 120 columns.
"""

import re
import subprocess
import sys
from pathlib import Path

# Put together, so that this file passes its own check.
MARKS = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
FOLDERS = ["ho" + "me", "ro" + "ot", "wo" + "rk", "Us" + "ers", "tm" + "p"]
MACHINE_PATHS = re.compile(r"(?<![\w./$}<~-])/(" + "|".join(FOLDERS) + r")/[\w.]")
COLUMNS = 120
CODE = {".hpp", ".cpp", ".h", ".S", ".inc", ".cmake", ".py", ".txt", ""}
TABS_ALLOWED = {"Makefile", ".mk", ".go", ".tsv"}
# Words of others, kept as they are.
VERBATIM = {"LICENSE"}


def project_files(root):
    """What git knows or would add; without git, everything outside build folders and hidden ones."""
    listing = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             capture_output=True, check=False)
    if listing.returncode == 0:
        return sorted(path for name in listing.stdout.decode().split("\0") if name and (path := root / name).is_file())
    return sorted(path for path in root.rglob("*") if path.is_file()
                  and not any(part == "build" or part.startswith(".git") for part in path.relative_to(root).parts))


def check_file(path, where):
    data = path.read_bytes()
    if b"\0" in data or path.name in VERBATIM:
        return
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        yield f"{where}:1: is not UTF-8"
        return
    if text and not text.endswith("\n"):
        yield f"{where}:{text.count(chr(10)) + 1}: the last line does not end"
    for number, line in enumerate(text.split("\n"), 1):
        here = f"{where}:{number}"
        if mark := MARKS.search(line):
            yield f"{here}: '{mark[0]}': do it or file an issue"
        if machine_path := MACHINE_PATHS.search(line):
            yield f"{here}: '{machine_path[0]}...' is a path of one machine"
        if "\t" in line and path.name not in TABS_ALLOWED and path.suffix not in TABS_ALLOWED:
            yield f"{here}: a tab"
        if "\r" in line:
            yield f"{here}: a carriage return"
        elif line != line.rstrip():
            yield f"{here}: blanks at the end"
        if path.suffix in CODE and len(line) > COLUMNS:
            yield f"{here}: {len(line)} columns, more than {COLUMNS}"


def check(root):
    """What is wrong in the tree, a line each."""
    return [problem for path in project_files(root) for problem in check_file(path, path.relative_to(root))]


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    problems = check(root)
    for problem in problems:
        print(problem)
    files = len(project_files(root))
    print(f"{files} files, {len(problems)} problems")
    return 1 if problems or not files else 0


if __name__ == "__main__":
    sys.exit(main())
