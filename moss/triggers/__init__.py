"""Triggers: what must be done when files of a kind come, go or change, and what came of doing it.

    values       a trigger, as its file says it
    reading      from a file (YAML or KDL) to a trigger
    pattern      which paths a pattern is about, and what its captures hold
    work         from triggers and the paths of a generation to the commands that must run
    order        which command waits for which
"""
