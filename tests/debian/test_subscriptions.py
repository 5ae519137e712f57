"""The definitions that come with moss for Debian: they name packages that there are, and follow machines."""

import re
import subprocess
from pathlib import Path

import pytest

from moss.definitions import parse_definitions
from moss.facts import Fact
from moss.in_force import in_force
from moss.path_filter import matcher
from moss.subscription import Definition, Setting, Switch
from solver import All, AnyOf, Formula, If, Relation, relations_of
from tests.debian.closure import AptUnavailable, lists_of

FOLDER = Path(__file__).parents[2] / "fixtures/subscriptions"
HELPER = Path("/usr/lib/apt/apt-helper")
COMPONENTS, ARCHITECTURES = ("main", "contrib", "non-free", "non-free-firmware"), ("amd64", "i386")
ELSEWHERE = {
    "non-free-firmware": {
        *("intel-microcode", "amd64-microcode", "firmware-amd-graphics", "firmware-ast", "firmware-atheros"),
        *("firmware-bnx2", "firmware-bnx2x", "firmware-brcm80211", "firmware-cavium", "firmware-intel-sound"),
        *("firmware-ivtv", "firmware-iwlwifi", "firmware-libertas", "firmware-misc-nonfree", "firmware-myricom"),
        *("firmware-netronome", "firmware-netxen", "firmware-qlogic", "firmware-realtek", "firmware-sof-signed"),
    },
    "non-free": {"nvidia-driver"},
    "non-free of i386": {"nvidia-driver-libs:i386"},
    "contrib": {"steam-installer"},
    "contrib of i386": {"steam"},
    "main of i386": {
        *("wine32", "steam-libs-i386", "libgl1:i386", "libgl1-mesa-dri:i386", "mesa-vulkan-drivers:i386"),
    },
}


def definitions() -> tuple[Definition, ...]:
    found: list[Definition] = []
    for path in sorted(FOLDER.glob("*.kdl")):
        found += parse_definitions(path.read_text(), str(path), path.name)
    return tuple(found)


def named() -> set[str]:
    """Every package that a definition names."""
    found: set[str] = set()
    for one in definitions():
        conditions = [one.when, *(rule.condition for rule in one.rules)]
        found |= {r.name for condition in conditions if condition is not None for r in relations_of(condition)}
        found |= {r.name for rule in one.rules for r in (*rule.require, *rule.want, *rule.prefer)}
    return {name for name in found if "(" not in name}


@pytest.fixture(scope="module")
def offered() -> dict[str, frozenset[str]]:
    """The names of Debian 12's packages, by component; those of i386 as companions are called."""
    try:
        folder = Path(lists_of(COMPONENTS, ARCHITECTURES, suite="bookworm"))
    except AptUnavailable as fault:
        pytest.skip(f"apt fetches no lists of Debian's: {fault}")
    found = {component: names_in(folder, component, "amd64") for component in COMPONENTS}
    for component in COMPONENTS:
        beside = names_in(folder, component, "i386")
        found[f"{component} of i386"] = beside | {f"{name}:i386" for name in beside}
    return found


def names_in(folder: Path, component: str, architecture: str) -> frozenset[str]:
    (path,) = folder.glob(f"*_debian_dists_bookworm_{component}_binary-{architecture}_Packages*")
    text = subprocess.run([HELPER, "cat-file", path], capture_output=True, check=True, text=True).stdout
    return frozenset(re.findall(r"^Package: (.*)$", text, re.MULTILINE))


def test_every_file_is_read_and_no_name_is_there_twice() -> None:
    names = [one.name for one in definitions()]
    assert len(names) == len(set(names)) >= 12
    assert all(one.summary for one in definitions())


def test_every_package_that_is_named_is_where_it_is_said_to_be(offered: dict[str, frozenset[str]]) -> None:
    assert named() - offered["main"] == set().union(*ELSEWHERE.values())
    for component, names in ELSEWHERE.items():
        assert names - offered[component] == set(), component


def wants(*facts: str, there: tuple[str, ...] = ()) -> set[str]:
    """What is wanted on a machine with these packages."""
    found = in_force((), definitions(), tuple(Fact(one) for one in facts))
    return {
        relation.name
        for subscription in found.rules
        for rule, conditions in subscription.binding
        if all(holds(one, there) for one in conditions)
        for relation in rule.want
    }


