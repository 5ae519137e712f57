#!/bin/bash
# dracut's module: /usr/lib/dracut/modules.d/90moss

check() { return 0; }

depends() { return 0; }

install() {
    inst_multiple sh mv mkdir rmdir mount touch sync
    inst_simple /usr/lib/moss/moss-fstx
    [ ! -x /usr/lib/moss/moss-exchange ] || inst_simple /usr/lib/moss/moss-exchange /usr/bin/moss-exchange
    inst_hook pre-pivot 10 "$moddir/moss-pivot.sh"
}
