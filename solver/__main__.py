"""python -m solver [-criteria CRITERIA] PROBLEM SOLUTION: a CUDF solver. `-` is a stream.

Exit 0 with a solution or FAIL written, 2 where the arguments or the problem cannot be read,
130 after Ctrl-C.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from solver.compile import ModelError
from solver.cudf import CudfError, parse_criteria, parse_problem, print_solution
from solver.preferences import PreferenceError
from solver.solve import solve

USAGE = "usage: python -m solver [-criteria CRITERIA] PROBLEM SOLUTION"


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    words, criteria = list(arguments), "trendy"
    if words[:1] == ["-criteria"] and len(words) > 1:
        criteria, words = words[1], words[2:]
    if len(words) != 2:
        return _refuse(USAGE)
    source, target = words
    try:
        measures = parse_criteria(criteria)
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        problem = parse_problem(text, measures)
    except PreferenceError as error:
        return _refuse(str(error))
    except (CudfError, ModelError, OSError, UnicodeDecodeError) as error:
        return _refuse(f"{source}: {error}")
    answer = print_solution(solve(problem))
    if target == "-":
        sys.stdout.write(answer)
        return 0
    try:
        Path(target).write_text(answer, encoding="utf-8")
    except OSError as error:
        return _refuse(f"{target}: {error}")
    return 0


def _refuse(message: str) -> int:
    print(message, file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
