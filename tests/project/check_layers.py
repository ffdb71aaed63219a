#!/usr/bin/env python3
"""Fails when an #include line breaks the house: check_layers.py [--drawing] [root of the source tree]

1. A part (weft/<part>) includes only itself and the parts that its CMakeLists.txt names in DEPENDS or PRIVATE_DEPENDS,
   its installed headers only those in DEPENDS; and each part that is named there is included somewhere.
2. The parts stand on one another: those that a part names come before it in weft/CMakeLists.txt.
3. An installed header (HEADERS) includes only C++'s own headers and installed ones, as <weft/...>: no OS header, no
   library, no private header. A header that is not in detail/ is installed. Tests and benchmarks are programs: they
   include what they like.
4. <weft/weft.hpp> reaches every header that is not in detail/, and includes none that is.
5. A header says #pragma once.

--drawing prints the parts from the roof down, each with those that it includes, as the include lines say.
"""

import re
import sys
from pathlib import Path

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
CALL = re.compile(r"^weft_part\((\w+)(.*?)\)\s*$", re.MULTILINE | re.DOTALL)
KEYWORDS = ("SOURCES", "HEADERS", "DEPENDS", "PRIVATE_DEPENDS", "BUILD_DEPENDS")


class part:
    """What the weft_part() call of one folder says."""

    def __init__(self, folder):
        self.folder, self.name = folder, folder.name
        self.words = {keyword: [] for keyword in KEYWORDS}
        lists = folder / "CMakeLists.txt"
        call = CALL.search(lists.read_text(encoding="utf-8")) if lists.is_file() else None
        self.called = bool(call) and call[1] == self.name
        keyword = None
        for word in re.sub(r"#[^\n]*", "", call[2]).split() if call else []:
            if word in KEYWORDS:
                keyword = word
            elif keyword:
                self.words[keyword].append(word)
        self.installed = {f"weft/{self.name}/{header}" for header in self.words["HEADERS"]}
        # The stack's, of which CMake picks one.
        self.installed |= {str(path.relative_to(path.parents[3]))
                           for path in folder.glob("machine/*/include/weft/*/*/*")}

    def depends(self, *keywords):
        return {word.removeprefix("weft::") for keyword in keywords for word in self.words[keyword]
                if word.startswith("weft::")}


def includes(path):
    """(line number, is it in angle brackets, what) for each #include line of the file."""
    text = path.read_text(encoding="utf-8")
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1] == "<", match[2]


def part_of(included):
    """The part that an include line names: weft/<part>/..., else None."""
    words = included.split("/")
    return words[1] if words[0] == "weft" and len(words) > 2 else None


def library_files(folder):
    """The headers and sources of the library, without its tests and benchmarks."""
    return sorted(path for path in folder.rglob("*") if path.suffix in (".hpp", ".cpp", ".h", ".S", ".inc")
                  and not path.stem.endswith(("_test", "_bench")))


def parts_in(root):
    """The parts, lowest first, and what is wrong with the list of them."""
    order = re.search(r"foreach\(part ([^)]*)\)", (root / "weft" / "CMakeLists.txt").read_text(encoding="utf-8"))
    names = order[1].split() if order else []
    folders = {path.name for path in (root / "weft").iterdir() if path.is_dir()}
    problems = [f"weft/{name}: is no part: weft/CMakeLists.txt does not name it" for name in sorted(folders - {*names})]
    problems += [f"weft/CMakeLists.txt: there is no folder weft/{name}" for name in names if name not in folders]
    parts = [part(root / "weft" / name) for name in names if name in folders]
    problems += [f"weft/{each.name}/CMakeLists.txt: calls no weft_part({each.name} ...)" for each in parts
                 if not each.called]
    return parts, problems


def public(path_in_weft):
    """Whether the header, weft/<part>/..., is one that users include."""
    words = path_in_weft.split("/")
    return len(words) == 3 and words[2].endswith(".hpp")


def installed_headers(root):
    """weft/<part>/... of each header that is installed."""
    return {header for each in parts_in(root)[0] for header in each.installed}


