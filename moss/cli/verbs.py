"""Which words name which command, and where it lives.

The table is all that a start of moss reads; the module of a command is imported when it is named.
An alias is a row's other name, not a rewriting of arguments: `moss install up` installs `up`.
"""

from collections.abc import Sequence

from moss.errors import UsageError
from solver.values import replace, value


@value
class Verb:
    words: tuple[str, ...]
    """`("state", "list")`."""
    place: str
    """`module:function` below moss.cli."""
    summary: str
    aliases: tuple[str, ...] = ()
    """Single words that name it too."""

    @property
    def spelling(self) -> str:
        return " ".join(self.words)

    @property
    def schema(self) -> str:
        """What its JSON calls itself: `moss/state-list/1`."""
        return f"moss/{'-'.join(self.words)}/1"


SECTIONS: tuple[tuple[str, tuple[Verb, ...]], ...] = (
    (
        "Change the system",
        (
            Verb(
                ("install",),
                "changes:install",
                "Install packages, by name or by what they provide",
                ("it", "add"),
            ),
            Verb(("remove",), "changes:remove", "Remove packages, and what nothing needs any more", ("rm",)),
            Verb(("update",), "changes:update", "Move to the newest packages", ("up", "upgrade")),
            Verb(("sync",), "changes:sync", "Make the system what its model, or a bundle, says"),
            Verb(("init",), "beginning:init", "Make a new root, with packages"),
            Verb(("try",), "trying:try_out", "Run a command in the generation that would come"),
            Verb(("undo",), "changes:undo", "Take back what one transaction changed"),
            Verb(("pin",), "pinning:pin", "Let packages be installed only in some versions"),
            Verb(("unpin",), "pinning:unpin", "Let packages be installed in any version again"),
            Verb(("hold",), "pinning:hold", "Leave packages exactly as they are"),
            Verb(("unhold",), "pinning:unhold", "Let held packages change again"),
            Verb(("subscribe",), "subscribing:subscribe", "Say what the system is for"),
            Verb(("unsubscribe",), "subscribing:unsubscribe", "Say what it is not for"),
            Verb(("rollback",), "activation:rollback", "Go back to the generation before this one"),
        ),
    ),
    (
        "Look",
        (
            Verb(
                ("list", "installed"), "listing:list_installed", "Packages of the active generation", ("li",)
            ),
            Verb(
                ("list", "available"), "listing:list_available", "Packages that repositories offer", ("la",)
            ),
            Verb(
                ("list", "updates"), "listing:list_updates", "Installed packages that could be newer", ("lu",)
            ),
            Verb(("list", "pins"), "pinning:list_pins", "What is pinned and held"),
            Verb(("search",), "listing:search", "Find packages by words in name or summary", ("sr",)),
            Verb(("info",), "listing:info", "Show what is known about a package"),
            Verb(("provides",), "listing:provides", "Find who provides a capability", ("wp",)),
            Verb(("why",), "insight:why", "Say why a package is installed"),
            Verb(("why-not",), "insight:why_not", "Say what stands against a package"),
            Verb(("rdepends",), "insight:rdepends", "Find who needs a package"),
            Verb(("check",), "insight:check", "Find packages on offer that cannot be installed"),
            Verb(("subscriptions",), "subscribing:subscriptions", "Show which subscriptions are on, and why"),
            Verb(("facts",), "facts:facts", "Show what is known of the machine"),
        ),
    ),
    (
        "Generations",
        (
            Verb(("state", "list"), "states:state_list", "List the generations"),
            Verb(("state", "show"), "states:state_show", "Show one generation and its packages"),
            Verb(("state", "export"), "states:state_export", "Print the system model of a generation"),
            Verb(("state", "diff"), "states:state_diff", "Compare two generations"),
            Verb(("state", "activate"), "activation:state_activate", "Make a generation the active one"),
            Verb(("state", "keep"), "retention:state_keep", "Keep a generation, whatever is pruned"),
            Verb(("state", "unkeep"), "retention:state_unkeep", "Let a kept generation be pruned again"),
            Verb(("state", "remove"), "retention:state_remove", "Remove generations"),
            Verb(("state", "prune"), "retention:state_prune", "Remove all but the newest generations"),
            Verb(("cache", "clean"), "retention:cache_clean", "Remove what can be made or fetched again"),
            Verb(("history",), "states:history", "Show the transactions, newest first"),
        ),
    ),
    (
        "Health",
        (
            Verb(("doctor",), "diagnosis:doctor", "Find what is wrong with the system"),
            Verb(("verify",), "verifying:verify_system", "Find damaged files, and mend them"),
            Verb(("state", "verify"), "verifying:state_verify", "Find damaged files in one generation"),
        ),
    ),
    (
        "Repositories",
        (
            Verb(("repo", "add"), "repositories:repo_add", "Use a repository, and read what it offers"),
            Verb(("repo", "remove"), "repositories:repo_remove", "Use a repository no more"),
            Verb(("repo", "list"), "repositories:repo_list", "List the repositories"),
            Verb(("repo", "enable"), "repositories:repo_enable", "Use a repository again"),
            Verb(("repo", "disable"), "repositories:repo_disable", "Leave a repository out of everything"),
            Verb(("repo", "priority"), "repositories:repo_priority", "Say which repository wins over others"),
            Verb(("repo", "trust"), "repositories:repo_trust", "Show or say who vouches for a repository"),
            Verb(("repo", "update"), "repositories:repo_update", "Read again what repositories offer"),
        ),
    ),
    (
        "To a machine without a network, and back",
        (
            Verb(("export",), "bundles:export", "Write a generation into a bundle"),
            Verb(("receipt",), "bundles:receipt", "Write down what this system has, for export --for"),
            Verb(("bundle", "inspect"), "bundles:bundle_inspect", "Show what a bundle holds"),
            Verb(("bundle", "verify"), "bundles:bundle_verify", "Check every byte of a bundle"),
            Verb(("key", "make"), "keys:key_make", "Make a key that signs bundles"),
            Verb(("key", "list"), "keys:key_list", "List the keys that sign here, and those that are trusted"),
            Verb(("key", "show"), "keys:key_show", "Print the public half of a key"),
            Verb(("key", "pin"), "keys:key_pin", "Trust somebody's key"),
            Verb(("key", "remove"), "keys:key_remove", "Remove a key"),
        ),
    ),
    (
        "Booting",
        (
            Verb(("boot", "status"), "booting:boot_status", "Show the boot menu's entries"),
            Verb(("boot", "sync"), "booting:boot_sync", "Bring the boot menu up to date"),
            Verb(("boot", "forget"), "booting:boot_forget", "Keep no boot entries any more"),
            Verb(("boot", "hooks"), "booting:boot_hooks", "Write what an initrd needs to switch generations"),
        ),
    ),
    (
        "For makers of packages",
        (
            Verb(("inspect",), "inspection:inspect", "Show what a stone holds, or check every byte of it"),
            Verb(("extract",), "inspection:extract", "Unpack a stone into a directory"),
            Verb(("pack",), "making:pack", "Make a stone of a directory tree"),
            Verb(("index",), "making:index", "Write a directory's stone.index"),
            Verb(("trust", "init"), "signing:trust_init", "Begin to sign a repository, with keys for each role"),
            Verb(("trust", "show"), "signing:trust_show", "Show who signs a repository, and until when"),
            Verb(("trust", "rotate"), "signing:trust_rotate", "Give a repository other keys or thresholds"),
            Verb(("trust", "sign"), "signing:trust_sign", "Add signatures to a root that waits for them"),
            Verb(("trust", "renew"), "signing:trust_renew", "Sign again what is about to expire"),
            Verb(("convert",), "making:convert", "Make stones of Debian packages"),
        ),
    ),
    (
        "About moss",
        (
            Verb(("image", "tar"), "images:image_tar", "Write a generation's root into a tar archive"),
            Verb(("image", "oci"), "images:image_oci", "Write a generation's root into an OCI image"),
            Verb(("image", "disk"), "images:image_disk", "Write a generation into a disk that boots"),
            Verb(("tour",), "tour:tour", "See moss at work, in a scratch directory"),
            Verb(("completions",), "completions:completions", "Print the completions for a shell"),
        ),
    ),
)

