#!/bin/sh
# Removes pemfleet-agent. HAProxy keeps serving the files in its directory.
#   ./uninstall.sh            keeps /etc/pemfleet and the agent's state
#   ./uninstall.sh --purge    removes these too; never HAProxy's certificates, never a bucket, and not the user pemfleet,
#                             because a new user could get its number, and with it all files that still belong to it
set -eu
root=${DESTDIR:-}
[ -n "$root" ] || [ "$(id -u)" = 0 ] || { echo "uninstall.sh: must be run as root" >&2; exit 1; }
case "${1:-}" in '' | --purge) ;; *) echo "uninstall.sh: unknown option $1" >&2; exit 64 ;; esac

units="pemfleet-agent.service pemfleet-agent-first.service"
if [ -z "$root" ] && command -v systemctl >/dev/null; then
    # shellcheck disable=SC2086 # two words
    systemctl disable --now $units 2>/dev/null || true
    # The host stops reporting, and must not raise HostsSilent for it.
    [ ! -e /etc/pemfleet/agent.yaml ] || runuser -u pemfleet -- /usr/bin/pemfleet-agent leave ||
        echo "uninstall.sh: could not write the last report; this host counts as silent until its status expires" >&2
fi
# The last one is cloud-init's (cdk/host), where the agent came by the construct's user data.
shared=pemfleet-alarm@.service
# The issuer of this machine raises its alarms by it, too.
[ ! -e "$root/usr/bin/pemfleet" ] || shared=
for unit in $units $shared pemfleet-install.service; do rm -f "$root/usr/lib/systemd/system/$unit" "$root/etc/systemd/system/$unit"; done
rm -f "$root/usr/lib/sysusers.d/pemfleet-agent.conf" "$root/usr/lib/tmpfiles.d/pemfleet-agent.conf"
rm -f "$root/usr/bin/pemfleet-agent"
lib=$root/usr/lib/pemfleet
if [ -n "$shared" ]; then
    rm -rf "$lib"
else
    for own in back.sh fetch-agent.py install-agent.sh install-release.sh uninstall.sh previous .lock; do rm -rf "${lib:?}/$own"; done
fi
if [ -z "$root" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
if [ "${1:-}" = --purge ]; then
    rm -rf "$root/var/lib/pemfleet-agent"
    rm -f "$root/etc/pemfleet/agent.yaml"
    [ -z "$shared" ] || rm -rf "$root/etc/pemfleet/alarm.conf" "$root/var/lib/pemfleet-alarm"
    rmdir "$root/etc/pemfleet" 2>/dev/null || true
fi
