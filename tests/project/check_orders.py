#!/usr/bin/env python3
"""Fails when an atomic operation names a memory order without a comment: check_orders.py [root of the source tree]

The comment stands on that line or above it, without an empty line in between, and names an order or says where it is
explained ("as above").
"""

import re
import sys
from pathlib import Path

ORDER = re.compile(r"\bmemory_order_\w+")
WORD = re.compile(r"relaxed|acquire|release|acq_rel|seq_cst|sequentially|memory order|\bas (above|below|in|at|there)\b|"
                  r"the same|\bsee\b|\bpairs\b|\border", re.IGNORECASE)
LINES_ABOVE = 14


def comment_of(line):
    return line.split("//", 1)[1] if "//" in line else ""


def check_file(path, where):
    lines = path.read_text(encoding="utf-8").split("\n")
    for index, line in enumerate(lines):
        if not ORDER.search(line.split("//")[0]):
            continue
        said = comment_of(line)
        for above in reversed(lines[max(0, index - LINES_ABOVE):index]):
            if not above.strip():
                break
            said += " " + comment_of(above)
        if not WORD.search(said):
            yield f"{where}:{index + 1}: say why this memory order, and what it pairs with"


def sources(root):
    return sorted(path for path in (root / "weft").rglob("*") if path.suffix in {".hpp", ".cpp"}
                  and not path.stem.endswith(("_test", "_bench")))


def check(root):
    """What is wrong in the tree, a line each."""
    return [problem for path in sources(root) for problem in check_file(path, path.relative_to(root))]


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    problems = check(root)
    for problem in problems:
        print(problem)
    files = len(sources(root))
    print(f"{files} files, {len(problems)} problems")
    return 1 if problems or not files else 0


if __name__ == "__main__":
    sys.exit(main())
