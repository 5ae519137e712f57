"""Signed repositories: The Update Framework, https://theupdateframework.io. docs/trust.md says how moss uses it.

    roles.py     the four roles, which keys each has, and for how long what it signs is good
    folder.py    a repository's metadata as they lie beside its index: DIR/tuf
    signing.py   for makers: new metadata for a new index, new roots for new keys
    trusted.py   what a system keeps of a repository that it trusts; no TUF library is needed to look at it
    client.py    for users: one refresh, by the library's client workflow and moss's own transport

Only this package knows the library (`tuf`, `securesystemslib`), and it is imported where metadata are
refreshed, made or shown.
"""
