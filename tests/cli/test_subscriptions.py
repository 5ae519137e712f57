"""Subscriptions from end to end: what they bring, when they let go of it, who says what, and why."""

import json
import re
from pathlib import Path

import pytest

from tests.builders import Content, Dir
from tests.cli.conftest import Ended, Moss
from tests.cli.shop import Shop

GRAPHICS = """
subscription "32bit-graphics" {
    summary "32-bit graphics for games"
    when { all "nvidia-driver" { any "steam" "wine" } }
    want "nvidia-driver-32bit"
}
"""
DEFINITIONS = """
subscription "docs" { default #true; paths "share/doc/**" "share/vim/**" }
subscription "locale" { values "??" "??_*"; paths "share/locale/{value}/**" keep=#true }
subscription "vaapi" { when "modalias(pci:v00008086*)"; want "intel-media-driver" }
"""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A repository of what the definitions are about; the admin has defined them."""
    shop = Shop(tmp_path)
    for name in ("steam", "wine", "nvidia-driver", "vim", "intel-media-driver"):
        shop.add(name, "1")
    shop.add("nvidia-driver-32bit", "1", needs=["libs32"])
    shop.add("libs32", "1")
    shop.add("git", "1", provides=["binary(git)"])
    shop.open()
    define(shop, "10-graphics.kdl", GRAPHICS)
    define(shop, "20-others.kdl", DEFINITIONS)
    return shop


def define(shop: Shop, name: str, text: str) -> Path:
    folder = shop.root / "etc/moss/subscriptions"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def flat(ended: Ended) -> str:
    return " ".join((ended.out + ended.err).split())


def done(shop: Shop, moss: Moss, *words: str) -> str:
    ended = moss(*shop.said(*words, "-y"))
    assert ended.exit_code == 0, ended
    return flat(ended)


def names(shop: Shop, moss: Moss) -> set[str]:
    told = json.loads(moss(*shop.said("list", "installed", "--json")).out)
    return {one["name"] for one in told["data"]}


def standing(shop: Shop, moss: Moss, name: str, *more: str) -> dict[str, object]:
    (found,) = json.loads(moss(*shop.said("subscriptions", name, "--json", *more)).out)["data"]
    assert isinstance(found, dict)
    return found


def test_a_driver_comes_with_steam_and_goes_with_it(shop: Shop, moss: Moss) -> None:
    done(shop, moss, "install", "nvidia-driver")
    assert names(shop, moss) == {"nvidia-driver"}
    told = done(shop, moss, "install", "steam")
    assert "nvidia-driver-32bit 1-1 the subscription 32bit-graphics wants it" in told
    assert "libs32 1-1 needed by nvidia-driver-32bit, for the subscription 32bit-graphics" in told
    assert names(shop, moss) == {"steam", "nvidia-driver", "nvidia-driver-32bit", "libs32"}
    why = flat(moss(*shop.said("why", "libs32")))
    assert "└─ nvidia-driver-32bit 1-1 needs libs32 └─ the subscription 32bit-graphics wants nvidia-driver-32bit" in why
    found = standing(shop, moss, "32bit-graphics")
    assert found["on"] is True and found["because"] == "nvidia-driver & (steam | wine) holds"
    assert [one["name"] for one in found["brings"]] == ["libs32", "nvidia-driver-32bit"]  # type: ignore[attr-defined]
    told = done(shop, moss, "remove", "steam")
    assert "nvidia-driver-32bit 1-1 the subscription 32bit-graphics no longer wants it: steam is gone" in told
    assert "libs32 1-1 nothing needs it any more" in told
    assert names(shop, moss) == {"nvidia-driver"}


def test_another_reason_keeps_it(shop: Shop, moss: Moss) -> None:
    done(shop, moss, "install", "nvidia-driver", "steam", "wine")
    done(shop, moss, "remove", "steam")
    assert "nvidia-driver-32bit" in names(shop, moss)
    assert "nvidia-driver-32bit" not in flat(moss(*shop.said("update", "-n", "--offline")))


def test_a_person_overrides_a_condition_and_it_is_told(shop: Shop, moss: Moss) -> None:
    done(shop, moss, "install", "nvidia-driver", "steam")
    told = done(shop, moss, "unsubscribe", "32bit-graphics", "--why", "it crashes")
    assert "nvidia-driver-32bit 1-1 the subscription 32bit-graphics is off" in told and "Turn off 32bit" in told
    because = "you turned it off (it crashes); by itself it would be on: nvidia-driver & (steam | wine) holds"
    assert because in flat(moss(*shop.said("subscriptions", "32bit-graphics")))
    ended = moss(*shop.said("why-not", "nvidia-driver-32bit"))
    assert f"The subscription 32bit-graphics, which wants it, is off: {because}." in flat(ended)
    assert "is set so already" not in done(shop, moss, "subscribe", "32bit-graphics", "--auto")
    assert "nvidia-driver-32bit" in names(shop, moss)


def test_one_that_is_turned_on_needs_no_condition(shop: Shop, moss: Moss) -> None:
    ended = moss(*shop.said("subscribe", "32bit-graphics", "-n"))
    assert "nvidia-driver-32bit 1-1 the subscription 32bit-graphics wants it" in flat(ended)
    assert "Turn on 32bit-graphics" in flat(ended)
    done(shop, moss, "subscribe", "32bit-graphics")
    assert names(shop, moss) == {"nvidia-driver-32bit", "libs32"}
    assert "by itself it would be off" in str(standing(shop, moss, "32bit-graphics")["because"])


def test_a_capability_keeps_somebody_who_provides_it(shop: Shop, moss: Moss) -> None:
    told = done(shop, moss, "subscribe", "binary(git)", "--why", "work")
    assert "git 1-1 the subscription binary(git) wants it" in told
    done(shop, moss, "update")
    assert names(shop, moss) == {"git"}
    assert standing(shop, moss, "binary(git)")["because"] == "you want somebody who provides it (work)"
    ended = moss(*shop.said("remove", "git", "-y"))
    assert ended.exit_code == 4
    assert "the subscription binary(git) requires binary(git)" in flat(ended)
    assert "unsubscribe 'binary(git)' && moss" in flat(ended).replace(f"-D {shop.root} ", "")
    told = done(shop, moss, "unsubscribe", "binary(git)")
    assert "Let go binary(git) nobody need provide it any more" in told and "Leave to" not in told
    assert "git 1-1 you unsubscribed binary(git)" in told
    assert names(shop, moss) == set()


def test_a_conflict_names_the_subscription_and_the_repair_works(shop: Shop, moss: Moss) -> None:
    define(shop, "30-must.kdl", 'subscription "must" { require "vim" }')
    shop.add("emacs", "1", conflicts=["vim"])
    shop.open()
    ended = moss(*shop.said("install", "emacs", "-y"))
    assert ended.exit_code == 4
    told = flat(ended).replace(f"-D {shop.root} ", "")
    assert "the subscription must requires vim" in told
    assert "moss unsubscribe must && moss install emacs" in told
    done(shop, moss, "unsubscribe", "must")
    done(shop, moss, "install", "emacs")
    ended = moss(*shop.said("subscribe", "must", "-y"))
    told = flat(ended).replace(f"-D {shop.root} ", "")
    assert "moss remove emacs && moss subscribe must" in told and "moss unsubscribe" not in told


def test_two_definitions_that_contradict_are_told_with_their_places(shop: Shop, moss: Moss) -> None:
    shop.add("steam", "2")
    shop.open()
    left = define(shop, "40-left.kdl", '\nsubscription "left" { default #false; require "steam (>= 2)" }\n')
    right = define(shop, "50-right.kdl", '  subscription "right" { default #false; require "steam (< 2)" }\n')
    done(shop, moss, "subscribe", "right")
    ended = moss(*shop.said("subscribe", "left", "-y"))
    told = flat(ended)
    assert ended.exit_code == 4
    assert f"because the subscription left requires steam (>= 2), says {left}:2:1" in told
    assert f"and the subscription right requires steam (< 2), says {right}:1:3" in told


def test_a_circle_is_told_with_the_places(shop: Shop, moss: Moss) -> None:
    text = 'subscription one { when "subscription(two)"; want git }\nsubscription two { when "subscription(one)" }\n'
    path = define(shop, "60-circle.kdl", text)
    ended = moss(*shop.said("install", "vim", "-y"))
    assert ended.exit_code == 0
    assert f"in a circle, and none is on by it: one ({path}:1:1), two ({path}:2:1)" in flat(ended)


def test_what_is_removed_and_still_wanted_comes_back_and_that_is_told(shop: Shop, moss: Moss) -> None:
    done(shop, moss, "install", "nvidia-driver", "steam")
    told = done(shop, moss, "remove", "nvidia-driver-32bit")
    assert "32bit-graphics wants nvidia-driver-32bit and brings it back with the next change" in told
    assert "nvidia-driver-32bit" not in names(shop, moss)
    done(shop, moss, "sync")
    assert "nvidia-driver-32bit" in names(shop, moss)


def test_what_is_still_wanted_and_cannot_stay_says_why(shop: Shop, moss: Moss) -> None:
    done(shop, moss, "install", "nvidia-driver", "steam")
    told = done(shop, moss, "remove", "libs32")
    assert "nvidia-driver-32bit 1-1 nothing provides libs32 any more" in told


def test_another_machine_has_another_driver(shop: Shop, moss: Moss, tmp_path: Path) -> None:
    intel, other = tmp_path / "intel", tmp_path / "other"
    intel.write_text("arch(x86_64)\nmodalias(pci:v00008086d00005917sv1)\n")
    other.write_text("arch(x86_64)\n")
    assert "intel-media-driver" not in done(shop, moss, "install", "vim", "--facts", str(other))
    told = flat(moss(*shop.said("sync", "-n", "--facts", str(intel))))
    assert "Install intel-media-driver 1-1 the subscription vaapi wants it" in told
    done(shop, moss, "sync", "--facts", str(intel))
    assert standing(shop, moss, "vaapi", "--facts", str(intel))["because"] == "modalias(pci:v00008086*) holds"
    told = done(shop, moss, "sync", "--facts", str(other))
    because = "the subscription vaapi no longer wants it: the device modalias(pci:v00008086*) is gone"
    assert f"intel-media-driver 1-1 {because}" in told


def test_what_goes_with_a_device_goes_and_names_it(shop: Shop, moss: Moss, tmp_path: Path) -> None:
    shop.add("card-tool", "1", supplements=["modalias(pci:v00001234*)"])
    shop.add("plugin", "1", supplements=["steam"])
    shop.open()
    has, lacks = tmp_path / "has", tmp_path / "lacks"
    has.write_text("arch(x86_64)\nmodalias(pci:v00001234d1)\n")
    lacks.write_text("arch(x86_64)\n")
    done(shop, moss, "install", "vim", "steam", "--facts", str(has))
    assert {"card-tool", "plugin"} <= names(shop, moss)
    told = done(shop, moss, "sync", "--facts", str(lacks))
    gone = "it went with modalias(pci:v00001234*): the device modalias(pci:v00001234*) is gone"
    assert f"card-tool 1-1 {gone}" in told
    assert "plugin 1-1 it went with steam: steam is gone" in done(shop, moss, "remove", "steam", "--facts", str(lacks))


def test_what_leads_to_a_subscription_through_another_is_named(shop: Shop, moss: Moss) -> None:
    define(
        shop,
        "30-chain.kdl",
        'subscription "games" { when "steam" }\n'
        'subscription "pad" { when "subscription(games)" { not "wine" }; want "git" }\n',
    )
    done(shop, moss, "install", "steam", "vim")
    assert "git 1-1 the subscription pad no longer wants it: steam is gone" in done(shop, moss, "remove", "steam")
    done(shop, moss, "install", "steam")
    told = done(shop, moss, "install", "wine")
    assert "git 1-1 the subscription pad no longer wants it" in told and "is gone" not in told


def test_the_best_build_for_the_processor_is_preferred(shop: Shop, moss: Moss, tmp_path: Path) -> None:
    levels = ("v1", "v3", "v4")
    for level in levels:
        shop.add(f"codec-{level}", "1", provides=["codec"])
    shop.add("player", "1", needs=["codec"])
    shop.open()
    define(
        shop,
        "70-builds.kdl",
        """subscription builds {
            rule { when "cpu(x86-64-v4)"; prefer "codec-v4" }
            rule { when "cpu(x86-64-v3)" { not "cpu(x86-64-v4)" }; prefer "codec-v3" }
            rule { when { not "cpu(x86-64-v3)" }; prefer "codec-v1" }
        }""",
    )
    for level in levels:
        facts = tmp_path / level
        facts.write_text(f"arch(x86_64)\ncpu(x86-64-{level})\n")
        told = flat(moss(*shop.said("install", "player", "-n", "--facts", str(facts))))
        assert [one for one in levels if f"codec-{one}" in told] == [level]


def test_only_what_the_same_rule_hangs_on_is_said_to_be_gone(shop: Shop, moss: Moss) -> None:
    text = 'subscription two { rule { when "steam"; want "git" }; rule { when "wine"; want "libs32" } }'
    define(shop, "80-two.kdl", text)
    done(shop, moss, "install", "steam", "wine", "vim")
    told = done(shop, moss, "remove", "steam", "wine")
    assert "git 1-1 the subscription two no longer wants it: steam is gone" in told
    assert "libs32 1-1 the subscription two no longer wants it: wine is gone" in told


def test_a_device_that_was_never_there_is_not_said_to_be_gone(shop: Shop, moss: Moss, tmp_path: Path) -> None:
    define(shop, "90-any.kdl", 'subscription any { when { any "modalias(a*)" "modalias(b*)" }; want "git" }')
    has, lacks = tmp_path / "has", tmp_path / "lacks"
    has.write_text("arch(x86_64)\nmodalias(a1)\n")
    lacks.write_text("arch(x86_64)\n")
    done(shop, moss, "install", "vim", "--facts", str(has))
    told = done(shop, moss, "sync", "--facts", str(lacks))
    assert "git 1-1 the subscription any no longer wants it: the device modalias(a*) is gone" in told


def test_a_path_says_which_value_would_keep_it(shop: Shop, moss: Moss) -> None:
    define(shop, "20-others.kdl", """
        subscription words {
            values "??" "??_*"
            paths "share/words/{value}.*" "share/spelling/{value}/*" "share/lib-{value}/**" keep=#true
            paths "share/of/x{value}y/**" keep=#true
        }
    """)
    files: dict[str, Content] = {f"share/words/{one}.dic": "" for one in ("de", "fr", "pt_BR")}
    files |= {"share/spelling/fr": Dir(), "share/spelling/fr/x": "", "share/of/xfry/z": "", "share/lib-fr/x": ""}
    shop.add("words", "1", files=files)
    shop.open()
    done(shop, moss, "install", "words")
    done(shop, moss, "subscribe", "words", "de")
    for path, value in (
        ("share/words/fr.dic", "fr"),
        ("share/words/pt_BR.dic", "pt_BR"),
        ("share/spelling/fr", "fr"),
        ("share/lib-fr/x", "fr"),
        ("share/of/xfry/z", "…"),
    ):
        told = moss(*shop.said("why-not", f"/usr/{path}"))
        assert told.exit_code == 4 and f"moss subscribe words de {value} brings it back" in flat(told), told


def test_paths_are_left_out_while_one_is_off(shop: Shop, moss: Moss) -> None:
    done(shop, moss, "install", "vim")
    assert (shop.root / "usr/share/vim/1").exists()
    done(shop, moss, "unsubscribe", "docs")
    assert not (shop.root / "usr/share/vim").exists()
    assert standing(shop, moss, "docs")["leaves_out"] is True
    done(shop, moss, "subscribe", "docs")
    assert (shop.root / "usr/share/vim/1").exists()


def test_a_path_says_who_leaves_it_out(shop: Shop, moss: Moss) -> None:
    shop.add("dict", "1", files={"share/locale/de/d": "d", "share/locale/fr/d": "f", "share/doc/dict/README": "r"})
    shop.open()
    done(shop, moss, "install", "vim", "dict")
    there = moss(*shop.said("why-not", "/usr/share/vim/1"))
    assert there.exit_code == 0 and "it is there, of vim 1-1" in flat(there)
    done(shop, moss, "unsubscribe", "docs")
    done(shop, moss, "subscribe", "locale", "de")
    for path, pattern in (("/usr/share/vim/1", "share/vim/**"), ("/usr/share/doc/dict/", "share/doc/**")):
        told = moss(*shop.said("why-not", path))
        assert told.exit_code == 4, told
        assert "is left out. because the subscription docs leaves it out of " in flat(told)
        assert f"by {pattern} moss subscribe docs brings it back." in flat(told)
    told = moss(*shop.said("why-not", "/usr/share/vim"))  # goes with all below it
    assert told.exit_code == 4 and "out of vim 1-1" in flat(told)
    told = moss(*shop.said("why-not", "/usr/share/locale/fr/d"))
    assert "the subscription locale leaves it out of dict 1-1, by share/locale/??/**" in flat(told)
    assert "moss subscribe locale de fr brings it back" in flat(told)
    assert moss(*shop.said("why-not", "/usr/share/locale/de/d")).exit_code == 0
    assert moss(*shop.said("why-not", "/usr/share/locale")).exit_code == 0
    nobody = moss(*shop.said("why-not", "/usr/share/nothing"))
    assert nobody.exit_code == 3 and "no installed package has /usr/share/nothing" in flat(nobody)
    assert moss(*shop.said("why-not", "/usr/../etc")).exit_code == 2


def test_values_are_checked_and_replaced(shop: Shop, moss: Moss) -> None:
    ended = moss(*shop.said("subscribe", "locale", "german", "-y"))
    assert ended.exit_code == 2 and "values look like one of these: ??, ??_*" in flat(ended)
    assert moss(*shop.said("subscribe", "docs", "de", "-y")).exit_code == 2
    done(shop, moss, "subscribe", "locale", "de", "en_GB")
    done(shop, moss, "subscribe", "locale", "fr")
    assert standing(shop, moss, "locale")["values"] == ["fr"]
    assert "you chose fr" in flat(moss(*shop.said("subscriptions", "locale")))


def test_values_that_somebody_wrote_into_the_model_are_checked_too(shop: Shop, moss: Moss) -> None:
    shop.add("dict", "1", files={"share/locale/de/d": "d", "share/locale/fr/d": "f"})
    shop.open()
    done(shop, moss, "install", "dict")
    file = shop.root / "etc/moss/system-model.kdl"
    file.write_text(file.read_text() + 'subscriptions { locale "**" "german" "de"; vaapi "x"; doccs #false }\n')
    told = done(shop, moss, "sync")
    assert "**, german cannot be a value of the subscription locale and does not count: values look like" in told
    assert "x cannot be a value of the subscription vaapi and does not count: it takes no values" in told
    assert "nobody defines the subscription doccs that you set (is docs meant?)" in told
    assert [path.name for path in (shop.root / "usr/share/locale").iterdir()] == ["de"]
    assert standing(shop, moss, "locale")["values"] == ["de"]


def test_a_name_that_somebody_mistyped_in_the_model_is_told_with_near_ones(shop: Shop, moss: Moss) -> None:
    done(shop, moss, "install", "git")
    file = shop.root / "etc/moss/system-model.kdl"
    file.write_text(file.read_text().replace("git", "vimm"))
    ended = moss(*shop.said("sync", "-y"))
    assert ended.exit_code == 3 and "there is no package vimm because the system model names it" in flat(ended)
    assert "info vim" in flat(ended)
    file.write_text(file.read_text().replace("packages {", "pakages {"))
    told = flat(moss(*shop.said("sync", "-n")))
    assert "moss does not know 'pakages' and leaves it alone: is packages meant?" in told


def test_what_somebody_here_has_is_not_missed_when_nobody_offers_it(shop: Shop, moss: Moss) -> None:
    shop.add("old-editor", "1", provides=["editor-of-old"])
    shop.open()
    define(shop, "50-more.kdl", 'subscription more { default #true; want "editor-of-old" "vimm" }')
    done(shop, moss, "install", "old-editor")
    (found,) = shop.index("shop").parent.glob("old-editor-*")
    found.unlink()
    shop.open()
    assert standing(shop, moss, "more")["nobody_offers"] == ["vimm"]


def test_what_nobody_offers_is_told(shop: Shop, moss: Moss) -> None:
    define(shop, "50-more.kdl", 'subscription more { want "vimm" "git"; rule { when "never"; want "gone" } }')
    done(shop, moss, "install", "vim")
    assert standing(shop, moss, "more")["nobody_offers"] == ["vimm"]
    assert "nobody offers vimm" in flat(moss(*shop.said("subscriptions", "more")))
    done(shop, moss, "unsubscribe", "more")
    assert standing(shop, moss, "more")["nobody_offers"] == []


def test_an_unknown_name_is_refused_with_near_ones(shop: Shop, moss: Moss) -> None:
    ended = moss(*shop.said("subscribe", "doc", "-y"))
    assert ended.exit_code == 3 and "subscribe docs" in flat(ended)
    ended = moss(*shop.said("subscribe", "vim", "-y"))
    assert ended.exit_code == 3 and "install vim" in flat(ended)
    assert moss(*shop.said("unsubscribe", "nothing", "-y")).exit_code == 3
    ended = moss(*shop.said("unsubscribe", "doccs", "-y"))
    assert ended.exit_code == 3 and "unsubscribe docs" in flat(ended)
    assert moss(*shop.said("subscribe", "vaapi", "x", "--auto", "-y")).exit_code == 2


def test_a_broken_file_of_the_admin_stops_changes_with_its_place(shop: Shop, moss: Moss) -> None:
    path = define(shop, "90-broken.kdl", "subscription x {\n    wants y\n}\n")
    ended = moss(*shop.said("install", "vim", "-y"))
    assert ended.exit_code == 2 and f"{path}:2:5: 'wants' is not known here" in flat(ended)
    assert names(shop, moss) == set()
    define(shop, "90-broken.kdl", "subscription docs { want y }")
    assert "defined in" in flat(moss(*shop.said("install", "vim", "-y")))
    path.rename(path.with_suffix(".kdl.off"))
    done(shop, moss, "install", "vim")


def test_a_definition_that_is_gone_is_told_and_forgotten(shop: Shop, moss: Moss) -> None:
    done(shop, moss, "unsubscribe", "docs")
    (shop.root / "etc/moss/subscriptions/20-others.kdl").unlink()
    assert re.search(r"nobody defines the subscription docs that you set", done(shop, moss, "install", "vim"))
    done(shop, moss, "unsubscribe", "docs")
    assert "nobody defines" not in done(shop, moss, "install", "git")


def test_minimal_leaves_recommendations(shop: Shop, moss: Moss) -> None:
    define(shop, "minimal.kdl", 'subscription "minimal" { default #false; recommends #false }')
    shop.add("editor", "1", recommends=["git"])
    shop.open()
    done(shop, moss, "install", "editor")
    assert names(shop, moss) == {"editor", "git"}
    done(shop, moss, "subscribe", "minimal")
    assert names(shop, moss) == {"editor"}


def test_undo_takes_a_switch_back(shop: Shop, moss: Moss) -> None:
    done(shop, moss, "install", "nvidia-driver", "steam")
    done(shop, moss, "unsubscribe", "32bit-graphics")
    done(shop, moss, "undo")
    assert "nvidia-driver-32bit" in names(shop, moss)


def repository_with(shop: Shop, name: str, text: str, *more: str) -> None:
    """Another repository, of the same packages' folder, that defines something."""
    folder = shop.repository / name / "subscriptions"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "some.kdl").write_text(text)
    shop.add(f"of-{name}", "1", repository=name)
    assert shop.index(name)
    index = str(shop.repository / name / "stone.index")
    from moss.cli.main import main

    assert main(shop.said("repo", "add", name, index, "--unsigned", *more)) == 0


