#!/usr/bin/env python3
"""Fails when a tag of a doc comment stands behind other text: check_tags.py [root of the source tree]

The tags are Thread, Lifetime, Cancel, Order, Throws and Parks. Each begins its line, the first four with a colon:
`/// Thread: any.` A tag that goes on in the next line is indented there by two blanks more.
"""

import re
import sys
from pathlib import Path

COMMENT = re.compile(r"(?:^|\s)(///?)(?!/)<?(.*)")
NAMES = "Thread|Lifetime|Cancel|Order|Throws|Parks"
# Behind the end of a sentence, whatever follows it; with a colon, behind any word.
BEHIND = re.compile(rf"[.:;,)] +({NAMES})\b|\S +({NAMES}):")
WITHOUT_COLON = re.compile(r"(Thread|Lifetime|Cancel|Order)\b(?!:)")


def check_file(path, where):
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not (comment := COMMENT.search(line)):
            continue
        text = comment[2].strip()
        if match := BEHIND.search(text):
            yield f"{where}:{number}: {match[1] or match[2]} begins a line of its own"
        if comment[1] == "///" and (match := WITHOUT_COLON.match(text)):
            yield f"{where}:{number}: write '{match[1]}:'"


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
