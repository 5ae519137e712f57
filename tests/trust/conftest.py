"""One signed repository for all tests of this folder; each gets a copy."""

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Ended, Moss, _no_settings_from_outside  # noqa: F401 - a fixture
from tests.cli.conftest import moss as run_moss  # noqa: F401 - a fixture
from tests.trust.signed import Maker


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signed")
    maker = Maker(folder)
    maker.keys("own")
    maker.stone("hello", "1.0")
    maker.publish()
    return folder


@pytest.fixture
def maker(_made: Path, tmp_path: Path) -> Maker:
    """A repository that offers hello 1.0, signed by the key `own`, which has every role."""
    made = Maker.__new__(Maker)
    made.root, made.repository = tmp_path / "maker", tmp_path / "repository"
    shutil.copytree(_made / "maker", made.root)
    shutil.copytree(_made / "repository", made.repository)
    return made


@pytest.fixture
def moss(run_moss: Moss) -> Moss:  # noqa: F811
    """A fault's lines are put together."""

    def run(*words: object) -> Ended:
        ended = run_moss(*map(str, words))
        return ended._replace(err=" ".join(ended.err.split()))

    return run


class User:
    """A system that uses the repository."""

    def __init__(self, root: Path, run: Moss) -> None:
        self.root, self._run = root, run

    def moss(self, *words: object) -> Ended:
        return self._run("-D", str(self.root), *map(str, words))

    def done(self, *words: object) -> str:
        ended = self.moss(*words)
        assert ended.exit_code == 0, ended
        return str(ended.out)

    def has(self, name: str) -> str | None:
        """What /usr holds of a package."""
        path = self.root / "usr/share" / name
        return path.read_text() if path.exists() else None


@pytest.fixture
def user(maker: Maker, tmp_path: Path, moss: Moss) -> User:
    """It trusts the repository, and has hello 1.0."""
    user = User(tmp_path / "user", moss)
    user.done("repo", "add", "main", maker.index, "--trust", maker.metadata / "1.root.json")
    user.done("install", "-y", "hello")
    return user
