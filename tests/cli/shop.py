"""A repository of small packages with every relation, and a system that uses it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from moss.cli.main import main
from moss.package import Relations
from solver import Formula, Provide, Relation, parse_formula, parse_relation
from tests.builders import Content, metadata, write_package


def formulas(texts: Sequence[str]) -> tuple[Formula, ...]:
    return tuple(map(parse_formula, texts))


def relations(texts: Sequence[str]) -> tuple[Relation, ...]:
    return tuple(map(parse_relation, texts))


class Shop:
    """Packages are added to a repository, which is read again at once."""

    def __init__(self, folder: Path) -> None:
        self.repository, self.root = folder / "repository", folder / "root"

    def add(
        self,
        name: str,
        version: str,
        *,
        needs: Sequence[str] = (),
        recommends: Sequence[str] = (),
        provides: Sequence[str] = (),
        conflicts: Sequence[str] = (),
        breaks: Sequence[str] = (),
        replaces: Sequence[str] = (),
        supplements: Sequence[str] = (),
        files: Mapping[str, Content] | None = None,
        repository: str = "shop",
    ) -> None:
        about = Relations(
            depends=formulas(needs),
            recommends=formulas(recommends),
            provides=tuple(Provide(one.name, one.version) for one in relations(provides)),
            conflicts=relations(conflicts),
            breaks=relations(breaks),
            replaces=relations(replaces),
            supplements=formulas(supplements),
        )
        content = dict(files or {}) or {f"share/{name}/{version}": version}
        write_package(self.repository / repository, metadata(name, version, relations=about), content)

    def open(self) -> None:
        """Read what there is now."""
        index = str(self.index("shop"))
        if not (self.root / ".moss").exists():
            assert main(["-D", str(self.root), "repo", "add", "shop", index, "--unsigned"]) == 0
        assert main(["-D", str(self.root), "repo", "update"]) == 0

    def index(self, repository: str) -> Path:
        """The index of one of the repositories, made anew."""
        folder = self.repository / repository
        assert main(["index", str(folder)]) == 0
        return folder / "stone.index"

    def said(self, *words: str) -> list[str]:
        return ["-D", str(self.root), *words]
