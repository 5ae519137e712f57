"""State bundles: a generation carried to where no network is. docs/bundle-format.md spells each byte.

    manifest.py   what a bundle says of itself, first in the file and signed
    packages.py   packages as they lie in it: statement, layout
    write.py      contents and patches into a file or a pipe
    read.py       a file or a pipe, judged before anything of it is believed
    receipt.py    what a system has, so that a bundle for it can leave that out
    gather.py     what of a system's store and record goes into a bundle
    arrival.py    from a bundle into the store and the record of a system
"""
