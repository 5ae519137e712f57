"""A plan for a system of 2,000 packages with 200 definitions, beside the same plan without any.

    python -m tests.bench.subscriptions [ROUNDS] [PACKAGES] [DEFINITIONS]

Half of the definitions are about packages that are there, a quarter about devices, a quarter about one another; half
come from the admin's files and half from the repository. The limit is one and a half times the plan without them.
"""

import random
import sys
import tempfile
from pathlib import Path

from moss.indexing import index
from moss.package import Relations
from solver import Relation
from tests.bench.measuring import MOSS, in_turn, run
from tests.builders import metadata, write_package

LIMIT = 1.5


def packages(folder: Path, count: int) -> None:
    """Each needs some of those before it."""
    choose = random.Random(7)
    for number in range(count + 50):
        needs = {choose.randrange(number) for _ in range(min(number, 4))} if number < count else set()
        relations = Relations(depends=tuple(Relation(f"p{one}") for one in sorted(needs)))
        write_package(folder, metadata(f"p{number}", "1", relations=relations), {f"share/p{number}": str(number)})


def definition(number: int, count: int) -> str:
    """One of each kind in turn; most of what they want is there already, some are for what is not."""
    condition = (
        f'when {{ all "p{number}" {{ any "p{number * 3}" "q{number}" }} }}',
        f'when "p{number * 7}"',
        f'when {{ any "modalias(pci:v{number:08X}*)" "modalias(usb:v{number:04X}*)" }}',
        f'when "subscription(s{max(number - 3, 0)})"',
    )[number % 4]
    paths = f'; paths "share/doc/p{number}/**"' if number % 10 == 0 else ""
    want = f"want p{(number * 11) % count}"
    return f'subscription s{number} {{ summary "Number {number}"; {condition}; {want}{paths} }}\n'


def facts() -> str:
    choose = random.Random(8)
    lines = [f"modalias(pci:v{choose.randrange(400):08X}d{n:08X}sv1sd1bc03sc00i00)" for n in range(200)]
    return "".join(f"{line}\n" for line in ("arch(x86_64)", *lines))


def main() -> None:
    rounds, count, defined = (int(text) for text in (*sys.argv[1:], *("7", "2000", "200")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        repository = place / "repository"
        packages(repository, count)
        index(str(repository))
        machine = place / "machine"
        machine.write_text(facts())
        texts = [definition(number, count) for number in range(defined)]
        roots = {}
        for word in ("without", "with"):
            root = roots[word] = (*MOSS, "-D", place / word)
            if word == "with":
                (repository / "subscriptions").mkdir()
                (repository / "subscriptions/all.kdl").write_text("".join(texts[::2]))
                folder = place / word / "etc/moss/subscriptions"
                folder.mkdir(parents=True)
                for at in range(10):
                    (folder / f"{at}.kdl").write_text("".join(texts[1::2][at::10]))
                index(str(repository))
            run((*root, "repo", "add", "main", repository / "stone.index", "--unsigned"))
            wishes = [f"p{number}" for number in (*range(0, count - 200, 2), *range(count - 200, count))]
            run((*root, "--facts", machine, "install", "-y", *wishes))
        plans = {
            f"{plan} {word}": (*root, "--facts", machine, *words, "-n")
            for plan, words in (("install", ("install", f"p{count + 1}")), ("update", ("update", "--offline")))
            for word, root in roots.items()
        }
        found = in_turn(plans, rounds)
        failed = False
        for plan in ("install", "update"):
            before, after = found[f"{plan} without"].cpu, found[f"{plan} with"].cpu
            failed |= after > LIMIT * before
            print(
                f"{plan} -n, {count} packages: {before * 1000:.0f} ms of CPU without definitions,"
                f" {after * 1000:.0f} ms with {defined}: {after / before:.2f} times (limit {LIMIT})"
            )
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
