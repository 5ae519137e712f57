#!/bin/sh
sh /usr/lib/moss/moss-fstx "$NEWROOT" >/dev/kmsg 2>&1 || warn "the generation on the command line could not be booted"
