#!/bin/sh
# Installs or upgrades pemfleet-agent from the folder that this script is in. Run it as root. It starts nothing on
# a host that has no configuration yet, and changes no file that is there but the program and its units.
#   DESTDIR=/some/tree ./install.sh     into a tree that is not booted: no user is made, nothing is started
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=${DESTDIR:-}
user=pemfleet

say() { echo "install.sh: $*" >&2; }
die() { say "$*"; exit 1; }

[ -n "$root" ] || [ "$(id -u)" = 0 ] || die "must be run as root"
for tool in flock install; do
    command -v $tool >/dev/null || die "$tool is missing: install util-linux and coreutils"
done
# Before anything is changed: does the program run here (architecture, libc)?
"$here/pemfleet-agent" version >/dev/null || die "this pemfleet-agent does not run on $(uname -m)"

if [ -z "$root" ] && ! id $user >/dev/null 2>&1; then
    useradd --system --user-group --home-dir /var/lib/pemfleet --no-create-home --shell /usr/sbin/nologin $user
    say "made user $user"
fi

install -d -m 0755 "$root/usr/bin" "$root/etc/systemd/system" "$root/etc/pemfleet" "$root/usr/lib/pemfleet"
# Beside it, then renamed: a running program cannot be written to, and a cut-off copy must not be found.
install -m 0755 "$here/pemfleet-agent" "$root/usr/bin/.pemfleet-agent.new"
mv -f "$root/usr/bin/.pemfleet-agent.new" "$root/usr/bin/pemfleet-agent"
for unit in pemfleet-agent.service pemfleet-agent-first.service; do
    install -m 0644 "$here/$unit" "$root/etc/systemd/system/$unit"
done
# Here it is found again when the tarball is long gone.
install -m 0755 "$here/uninstall.sh" "$root/usr/lib/pemfleet/uninstall.sh"
if [ ! -e "$root/etc/pemfleet/agent.yaml" ]; then
    install -m 0644 "$here/agent.yaml" "$root/etc/pemfleet/agent.yaml"
    say "edit $root/etc/pemfleet/agent.yaml, then: systemctl enable --now pemfleet-agent; pemfleet-agent doctor"
    is_new=yes
fi
if [ ! -e "$root/etc/haproxy/certs" ]; then
    install -d -m 0750 "$root/etc/haproxy/certs"
    if [ -z "$root" ]; then
        chown $user "$root/etc/haproxy/certs"
        ! getent group haproxy >/dev/null || chgrp haproxy "$root/etc/haproxy/certs"
    fi
fi

if [ -z "$root" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    # An upgrade: HAProxy notices nothing.
    [ -n "${is_new:-}" ] || systemctl try-restart pemfleet-agent.service
fi
say "installed $("$here/pemfleet-agent" version)"
