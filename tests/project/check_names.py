#!/usr/bin/env python3
"""Fails when a comment names what no code has: check_names.py [root of the source tree]

In the library's headers and sources each name() and each snake_case name of a comment is a name of the code there or of
a file, or a word of others that ELSEWHERE lists or that std:: marks. A function that a memory order "pairs with" uses
the same atomic member itself or, where the operation is a fence or its object has a local name, some memory order.
"""

import re
import sys
from pathlib import Path

STANDARD = re.compile(r"\bstd::[\w:]+|https?://\S+")
NAME = re.compile(r"([A-Za-z_]\w*)\(\)|\b([a-z]+(?:_[a-z]+)+)\b")
PARTNERS = re.compile(r"\bpairs with ([^.;]*)")
# With parentheses, or with an underscore: words of prose have neither.
PARTNER = re.compile(r"(?<!\w)(~?[a-z]\w*)\(\)|\b([a-z]\w*_\w*[a-z0-9])\b(?!\(|::)")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
# A name and its parameters, then what may stand before the body.
DEFINITION = re.compile(r"(?<![\w.>])(~?[a-z_]\w*)\((?:[^(){};]|\([^()]*\))*\)(?:\s*(?:const|noexcept|override|final|"
                        r"requires[^{;]*|->\s*[\w:<>&*\s]+|:[^;]*?))*\s*\{")
OPERATION = re.compile(r"(\w+_)(?:\.|->)(?:load|store|exchange|compare_exchange_\w+|fetch_\w+)\(")
ORDER = re.compile(r"\bmemory_order_\w+|\w*fence\w*\(|\bsys_?call\b")
# Lines from the comment to its operation, at the most.
LINES_BELOW = 6
# What comments speak of and weft itself does not name.
ELSEWHERE = {"seq_cst", "acq_rel", "co_yield", "exec", "_exit", "kill", "max_map_count", "sched_attr", "fcontext_t",
             "weft_lock_check", "io_uring_prep_poll_remove", "io_uring_enable_rings"}


def split(line):
    """The code of a line, without strings, and its comment."""
    code, _, comment = STRING.sub('""', line).partition("//")
    return code, comment


def sources(root):
    return sorted(path for path in (root / "weft").rglob("*") if path.suffix in {".hpp", ".cpp"}
                  and not path.stem.endswith(("_test", "_bench")))


def body_at(code, begin):
    """The text from a brace to the one that closes it."""
    depth = 0
    for index in range(begin, len(code)):
        depth += {"{": 1, "}": -1}.get(code[index], 0)
        if depth == 0:
            return code[begin:index]
    return code[begin:]


def bodies_of(texts):
    """The bodies of all functions of each name."""
    bodies = {}
    for code in texts:
        for match in DEFINITION.finditer(code):
            bodies.setdefault(match[1], []).append(body_at(code, match.end() - 1))
    return bodies


def check_partners(lines, index, bodies):
    comment = lines[index][1]
    if index + 1 < len(lines) and not lines[index + 1][0].strip():
        comment += " " + lines[index + 1][1].strip()  # a sentence may go on there
    below = [code for code, _ in lines[index:index + LINES_BELOW]]
    used = next((found for code in below if (found := OPERATION.search(code) or ORDER.search(code))), None)
    member = used[1] if used and used.re is OPERATION else None
    for clause in PARTNERS.findall(comment):
        for match in PARTNER.finditer(clause):
            name = match[1] or match[2]
            if match[2] and name not in bodies:
                continue  # a variable, or checked as a name() if it is one
            found = bodies.get(name, [])
            if not any(re.search(rf"\b{member}\b", body) if member else ORDER.search(body) for body in found):
                yield f"pairs with {name}, which does not use {member or 'a memory order'}"


def check(root):
    """What is wrong in the tree, a line each."""
    files = {path.relative_to(root): [split(line) for line in path.read_text(encoding="utf-8").split("\n")]
             for path in sources(root)}
    texts = ["\n".join(code for code, _ in lines) for lines in files.values()]
    words, bodies = {word for code in texts for word in re.findall(r"\w+", code)}, bodies_of(texts)
    known = words | ELSEWHERE | {part for where in files for part in (*where.parts, where.stem)}
    problems = []
    for where, lines in files.items():
        for index, (_, comment) in enumerate(lines):
            names = ["".join(each) for each in NAME.findall(STANDARD.sub("", comment))]
            wrong = [f"no code has the name {name}" for name in names if name not in known]
            wrong += check_partners(lines, index, bodies) if PARTNERS.search(comment) else []
            problems += [f"{where}:{index + 1}: {each}" for each in wrong]
    return problems


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