def holds(condition: Formula, there: tuple[str, ...]) -> bool:
    match condition:
        case Relation(name):
            return name in there
        case All(parts):
            return all(holds(one, there) for one in parts)
        case AnyOf(parts):
            return any(holds(one, there) for one in parts)
        case If(barred, AnyOf(())):
            return not holds(barred, there)
    raise AssertionError(condition)


THINKPAD = (
    "modalias(cpu:type:x86,ven0000fam0006mod008E:feature:,0000)",
    "modalias(pci:v00008086d00005917sv000017AAsd0000225Dbc03sc00i00)",
    "modalias(pci:v00008086d000024FDsv00008086sd00001010bc02sc80i00)",
    "virt(none)",
)


def test_a_laptop_gets_its_firmware() -> None:
    assert wants(*THINKPAD) == {"intel-microcode", "firmware-linux-free", "firmware-iwlwifi", "firmware-misc-nonfree"}
    assert wants(*THINKPAD, there=("libva2",)) - wants(*THINKPAD) == {"intel-media-va-driver", "i965-va-driver"}


def test_another_vendor_gets_others() -> None:
    amd = ("modalias(cpu:type:x86,ven0002fam0019mod0021:feature:)", "modalias(pci:v00001002d0000731Fsv1sd1bc03sc00i00)")
    assert wants(*amd) == {"amd64-microcode", "firmware-linux-free", "firmware-amd-graphics"}
    assert "mesa-va-drivers" in wants(*amd, there=("libva2",))


def test_a_guest_gets_its_agent_and_no_microcode() -> None:
    assert wants(THINKPAD[0], "virt(kvm)") == {"firmware-linux-free", "qemu-guest-agent"}


def test_headers_and_plugins_follow() -> None:
    plain = wants()
    assert wants(there=("linux-image-amd64",)) == plain
    assert wants(there=("linux-image-amd64", "dkms")) - plain == {"linux-headers-amd64"}
    assert wants(there=("nextcloud-desktop",)) == plain
    assert wants(there=("nextcloud-desktop", "dolphin")) - plain == {"dolphin-nextcloud"}
    assert wants("locale(de_DE)", there=("firefox-esr",)) - plain == {"firefox-esr-l10n-de"}


def test_what_is_left_out_is_what_is_meant() -> None:
    switches = (Switch("docs", Setting.OFF), Switch("man", Setting.OFF), Switch("locale", values=("de", "pt_BR")))
    omits = matcher(in_force(switches, definitions(), ()).omissions(lambda one: str(one) == "(all)"))
    gone = ["share/doc/vim/README", "share/man/man1/ls.1.gz", "share/man/de/man1/ls.1.gz", "share/info/sed.info.gz"]
    gone += [f"share/locale/{one}/LC_MESSAGES/vim.mo" for one in ("fr", "de_CH", "ca@valencia")]
    gone += ["share/help/fr/x/index.page"]
    kept = ["share/doc/vim/copyright", "share/locale/de/LC_MESSAGES/vim.mo", "share/locale/pt_BR/LC_MESSAGES/vim.mo"]
    kept += ["share/locale/locale.alias", "share/help/C/x/index.page", "bin/vim", "share/qt5/translations/qt_de.qm"]
    assert [omits(path) is None for path in gone] == [False] * len(gone)
    assert [omits(path) is None for path in kept] == [True] * len(kept)


def test_man_pages_in_english_stay_with_a_language() -> None:
    result = in_force((Switch("locale", values=("de",)),), definitions(), ())
    omits = matcher(result.omissions(lambda one: str(one) == "(all)"))
    paths = ["share/man/man1/ls.1.gz", "share/man/de/man1/ls.1.gz", "share/man/fr/man1/ls.1.gz", "share/man/man3/x"]
    assert [omits(path) is None for path in paths] == [True, True, False, True]


def test_minimal_is_off_until_somebody_says_so() -> None:
    assert in_force((), definitions(), ()).recommends
    assert not in_force((Switch("minimal"),), definitions(), ()).recommends