VERBS: tuple[Verb, ...] = tuple(verb for _, verbs in SECTIONS for verb in verbs)

_BY_WORDS = {verb.words: verb for verb in VERBS} | {
    (alias,): verb for verb in VERBS for alias in verb.aliases
}
_GROUPS = {verb.words[0] for verb in VERBS if len(verb.words) > 1}

# Global options that take a value, so that the value is not taken for the verb. What they mean is
# declared once, in command.py; a test compares the two.
VALUED_OPTIONS = frozenset(
    {"--directory", "--wait", "--color", "--progress-fd", "--facts", "--ignore-trigger", "--isolation"}
)
VALUED_LETTERS = "D"


@value
class Named:
    """What a command line names: a verb and the arguments that its parser gets."""

    verb: Verb
    arguments: list[str]


@value
class Incomplete:
    """A command line that ends before a verb, or asks for help about `group` (or all of moss)."""

    group: str | None
    asks_for: str
    """`help`, `version`, or nothing."""


def find(arguments: Sequence[str]) -> Named | Incomplete:
    """The verb that these arguments name. Global options may stand before and between its words.

    UsageError, with near words, where they name none.
    """
    before, rest = _split_at_word(arguments)
    asked = _asked(before)
    if asked or not rest:
        return Incomplete(None, asked)
    word, *rest = rest
    if word == "help":
        return _help_about(rest)
    if word not in _GROUPS:
        return Named(_verb((word,)), [*before, *rest])
    between, rest = _split_at_word(rest)
    asked = _asked(between)
    if asked or not rest:
        return Incomplete(word, asked)
    return Named(_verb((word, rest[0])), [*before, *between, *rest[1:]])


