#!/bin/sh
# Puts the agent back that the last upgrade took the place of, and restarts it. HAProxy notices nothing.
set -eu
root=${DESTDIR:-}
former=$root/usr/lib/pemfleet/previous/pemfleet-agent
[ -x "$former" ] || { echo "back.sh: there is no $former: no upgrade came before" >&2; exit 1; }
install -m 0755 "$former" "$root/usr/bin/.pemfleet-agent.new"
mv -f "$root/usr/bin/.pemfleet-agent.new" "$root/usr/bin/pemfleet-agent"
[ -n "$root" ] || systemctl try-restart pemfleet-agent.service
echo "back.sh: the agent is $("$root/usr/bin/pemfleet-agent" version) again"
