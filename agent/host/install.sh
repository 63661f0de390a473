#!/bin/sh
# Installs or upgrades pemfleet-agent from the folder of this script. Run it as root. On a host without a
# configuration it starts nothing. Of existing files it changes only the program and its units.
#   ./install.sh --back                 puts the agent back that the last upgrade took the place of
#   DESTDIR=/some/tree ./install.sh     installs into a tree that is not booted: creates no user, starts nothing
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=${DESTDIR:-}

say() { echo "install.sh: $*" >&2; }
die() { say "$*"; exit 1; }

[ -n "$root" ] || [ "$(id -u)" = 0 ] || die "must be run as root"
for tool in flock install; do
    command -v $tool >/dev/null || die "$tool is missing: install util-linux and coreutils"
done
for tool in systemd-sysusers systemd-tmpfiles; do
    [ -n "$root" ] || command -v $tool >/dev/null || die "$tool is missing: the units want a host with systemd"
done
if [ "${1:-}" = --back ]; then exec sh "$root/usr/lib/pemfleet/back.sh"; fi
# Before it changes anything: does the program run here (architecture, libc)?
"$here/pemfleet-agent" version >/dev/null || die "this pemfleet-agent does not run on $(uname -m)"

units=$root/usr/lib/systemd/system
install -d -m 0755 "$root/usr/bin" "$units" "$root/etc/pemfleet" "$root/usr/lib/pemfleet"
install -d -m 0755 "$root/usr/lib/sysusers.d" "$root/usr/lib/tmpfiles.d"
# The user, and the directories: HAProxy's only where there is none.
install -m 0644 "$here/sysusers.conf" "$root/usr/lib/sysusers.d/pemfleet-agent.conf"
install -m 0644 "$here/tmpfiles.conf" "$root/usr/lib/tmpfiles.d/pemfleet-agent.conf"
if [ -z "$root" ]; then
    systemd-sysusers pemfleet-agent.conf
    # It fails at what it may not touch, such as a directory of another user: no reason for half an upgrade, and doctor says it better.
    systemd-tmpfiles --create pemfleet-agent.conf || say "systemd-tmpfiles has not made all directories: pemfleet-agent doctor names what is missing"
    sh "$here/certs-directory.sh" || say "/etc/haproxy/certs could not be made: make it for the user pemfleet"
fi
for script in back.sh install-release.sh; do install -m 0755 "$here/$script" "$root/usr/lib/pemfleet/$script"; done
# A copy beside it, then a rename: nothing can write to a running program, and a partial copy must not take its name.
program=$root/usr/bin/pemfleet-agent
install -m 0755 "$here/pemfleet-agent" "$root/usr/bin/.pemfleet-agent.new"
# What an upgrade takes the place of stays on the host, from the moment of the upgrade: back.sh puts it back.
if [ -x "$program" ] && [ "$(sha256sum <"$program")" != "$(sha256sum <"$here/pemfleet-agent")" ]; then
    previous=$root/usr/lib/pemfleet/previous
    install -d -m 0755 "$previous"
    install -m 0755 "$program" "$previous/.pemfleet-agent.new"
    mv -f "$previous/.pemfleet-agent.new" "$previous/pemfleet-agent"
fi
mv -f "$root/usr/bin/.pemfleet-agent.new" "$program"
for unit in pemfleet-agent.service pemfleet-agent-first.service pemfleet-alarm@.service; do
    install -m 0644 "$here/$unit" "$units/$unit"
    # Former installers put them there, where they hide these. (What an operator changes stands in a drop-in beside.)
    # A link stays: who masks a unit means it.
    [ -L "$root/etc/systemd/system/$unit" ] || rm -f "$root/etc/systemd/system/$unit"
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

if [ -z "$root" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    # An upgrade restarts the agent; HAProxy notices nothing.
    [ -n "${is_new:-}" ] || systemctl try-restart pemfleet-agent.service
fi
say "installed $("$here/pemfleet-agent" version)"
