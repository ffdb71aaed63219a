#!/usr/bin/env python3
"""Fails when docs/waiting.md and the public headers disagree about what waits: check_waits.py [root of the source tree]

A public waiting call is a function in a header for users, weft/<part>/*.hpp, whose doc comment says Parks, or whose
name begins with async_.
The table has a row for each, by its name or its class and name, and each row names a test that there is. A row for
what does not wait, or is gone, fails as well.
"""

import re
import sys
from pathlib import Path

SCOPE = re.compile(r"^\s*(?:template <[^;{]*>\s*)?(?:class|struct)\s+(?:\[\[\w+\]\]\s+)?([\w:<>]+)[^;]*\{\s*$")
CALL = re.compile(r"(?<![\w.>:])(~?[a-z_]\w*)\(")
NOT_CALLS = {"requires", "noexcept", "decltype", "sizeof", "explicit", "alignas", "static_assert", "return"}
ROW = re.compile(r"^\|(.+)\|$")
TEST = re.compile(r"`((?:weft|tests)/[\w/]+\.cpp)`: (\w+)")


def declared_name(lines, index):
    """The function that is declared from this line on, or None."""
    text = ""
    for line in lines[index:index + 6]:
        code = line.split("//")[0]
        if re.match(r"\s*(template <|requires |friend )", code) and "(" not in code:
            continue
        text += re.sub(r"<[^()]*>", "", code)
        for match in CALL.finditer(text):
            if match[1] not in NOT_CALLS:
                return match[1]
        if ";" in code or "{" in code:
            return None
    return None


def waits_in(path):
    """The waiting calls that the header declares: class::function, or function."""
    lines = path.read_text(encoding="utf-8").split("\n")
    scopes, depth, comment, coded, hidden = [], 0, [], False, None
    for index, line in enumerate(lines):
        stripped = line.strip()
        if match := re.match(r"namespace ([\w:]*)", stripped):
            if "detail" in match[1] and hidden is None:
                hidden = depth
        if stripped.startswith("///"):
            comment, coded = [*([] if coded else comment), stripped], False
            continue
        scope = SCOPE.match(line)
        # Declarations without a blank line in between share the comment above the first.
        if not stripped or stripped.endswith(":"):
            comment, coded = [], False
        is_code = bool(stripped) and not stripped.startswith(("//", "#", "template <", "requires", "}", "friend"))
        if is_code and not scope and hidden is None and depth == 1 + len(scopes):
            name = declared_name(lines, index)
            in_class = [each for each, _ in scopes]
            parks = any(re.search(r"\bParks\b", each) for each in comment)
            # … but for a try_, which does not wait for what the call above it waits for.
            tries = name and coded and name.startswith("try_") and not name.endswith(("_for", "_until"))
            if name and not tries and name not in in_class and (parks or name.startswith("async_")):
                yield "::".join([*in_class, name])
            coded = True
        if scope:
            comment = []
            scopes.append((re.sub(r"<[^>]*>", "", scope[1]), depth))
        depth += line.count("{") - line.count("}")
        while scopes and depth <= scopes[-1][1]:
            scopes.pop()
        if hidden is not None and depth <= hidden and "}" in line:
            hidden = None


def public_waits(root):
    """Each waiting call, and the headers that declare it."""
    waits = {}
    for path in sorted((root / "weft").glob("*/*.hpp")):
        if path.parent.name == "sched":
            continue  # what the parts above wait by, not programs
        for name in waits_in(path):
            waits.setdefault(name, path.relative_to(root))
    return waits


def rows_of(page):
    """(line number, the calls, the last cell) for each row of the page's tables."""
    for number, line in enumerate(page.read_text(encoding="utf-8").split("\n"), 1):
        match = ROW.match(line)
        if not match or set(line) <= set("|-: "):
            continue
        cells = [cell.strip() for cell in match[1].split("|")]
        calls = re.findall(r"`([\w:~]+)`", cells[0])
        if calls:
            yield number, calls, cells[-1]


def check(root):
    """What is wrong in the tree, a line each."""
    page = root / "docs" / "waiting.md"
    if not page.is_file():
        return ["docs/waiting.md is missing"]
    waits, rows, problems = public_waits(root), {}, []
    for number, calls, proof in rows_of(page):
        rows.update((call, number) for call in calls)
        tests = TEST.findall(proof)
        if not tests:
            problems.append(f"docs/waiting.md:{number}: names no test")
        for file, name in tests:
            path = root / file
            if not path.is_file() or not re.search(rf"TEST\w*\(\w+,\s*{name}\)", path.read_text(encoding="utf-8")):
                problems.append(f"docs/waiting.md:{number}: there is no test {name} in {file}")
    problems += [f"{path}: {name} waits, and has no row in docs/waiting.md" for name, path in sorted(waits.items())
                 if name not in rows]
    problems += [f"docs/waiting.md:{number}: {call} is no public call that waits" for call, number in rows.items()
                 if call not in waits]
    return problems


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    problems = check(root)
    for problem in problems:
        print(problem)
    count = len(public_waits(root))
    print(f"{count} calls that wait, {len(problems)} problems")
    return 1 if problems or not count else 0


if __name__ == "__main__":
    sys.exit(main())
