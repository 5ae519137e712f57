"""Booting into any generation: a boot loader entry for each one that is kept.

    content     what a generation boots with: kernels, initrds, command line fragments (from the record)
    entry       a Boot Loader Specification entry as a value
    place       where $BOOT is, and what is on it
    plan        what must be written and deleted there, and whether it fits
    carry_out   doing that, in an order that a crash cannot hurt
    keeping     the story: entries follow the generations
    initrd/     what runs in the initrd and makes the chosen generation /usr

Kernels and initrds are named by their content, so that generations share them and a newer one never
overwrites what an older one boots with. Entries that moss did not make are never touched.
"""
