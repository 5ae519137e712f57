"""undo takes back what one transaction changed and leaves what was done since."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Moss
from tests.cli.shop import Shop
from tests.trees import differences


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Transaction 1 installed app 1 and, for it, lib 1; 2 installed other; 3 updated app and lib to 2."""
    shop = Shop(tmp_path)
    shop.add("lib", "1")
    shop.add("app", "1", needs=["lib"])
    shop.add("other", "1")
    shop.open()
    return shop


def do(shop: Shop, moss: Moss, *words: str) -> str:
    ended = moss(*shop.said(*words, "-y"))
    assert ended.exit_code == 0, ended
    assert differences(shop.root) == []
    return ended.out + ended.err


def updated(shop: Shop, moss: Moss) -> Shop:
    do(shop, moss, "install", "app")
    do(shop, moss, "install", "other")
    shop.add("lib", "2")
    shop.add("app", "2", needs=["lib"])
    shop.open()
    do(shop, moss, "update")
    return shop


def forget(shop: Shop, *labels: str) -> None:
    """The repository no longer has these."""
    for label in labels:
        (stone,) = (shop.repository / "shop").glob(f"{label}-*")
        stone.unlink()
    shop.open()


def there(shop: Shop, moss: Moss) -> set[str]:
    data = json.loads(moss(*shop.said("list", "installed", "--json")).out)["data"]
    return {f"{one['name']}-{one['version']}" for one in data}


def wishes(shop: Shop, moss: Moss) -> list[str]:
    data = json.loads(moss(*shop.said("state", "show", "--json")).out)["data"]
    return list(data["wishes"])


def test_an_install_is_undone_and_done_again(shop: Shop, moss: Moss) -> None:
    do(shop, moss, "install", "other")
    do(shop, moss, "install", "app")
    out = do(shop, moss, "undo")
    assert "transaction 2 brought it" in out
    assert there(shop, moss) == {"other-1"} and wishes(shop, moss) == ["other"]
    do(shop, moss, "undo")
    assert there(shop, moss) == {"other-1", "app-1", "lib-1"} and wishes(shop, moss) == ["other", "app"]
    assert "4  " in moss(*shop.said("history")).out


def test_an_update_is_undone_though_nobody_offers_the_old_versions(shop: Shop, moss: Moss) -> None:
    updated(shop, moss)
    assert there(shop, moss) == {"app-2", "lib-2", "other-1"}
    forget(shop, "app-1", "lib-1")
    do(shop, moss, "undo")
    assert there(shop, moss) == {"app-1", "lib-1", "other-1"}
    do(shop, moss, "undo")
    assert there(shop, moss) == {"app-2", "lib-2", "other-1"}


def test_a_removal_is_undone(shop: Shop, moss: Moss) -> None:
    updated(shop, moss)
    do(shop, moss, "remove", "app")
    forget(shop, "app-1", "lib-1", "app-2", "lib-2")
    assert there(shop, moss) == {"other-1"}
    do(shop, moss, "undo")
    assert there(shop, moss) == {"app-2", "lib-2", "other-1"} and wishes(shop, moss) == ["other", "app"]


def test_what_was_done_since_stays(shop: Shop, moss: Moss) -> None:
    updated(shop, moss)
    do(shop, moss, "undo", "2")
    assert there(shop, moss) == {"app-2", "lib-2"}
    do(shop, moss, "undo", "1")
    assert there(shop, moss) == set() and wishes(shop, moss) == []


def test_what_was_removed_since_does_not_come_back(shop: Shop, moss: Moss) -> None:
    do(shop, moss, "install", "lib")
    updated(shop, moss)
    do(shop, moss, "remove", "app")
    do(shop, moss, "undo", "4")  # the update
    assert there(shop, moss) == {"lib-1", "other-1"}


def test_what_something_needs_since_stays_and_is_told(shop: Shop, moss: Moss) -> None:
    do(shop, moss, "install", "lib")
    shop.add("user", "1", needs=["lib"])
    shop.open()
    do(shop, moss, "install", "user")
    assert "lib 1-1 stays: something else needs it now" in do(shop, moss, "undo", "1")
    assert there(shop, moss) == {"lib-1", "user-1"} and wishes(shop, moss) == ["user"]


def test_an_old_version_that_does_not_fit_any_more_is_told(shop: Shop, moss: Moss) -> None:
    updated(shop, moss)
    shop.add("modern", "1", needs=["lib (>= 2)"])
    shop.open()
    do(shop, moss, "install", "modern")
    assert "lib 1-1 does not come back" in do(shop, moss, "undo", "3")
    assert there(shop, moss) == {"app-1", "lib-2", "modern-1", "other-1"}


def test_a_changed_wish_is_as_it_was(shop: Shop, moss: Moss) -> None:
    updated(shop, moss)
    do(shop, moss, "install", "app < 2")
    assert wishes(shop, moss) == ["app (< 2)", "other"] and "app-1" in there(shop, moss)
    do(shop, moss, "undo")
    assert wishes(shop, moss) == ["app", "other"] and "app-2" in there(shop, moss)


def test_the_first_and_a_rollback_are_undone_too(shop: Shop, moss: Moss) -> None:
    do(shop, moss, "install", "app")
    do(shop, moss, "install", "other")
    do(shop, moss, "rollback")
    do(shop, moss, "undo")
    assert there(shop, moss) == {"app-1", "lib-1", "other-1"}
    do(shop, moss, "undo", "1")
    assert there(shop, moss) == {"other-1"}


def test_what_removed_packages_changed_is_known_after_their_generations_went(shop: Shop, moss: Moss) -> None:
    updated(shop, moss)
    do(shop, moss, "state", "prune", "--keep", "1", "--remember")
    for _ in range(3):  # generations 1 to 3 go, and with them version 1
        do(shop, moss, "remove", "other")
        do(shop, moss, "install", "other")
    listed = moss(*shop.said("state", "list")).out
    assert "\n3 " not in listed
    do(shop, moss, "undo", "3")
    assert there(shop, moss) == {"app-1", "lib-1", "other-1"}, "from the repository"


def test_what_is_nowhere_any_more_is_named(shop: Shop, moss: Moss) -> None:
    updated(shop, moss)
    do(shop, moss, "state", "prune", "--keep", "1", "--remember")
    for _ in range(3):
        do(shop, moss, "remove", "other")
        do(shop, moss, "install", "other")
    forget(shop, "app-1", "lib-1")
    ended = moss(*shop.said("undo", "3", "-y"))
    assert ended.exit_code == 3
    assert "cannot be undone: app 1-1, lib 1-1 are nowhere any more" in " ".join(ended.err.split())
    assert there(shop, moss) == {"app-2", "lib-2", "other-1"}


def test_what_is_no_transaction_is_said(shop: Shop, moss: Moss) -> None:
    assert moss(*shop.said("undo", "-y")).exit_code == 3
    do(shop, moss, "install", "app")
    assert moss(*shop.said("undo", "9", "-y")).exit_code == 3
    do(shop, moss, "undo", "-n")
    assert there(shop, moss) == {"app-1", "lib-1"}