def test_a_repository_defines_and_the_admin_and_priorities_win(shop: Shop, moss: Moss) -> None:
    repository_with(shop, "low", 'subscription "x" { want "vim" }\nsubscription "vaapi" { want "wine" }')
    assert standing(shop, moss, "x")["origin"] == "repository low"
    assert str(standing(shop, moss, "vaapi")["origin"]).endswith("20-others.kdl")
    repository_with(shop, "high", 'subscription "x" { want "git" }', "--priority", "5")
    assert standing(shop, moss, "x")["origin"] == "repository high"
    done(shop, moss, "sync")
    assert names(shop, moss) == {"git"}
    assert moss(*shop.said("repo", "remove", "high")).exit_code == 0
    assert standing(shop, moss, "x")["origin"] == "repository low"


def test_a_new_index_brings_new_definitions(shop: Shop, moss: Moss) -> None:
    repository_with(shop, "news", 'subscription "x" { want "vim" }')
    (shop.repository / "news/subscriptions/some.kdl").write_text('subscription "y" { want "git" }')
    assert "1 package, 1 subscription" in flat(moss("index", str(shop.repository / "news")))
    assert moss(*shop.said("repo", "update")).exit_code == 0
    assert moss(*shop.said("subscriptions", "x")).exit_code == 3
    assert standing(shop, moss, "y")["on"] is True


