#!/bin/sh
# Makes a host ready for the agent: fetches the release for this machine, compares its digest, installs and starts it.
# May run again: with the address and digest of another release it is the upgrade.
# usage: install-agent.sh REGION MACHINE URL SHA256 [MACHINE URL SHA256]     MACHINE as `uname -m` says it
set -eu
here=/usr/lib/pemfleet
region=$1
shift
machine=$(uname -m)
while [ $# -gt 0 ] && [ "$1" != "$machine" ]; do shift 3; done
[ $# -gt 0 ] || { echo "install-agent.sh: there is no agent for $machine" >&2; exit 1; }

release=$(mktemp -d "$here/release.XXXXXX")
trap 'rm -rf "$release"' EXIT
python3 "$here/fetch-agent.py" "$2" "$region" "$3" "$release/agent.tar.gz"
# Python unpacks: not every image has tar.
python3 -m tarfile -e "$release/agent.tar.gz" "$release"
# The unit has this group, also where HAProxy is yet to come.
getent group haproxy >/dev/null || groupadd --system haproxy
"$release"/pemfleet-agent-*/install.sh
# Also a directory that the image brought.
install -d -o pemfleet -g haproxy -m 0750 /etc/haproxy/certs
# The first one waits for certificates before HAProxy starts: at the next boot.
systemctl enable pemfleet-agent-first.service
systemctl enable --now pemfleet-agent.service
