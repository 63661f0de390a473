#!/bin/sh
# Installs or upgrades pemfleet-agent from the folder of this script. Run it as root. On a host without a
# configuration it starts nothing. Of existing files it changes only the program and its units.
#   DESTDIR=/some/tree ./install.sh     installs into a tree that is not booted: creates no user, starts nothing
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
# Before it changes anything: does the program run here (architecture, libc)?
"$here/pemfleet-agent" version >/dev/null || die "this pemfleet-agent does not run on $(uname -m)"

if [ -z "$root" ] && ! id $user >/dev/null 2>&1; then
    useradd --system --user-group --home-dir /var/lib/pemfleet --no-create-home --shell /usr/sbin/nologin $user
    say "created user $user"
fi

install -d -m 0755 "$root/usr/bin" "$root/etc/systemd/system" "$root/etc/pemfleet" "$root/usr/lib/pemfleet"
# A copy beside it, then a rename: nothing can write to a running program, and a partial copy must not take its name.
install -m 0755 "$here/pemfleet-agent" "$root/usr/bin/.pemfleet-agent.new"
mv -f "$root/usr/bin/.pemfleet-agent.new" "$root/usr/bin/pemfleet-agent"
for unit in pemfleet-agent.service pemfleet-agent-first.service pemfleet-alarm@.service; do
    install -m 0644 "$here/$unit" "$root/etc/systemd/system/$unit"
done
# Started by the units when one of them fails (docs/monitoring.md).
install -m 0755 "$here/alarm.sh" "$root/usr/lib/pemfleet/alarm.sh"
# The uninstaller stays on the host, because the tarball does not.
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
    # An upgrade restarts the agent; HAProxy notices nothing.
    [ -n "${is_new:-}" ] || systemctl try-restart pemfleet-agent.service
fi
say "installed $("$here/pemfleet-agent" version)"