def test_a_broken_definition_of_a_repository_is_told_and_left_aside(shop: Shop, moss: Moss) -> None:
    import io

    from moss.stone import open_stone, write_index_file

    shop.add("of-bad", "1", repository="bad")
    index = shop.index("bad")
    published = open_stone(io.BytesIO(index.read_bytes()), "index").published
    texts = {"new.kdl": "subscription z {\n  wants w\n}", "ok.kdl": "subscription ok { want git }"}
    write_index_file(str(index), published, texts)
    assert moss(*shop.said("repo", "add", "bad", str(index), "--unsigned")).exit_code == 0
    told = done(shop, moss, "sync")
    assert "definitions of the repository bad are left aside: bad/new.kdl:2:3: 'wants' is not known here" in told
    assert names(shop, moss) == {"git"}


def test_an_index_is_not_written_with_a_broken_definition(shop: Shop, moss: Moss) -> None:
    folder = shop.repository / "shop/subscriptions"
    folder.mkdir()
    (folder / "a.kdl").write_text("subscription a { wants b }")
    before = (shop.repository / "shop/stone.index").read_bytes()
    ended = moss("index", str(shop.repository / "shop"))
    assert ended.exit_code == 2 and "a.kdl:1:18: 'wants' is not known" in flat(ended)
    (folder / "a.kdl").write_text("subscription a { want b }")
    (folder / "b.kdl").write_text("subscription a { want c }")
    assert "is defined in" in flat(moss("index", str(shop.repository / "shop")))
    assert (shop.repository / "shop/stone.index").read_bytes() == before


def test_what_is_said_of_subscriptions_stands_in_the_model_and_may_be_said_there(shop: Shop, moss: Moss) -> None:
    done(shop, moss, "subscribe", "locale", "de", "en_GB", "--why", "us")
    done(shop, moss, "unsubscribe", "docs")
    assert "Subscribed locale de en_GB, docs off" in flat(moss(*shop.said("state", "show")))
    file = shop.root / "etc/moss/system-model.kdl"
    text = file.read_text()
    assert re.search(r'locale "?de"? "?en_GB"?', text) and re.search(r"docs #false", text), text
    file.write_text(text.replace("docs #false", '"32bit-graphics" #true'))
    done(shop, moss, "sync")
    assert "nvidia-driver-32bit" in names(shop, moss)
    assert standing(shop, moss, "docs")["on"] is True
    assert standing(shop, moss, "locale")["because"] == "you chose de, en_GB (us)"