def check_file(path, where, own, installed):
    inside = str(where)
    by_users = inside in own.installed
    allowed = own.depends("DEPENDS") if by_users else own.depends("DEPENDS", "PRIVATE_DEPENDS")
    if path.suffix in (".hpp", ".h") and "#pragma once" not in path.read_text(encoding="utf-8") \
            and path.name != "errno.h":
        yield f"{where}:1: says no #pragma once"
    if public(inside) and not by_users:
        yield f"{where}:1: is not in detail/ and not installed: name it in HEADERS, or move it"
    for line, angled, included in includes(path):
        here = f"{where}:{line}"
        if included == "weft/weft.hpp":
            yield f"{here}: only programs include <weft/weft.hpp>"
            continue
        target = part_of(included)
        if target and target != own.name and target not in allowed:
            yield f"{here}: {own.name} may not include <{included}>: its DEPENDS do not name weft::{target}"
        if target and angled != (included in installed):
            yield (f"{here}: <{included}> is not installed: write it in quotes" if angled
                   else f'{here}: "{included}" is installed: write it in angle brackets')
        if by_users and not target and inside != "weft/base/libc/errno.h" \
                and (not angled or not re.fullmatch(r"[a-z_0-9]+", included)):
            yield f"{here}: an installed header includes {included}, which is neither C++'s own nor weft's"


def check_parts(root, parts):
    installed = {header for each in parts for header in each.installed}
    below = set()
    for each in parts:
        lists = f"weft/{each.name}/CMakeLists.txt"
        named = each.depends("DEPENDS", "PRIVATE_DEPENDS")
        used = set()
        for path in library_files(each.folder):
            where = path.relative_to(root)
            yield from check_file(path, where, each, installed)
            used |= {target for _, _, included in includes(path) if (target := part_of(included))}
        for target in sorted(named - below):
            yield f"{lists}: weft::{target} does not lie below {each.name}"
        for target in sorted((named & below) - used):
            yield f"{lists}: names weft::{target}, of which nothing in {each.name} includes anything"
        for header in sorted(each.installed):
            if not (root / header).is_file() and "/machine/" not in header and not header.endswith("/machine.hpp"):
                yield f"{lists}: there is no {header}"
        below.add(each.name)


def check_umbrella(root, parts):
    top = root / "weft" / "weft.hpp"
    if not top.is_file():
        yield "weft/weft.hpp is missing"
        return
    for line, _, included in includes(top):
        if not public(included):
            yield f"weft/weft.hpp:{line}: <{included}> is not for users"
    reached, to_visit = set(), [top]
    while to_visit:
        path = to_visit.pop()
        if path in reached or not path.is_file():
            continue
        reached.add(path)
        to_visit += [root / included for _, _, included in includes(path)]
    for each in parts:
        for header in sorted(each.installed):
            if public(header) and root / header not in reached:
                yield f"weft/weft.hpp does not reach <{header}>: add it there"


def check(root):
    """What is wrong in the tree, a line each."""
    parts, problems = parts_in(root)
    return [*problems, *check_parts(root, parts), *check_umbrella(root, parts)]


def drawing(root):
    """A line for each part, the roof first: its name, and the parts that its files include."""
    parts, _ = parts_in(root)
    order = [each.name for each in parts]
    for each in reversed(parts):
        used = {part_of(included) for path in library_files(each.folder) for _, _, included in includes(path)}
        yield f"{each.name:<10}{' '.join(name for name in order if name in used - {each.name})}".rstrip()


def main():
    arguments = [each for each in sys.argv[1:] if each != "--drawing"]
    root = Path(arguments[0] if arguments else ".").resolve()
    if "--drawing" in sys.argv:
        print(*drawing(root), sep="\n")
        return 0
    problems = check(root)
    for problem in problems:
        print(problem)
    files = len(library_files(root / "weft"))
    print(f"{files} files, {len(problems)} problems")
    return 1 if problems or not files else 0


if __name__ == "__main__":
    sys.exit(main())
