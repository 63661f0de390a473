#!/bin/sh
# Fetches the agent's release for this architecture, compares its digest, installs the agent and starts it.
# Can run again: with the address and digest of a new release it upgrades the agent.
# usage: install-agent.sh REGION MACHINE URL SHA256 [MACHINE URL SHA256]     MACHINE as `uname -m` prints it
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
# The unit needs this group, even if HAProxy is not installed yet.
getent group haproxy >/dev/null || groupadd --system haproxy
"$release"/pemfleet-agent-*/install.sh
# Sets the owner of an existing directory, too.
install -d -o pemfleet -g haproxy -m 0750 /etc/haproxy/certs
# From the next boot on, this unit makes HAProxy wait for its first certificates.
systemctl enable pemfleet-agent-first.service
systemctl enable --now pemfleet-agent.service
