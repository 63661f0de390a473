#!/bin/sh
# Fetches the agent that pemfleet's bucket names, compares its digest, installs the agent and starts it. Can run again: it then upgrades, and
# puts the former agent back where the new one does not start.
# usage: install-agent.sh BUCKET-URL REGION [RELEASE]     RELEASE: current (the default), previous, or a version
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=${DESTDIR:-}
lib=$root/usr/lib/pemfleet
program=$root/usr/bin/pemfleet-agent

# A package has put it there: at the first boot all that is missing is its start.
if dpkg-query -S "$program" >/dev/null 2>&1 || rpm -qf "$program" >/dev/null 2>&1; then
    if [ $# -gt 2 ]; then
        echo "install-agent.sh: $program came with a package: upgrade that" >&2
        exit 1
    fi
    systemctl enable --now pemfleet-agent.service
    systemctl disable pemfleet-install.service
    exit 0
fi
mkdir -p "$lib"
release=$(mktemp -d "$lib/release.XXXXXX")
trap 'rm -rf "$release"' EXIT
python3 "$here/fetch-agent.py" "$1" "$2" "${3:-current}" "$release/agent.tar.gz"
# Python unpacks: not every image has tar.
python3 -m tarfile -e "$release/agent.tar.gz" "$release"
cd "$release"/pemfleet-agent-*
if [ -e "$program" ]; then
    ./install.sh && exit 0
    echo "install-agent.sh: the new agent does not start: the former one comes back" >&2
    ./install.sh --back
    exit 1
fi
[ -n "$root" ] || getent group haproxy >/dev/null || groupadd --system haproxy # the unit needs it, even if HAProxy is not installed yet
./install.sh
if [ -z "$root" ]; then
    # Sets the owner of an existing directory, too.
    install -d -o pemfleet -g haproxy -m 0750 /etc/haproxy/certs
    # From the next boot on, this unit makes HAProxy wait for its first certificates.
    systemctl enable pemfleet-agent-first.service
    systemctl enable --now pemfleet-agent.service
    systemctl disable pemfleet-install.service
fi
