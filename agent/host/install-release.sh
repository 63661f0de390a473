#!/bin/sh
# Installs or upgrades pemfleet-agent from the tarball of a release, once it is proved to be what its maker has released. It stays on the host:
# an upgrade is checked by what the former one has brought, not by what comes with it.
#   install-release.sh TARBALL                  SHA256SUMS and SHA256SUMS.sig beside it, signed by a key of /etc/pemfleet/allowed_signers
#   install-release.sh --signers FILE TARBALL   signed by a key of FILE (docs/release.md), got another way than the release
#   install-release.sh --sha256 HEX TARBALL     without ssh-keygen: this digest, got another way than the release
set -eu
root=${DESTDIR:-}
die() { echo "install-release.sh: $*; nothing was changed" >&2; exit "${status:-1}"; }
usage() { status=64; die "wanted [--signers FILE | --sha256 HEX] TARBALL, saw $*"; }

signers=$root/etc/pemfleet/allowed_signers
pinned=
all=$*
case "${1:-}" in
    --signers) [ $# -ge 2 ] || usage "$all"; signers=$2; shift 2 ;;
    --sha256) [ $# -ge 2 ] || usage "$all"; pinned=$2; shift 2 ;;
esac
[ $# = 1 ] || usage "${all:-nothing}"
case "$1" in -*) usage "$all" ;; esac
tarball=$1
[ -f "$tarball" ] || die "there is no file $tarball"
name=$(basename "$tarball")
folder=$(dirname "$tarball")

# What is checked is what is unpacked: a copy that nobody else can change.
[ -n "$root" ] || [ "$(id -u)" = 0 ] || die "must be run as root"
lib=$root/usr/lib/pemfleet
mkdir -p "$lib"
place=$(mktemp -d "$lib/release.XXXXXX")
trap 'rm -rf "$place"' EXIT
cp "$tarball" "$place/agent.tar.gz"
actual=$(sha256sum <"$place/agent.tar.gz" | cut -d' ' -f1)

if [ -n "$pinned" ]; then
    wanted=$pinned
else
    [ -f "$signers" ] || die "there is no $signers: name the key by --signers FILE, or the digest by --sha256 HEX"
    command -v ssh-keygen >/dev/null ||
        die "ssh-keygen is missing, and no signature can be verified: install openssh-client, or name the digest by --sha256 HEX, got another way than the release"
    for file in SHA256SUMS SHA256SUMS.sig; do
        [ -f "$folder/$file" ] || die "there is no $folder/$file: it belongs to the release"
        cp "$folder/$file" "$place/$file"
    done
    ssh-keygen -Y verify -f "$signers" -I release@pemfleet -n pemfleet-release -s "$place/SHA256SUMS.sig" <"$place/SHA256SUMS" >/dev/null 2>&1 ||
        die "SHA256SUMS is not signed by a key of $signers (ssh-keygen -Y verify)"
    wanted=$(awk -v name="$name" '$2 == name { print $1 }' "$place/SHA256SUMS")
    [ -n "$wanted" ] || die "SHA256SUMS names no $name"
fi
[ "$actual" = "$wanted" ] || die "$name has the SHA-256 $actual, wanted $wanted"
tar -xzf "$place/agent.tar.gz" -C "$place"
sh "$place"/pemfleet-agent-*/install.sh
