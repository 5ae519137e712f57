#!/bin/sh
# Goes to another generation where moss itself does not run: its Python is gone, or this is a rescue disk.
#
#   sh ROOT/.moss/rescue        which generations there are
#   sh ROOT/.moss/rescue N      make generation N the live one
#
# ROOT is where this file lies: `sh /.moss/rescue 41` on the running system, `sh /mnt/.moss/rescue 41` from
# outside. It needs a shell (dash, bash, busybox) and something that renames: mv here, or mv or Python in
# generation N. /usr changes and nothing else; /etc, /var and moss's record follow with moss's next command.
#
# Where nothing can exchange two names in one step, there is no /usr for a moment. If the power fails just
# then, run this again, from outside.
set -u

say() { printf '%s\n' "$*"; }
fail() { printf 'rescue: %s\n' "$*" >&2; exit 1; }

case $0 in
    */*) moss=$(cd "${0%/*}" && pwd -P) ;;
    *) moss=$(pwd -P) ;;
esac || exit 1
root=${moss%/.moss}
[ "$moss" = "$root/.moss" ] && [ -d "$moss/root" ] || fail "$moss is not moss's directory: run the file where moss keeps it, ROOT/.moss/rescue"

# Which generation a tree says it is; nothing where it does not say.
number_of() {
    number=
    [ -f "$1/.stateID" ] && read -r number < "$1/.stateID"
    case $number in
        '' | *[!0-9]*) number= ;;
    esac
}

list() {
    number_of "$root/usr"
    say "live: ${number:-nothing}"
    for usr in "$moss"/root/[0-9]*/usr; do
        number_of "$usr"
        [ -z "$number" ] || say "can be gone to: $number"
    done
}

# The tree of generation $1, by what it says and not by its directory's name, which a crash can leave wrong.
find_tree() {
    for tree in "$moss"/root/[0-9]*/usr "$moss"/root/*/usr; do
        number_of "$tree"
        [ "$number" != "$1" ] || return 0
    done
    return 1
}

# Run a program of the tree $tree with that tree's own loader and libraries: those of /usr may be gone.
run_there() {
    program=$tree/bin/$1
    shift
    [ -x "$program" ] || return 127
    for loader in "$tree"/lib64/ld-linux*.so.* "$tree"/lib/ld-linux*.so.* "$tree"/lib/*/ld-linux*.so.* \
        "$tree"/lib/ld-musl-*.so.1; do
        [ -x "$loader" ] || continue
        libraries=$tree/lib:$tree/lib64
        for directory in "$tree"/lib/*-linux-*; do
            libraries=$directory:$libraries
        done
        PYTHONHOME=$tree "$loader" --library-path "$libraries" "$program" "$@"
        return
    done
    "$program" "$@" # it may need no loader
}

exchange_in_one_step() {
    mv --exchange -T "$1" "$2" 2>/dev/null && return
    exch "$1" "$2" 2>/dev/null && return
    run_there python3 -BIS -c 'import ctypes, os, sys
one, other = map(os.fsencode, sys.argv[1:])
sys.exit(ctypes.CDLL(None).renameat2(-100, one, -100, other, 2) != 0)' "$1" "$2" 2>/dev/null
}

# One rename by whatever can do it while there is no /usr: first the generation's own mv.
rename() {
    [ -d "$1" ] && [ ! -e "$2" ] || return 1
    run_there mv -T "$1" "$2" 2>/dev/null || mv "$1" "$2" 2>/dev/null || busybox mv "$1" "$2" 2>/dev/null
    [ -d "$2" ] && [ ! -e "$1" ]
}

go_to() {
    number_of "$root/usr"
    live=$number
    [ "$live" != "$1" ] || { say "generation $1 is live already"; return; }
    find_tree "$1" || fail "there is no tree of generation $1 in $moss/root"
    if [ -d "$root/usr" ] && exchange_in_one_step "$tree" "$root/usr"; then
        :
    else
        if [ -d "$root/usr" ]; then
            aside=$moss/root/rescue-$$
            mkdir "$aside" || fail "$aside cannot be made: is the file system mounted read-only?"
            rename "$root/usr" "$aside/usr" || fail "$root/usr cannot be moved: is something mounted on it?"
        fi
        if ! rename "$tree" "$root/usr"; then
            [ -z "${aside-}" ] || rename "$aside/usr" "$root/usr"
            fail "$tree cannot be moved to $root/usr: run this again from outside, as from a rescue disk"
        fi
    fi
    sync 2>/dev/null || run_there sync
    number_of "$root/usr"
    [ "$number" = "$1" ] || fail "$root/usr does not say that it is generation $1: look at it"
    say "generation $1 is live; let moss's record follow: run any command of moss that changes the system"
}

case $# in
    0) list ;;
    1)
        case $1 in
            '' | *[!0-9]*) fail "'$1' is no generation's number: sh $0 lists them" ;;
        esac
        go_to "$1"
        ;;
    *) fail "usage: sh $0 [GENERATION]" ;;
esac
