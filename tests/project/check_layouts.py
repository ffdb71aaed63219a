#!/usr/bin/env python3
"""Fails when a public header names a container of std: check_layouts.py [root of the source tree]

With _GLIBCXX_DEBUG a program has other ones than the library was built with. Public headers use those of namespace
plain (<weft/base/containers.hpp>). Templates that work on the program's own containers are listed below.
"""

import re
import sys
from pathlib import Path

import check_layers

CONTAINER = re.compile(r"\bstd::(vector|deque|list|forward_list|map|multimap|set|multiset|unordered_\w+|bitset)\b")
OF_THE_PROGRAM = {"sync/channel.hpp", "sync/detail/channel_operations.hpp"}


def check(root):
    """What is wrong in the tree, a line each."""
    folder = root / "weft"
    problems = []
    installed = check_layers.installed_headers(root)
    for path in sorted(folder.rglob("*.hpp")):
        name = str(path.relative_to(folder))
        if f"weft/{name}" not in installed or name in OF_THE_PROGRAM or name == "base/containers.hpp":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            if found := CONTAINER.search(line.split("//")[0]):
                problems.append(f"weft/{name}:{number}: say plain::{found.group(1)}, see base/containers.hpp")
    return problems


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    problems = check(root)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
