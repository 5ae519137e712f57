"""completions: a script that lets a shell complete moss's command lines, made from the same table."""

from enum import StrEnum
from typing import Annotated

from moss.cli.command import function_of
from moss.cli.overview import GLOBAL_OPTIONS
from moss.cli.parameters import Argument
from moss.cli.parser import parser_of
from moss.cli.session import Answer, Session
from moss.cli.verbs import VALUED_LETTERS, VALUED_OPTIONS, VERBS, Verb


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completions(
    session: Session,
    shell: Annotated[Shell, Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> Answer:
    """For bash: moss completions bash > ~/.local/share/bash-completion/completions/moss

    For zsh, in a directory of $fpath: moss completions zsh > _moss

    For fish: moss completions fish > ~/.config/fish/completions/moss.fish"""
    del session
    match shell:
        case Shell.BASH:
            script = _bash()
        case Shell.ZSH:
            script = "#compdef moss\nautoload -U +X bashcompinit && bashcompinit\n" + _bash()
        case Shell.FISH:
            script = _fish()
    return Answer(lambda _: script, lambda: {"shell": shell.value, "script": script})


def _bash() -> str:
    valued = "|".join([*sorted(VALUED_OPTIONS), *(f"-{letter}" for letter in VALUED_LETTERS)])
    cases = [f'        "") words="{_first_words()}" ;;']
    for group in _groups():
        cases.append(f'        "{group}") words="{" ".join(_words_after(group))}" ;;')
    for verb in VERBS:
        names = "|".join(f'"{name}"|"{name} "*' for name in (verb.spelling, *verb.aliases))
        asks = " asks=subscriptions" if verb.spelling in _OF_SUBSCRIPTIONS else ""
        cases.append(f'        {names}) options="{_options(verb)}"{asks} ;;')
    return _BASH.format(valued=valued, globals=_global_options(), names=_NAMES, cases="\n".join(cases))


_OF_SUBSCRIPTIONS = ("subscribe", "unsubscribe", "subscriptions")
_NAMES = r"sed -n 's/^\([A-Za-z0-9][A-Za-z0-9+._-]*\)\( .*\)\{0,1\}: o[nf].*/\1/p'"
"""Of what `moss subscriptions` prints, the names: nothing else of a line is for a shell to read."""

_BASH = """\
_moss() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} verb="" word words="" options="" skip="" asks=""
    local -a root=()
    local -i position
    for ((position = 1; position < COMP_CWORD; position++)); do
        word=${{COMP_WORDS[position]}}
        if [[ -n $skip ]]; then
            if [[ $skip == root ]]; then
                root=(-D "$word")
            fi
            skip=""
            continue
        fi
        case $word in
            -D|--directory) skip=root ;;
            {valued}) skip=yes ;;
            -*) ;;
            *) verb="${{verb:+$verb }}$word" ;;
        esac
    done
    if [[ -n $skip ]]; then
        return
    fi
    case $verb in
{cases}
    esac
    if [[ $cur == -* ]]; then
        words="$options {globals}"
    elif [[ -n $asks ]]; then
        words=$("${{COMP_WORDS[0]}}" "${{root[@]}}" "$asks" 2>/dev/null | {names})
    fi
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -o default -F _moss moss
"""


def _fish() -> str:
    lines = ["complete -c moss -f", "function __moss_verb", *_FISH_VERB, "end"]
    for option, text in GLOBAL_OPTIONS:
        lines.append(f"complete -c moss {_fish_option(option)} -d '{_quoted(text)}'")
    for name in _OF_SUBSCRIPTIONS:
        asking = _quoted(f"(moss subscriptions 2>/dev/null | {_NAMES})")
        lines.append(f"complete -c moss -n 'test (__moss_verb) = \"{name}\"' -a '{asking}'")
    for verb in VERBS:
        for name in (verb.spelling, *verb.aliases):
            first, _, second = name.rpartition(" ")
            where = f"-n 'test (__moss_verb) = \"{first}\"'"
            lines.append(f"complete -c moss {where} -a {second} -d '{_quoted(verb.summary)}'")
    for group in _groups():
        lines.append(f"complete -c moss -n 'test (__moss_verb) = \"\"' -a {group}")
    return "\n".join(lines) + "\n"


_FISH_VERB = (
    "    set -l words (commandline -opc)[2..]",
    "    set -l verb",
    "    set -l skip no",
    "    for word in $words",
    "        if test $skip = yes",
    "            set skip no",
    f"        else if contains -- $word {' '.join(sorted(VALUED_OPTIONS))} "
    + " ".join(f"-{letter}" for letter in VALUED_LETTERS),
    "            set skip yes",
    "        else if not string match -q -- '-*' $word",
    "            set -a verb $word",
    "        end",
    "    end",
    "    echo \"$verb\"",
)  # fmt: skip


def _fish_option(option: str) -> str:
    spelled = [part.strip().split()[0] for part in option.split(",")]
    takes_value = len(option.split(",")[-1].split()) > 1
    words = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in spelled]
    return " ".join([*words, "-r"] if takes_value else words)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _groups() -> list[str]:
    return list(dict.fromkeys(verb.words[0] for verb in VERBS if len(verb.words) > 1))


def _words_after(group: str) -> list[str]:
    return [verb.words[1] for verb in VERBS if verb.words[0] == group]


def _first_words() -> str:
    names = [verb.words[0] for verb in VERBS if len(verb.words) == 1]
    return " ".join([*names, *_groups(), *(alias for verb in VERBS for alias in verb.aliases)])


def _options(verb: Verb) -> str:
    parser = parser_of(verb, function_of(verb), lambda **_: None)
    options = [
        option
        for parameter in parser.params
        if not getattr(parameter, "hidden", False)
        for option in parameter.opts
    ]
    return " ".join(option for option in options if option.startswith("-"))


def _global_options() -> str:
    return " ".join(part.strip().split()[0] for option, _ in GLOBAL_OPTIONS for part in option.split(","))