def _verb(words: tuple[str, ...]) -> Verb:
    verb = _BY_WORDS.get(words)
    if verb is None:
        raise _unknown(words)
    return verb


def _help_about(words: list[str]) -> Named | Incomplete:
    found = find(words)
    return replace(found, asks_for="help") if isinstance(found, Incomplete) else Named(found.verb, ["--help"])


def _asked(options: Sequence[str]) -> str:
    if "--version" in options or "-V" in options:
        return "version"
    return "help" if "--help" in options or "-h" in options else ""


def _split_at_word(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Options and their values, and everything from the first word on."""
    position = 0
    while position < len(arguments) and arguments[position].startswith("-") and arguments[position] != "-":
        if arguments[position] == "--":
            return list(arguments[:position]), list(arguments[position + 1 :])
        position += 2 if _value_follows(arguments[position]) else 1
    return list(arguments[:position]), list(arguments[position:])


def _value_follows(option: str) -> bool:
    if option.startswith("--"):
        return option in VALUED_OPTIONS
    # `-nD` is -n and -D; in `-Dn` the n is the value.
    for position, letter in enumerate(option[1:], 2):
        if letter in VALUED_LETTERS:
            return position == len(option)
    return False


def _unknown(words: tuple[str, ...]) -> UsageError:
    from moss.cli.nearness import near  # only for someone who mistyped

    *group, word = words
    known = [verb.words[len(group)] for verb in VERBS if list(verb.words[: len(group)]) == group]
    if not group:
        known += [alias for verb in VERBS for alias in verb.aliases]
    remedies = [" ".join(["moss", *group, found]) for found in near(word, known)]
    return UsageError(
        f"'{' '.join(words)}' is not a command of moss",
        remedies=remedies or [" ".join(["moss", *group, "--help"])],
    )
