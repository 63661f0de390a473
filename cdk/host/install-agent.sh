#!/bin/sh
# Fetches the agent that pemfleet's bucket names, compares its digest, installs the agent and starts it. With a release it upgrades an agent that is
# there, and puts the former one back where the new one does not start; without, it makes a first installation, or what is missing of one.
# usage: install-agent.sh BUCKET-URL REGION [RELEASE]     RELEASE: current (the default of a first installation), previous, or a version
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=${DESTDIR:-}
lib=$root/usr/lib/pemfleet
program=$root/usr/bin/pemfleet-agent

# One at a time: what takes an agent back waits for what brings one.
mkdir -p "$lib"
exec 9>"$lib/.lock"
flock 9

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
# A first installation that was cut off at its very end: nothing is upgraded without a canary.
if [ $# -le 2 ] && [ -z "$root" ] && [ -x "$program" ] && systemctl --quiet is-enabled pemfleet-agent.service && systemctl start pemfleet-agent.service; then
    systemctl disable pemfleet-install.service
    exit 0
fi
release=$(mktemp -d "$lib/release.XXXXXX")
trap 'rm -rf "$release"' EXIT
python3 "$here/fetch-agent.py" "$1" "$2" "${3:-current}" "$release/agent.tar.gz"
# Python unpacks: not every image has tar.
python3 -m tarfile -e "$release/agent.tar.gz" "$release"
cd "$release"/pemfleet-agent-*
if [ $# -gt 2 ] && [ -e "$program" ]; then
    former=$(sha256sum <"$program")
    ./install.sh && exit 0
    if [ "$(sha256sum <"$program")" = "$former" ]; then
        echo "install-agent.sh: the new agent was not installed: the former one stays" >&2
    else
        echo "install-agent.sh: the new agent does not start: the former one comes back" >&2
        ./install.sh --back
    fi
    exit 1
fi
# Each step can be done again: an attempt that was cut off is no upgrade.
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
