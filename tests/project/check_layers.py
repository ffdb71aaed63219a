#!/usr/bin/env python3
"""Fails when an #include line breaks the house: check_layers.py [root of the source tree]

1. A layer (include/weft/<layer>, src/<layer>) includes only itself and the layers that it stands on.
2. A public header includes only C++'s own headers and <weft/...>: no OS header, no library, no private header.
3. <weft/weft.hpp> reaches every public header, directly or through another.
4. A public header says #pragma once.
"""

import re
import sys
from pathlib import Path

# Lowest first. What stands beside another may not include it.
FLOORS = ["base", "stack", "sched", "task", "sync", "parallel", "io", ("http", "observe")]

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def allowed_below():
    """For each layer the set of layers that it may include, itself among them."""
    below, allowed = set(), {}
    for floor in FLOORS:
        beside = (floor,) if isinstance(floor, str) else floor
        for layer in beside:
            allowed[layer] = below | {layer}
        below |= set(beside)
    return allowed


ALLOWED = allowed_below()


def includes(path):
    """(line number, is it in angle brackets, what) for each #include line of the file."""
    text = path.read_text(encoding="utf-8")
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1] == "<", match[2]


def layer_of(included):
    """The layer that an include line names: weft/<layer>/x.hpp is public, <layer>/x.hpp private; else None."""
    parts = included.split("/")
    if parts[0] == "weft":
        parts = parts[1:]
    return parts[0] if len(parts) > 1 and parts[0] in ALLOWED else None


def source_files(folder):
    return sorted(path for path in folder.rglob("*") if path.suffix in (".hpp", ".cpp", ".h", ".S", ".inc"))


def check_arrows(root):
    for part in (root / "include" / "weft", root / "src"):
        for path in source_files(part):
            layer = path.relative_to(part).parts[0]
            where = path.relative_to(root)
            if layer == "weft.hpp":
                continue
            if layer not in ALLOWED:
                yield f"{where}: '{layer}' is no layer; the layers are {', '.join(ALLOWED)}"
                continue
            for line, _, included in includes(path):
                target = layer_of(included)
                if target and target not in ALLOWED[layer]:
                    yield f"{where}:{line}: {layer} may not include <{included}>: {target} does not lie below it"
                if included == "weft/weft.hpp":
                    yield f"{where}:{line}: only programs include <weft/weft.hpp>"


def check_public_headers(root):
    for path in source_files(root / "include"):
        where = path.relative_to(root)
        if "#pragma once" not in path.read_text(encoding="utf-8"):
            yield f"{where}:1: says no #pragma once"
        for line, angled, included in includes(path):
            if not angled:
                yield f'{where}:{line}: a public header includes "{included}"; write <weft/...> in angle brackets'
            elif not included.startswith("weft/") and not re.fullmatch(r"[a-z_0-9]+", included):
                yield f"{where}:{line}: a public header includes <{included}>, which is not C++'s own; only src/ may"


def check_umbrella(root):
    top = root / "include" / "weft" / "weft.hpp"
    if not top.is_file():
        yield "include/weft/weft.hpp is missing"
        return
    reached, to_visit = set(), [top]
    while to_visit:
        path = to_visit.pop()
        if path in reached or not path.is_file():
            continue
        reached.add(path)
        to_visit += [root / "include" / included for _, _, included in includes(path)]
    for path in source_files(root / "include"):
        if path.suffix == ".hpp" and path not in reached:
            yield f"include/weft/weft.hpp does not reach <{path.relative_to(root / 'include')}>: add it there"


def check(root):
    """What is wrong in the tree, a line each."""
    return [*check_arrows(root), *check_public_headers(root), *check_umbrella(root)]


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    problems = check(root)
    for problem in problems:
        print(problem)
    files = len(source_files(root / "include")) + len(source_files(root / "src"))
    print(f"{files} files, {len(problems)} problems")
    return 1 if problems or not files else 0


if __name__ == "__main__":
    sys.exit(main())
