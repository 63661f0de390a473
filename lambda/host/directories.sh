#!/bin/sh
# The issuer's directories: makes those that are missing, and lets the responder's user pass through to the challenges, which directories of
# the former release forbid. What is another user's stays as it is. Of tmpfiles.d, systemd before 251 takes no mode that leaves what is there.
set -u
home=${DESTDIR:-}/var/lib/pemfleet
[ -e "$home" ] || install -d -m 0711 -o pemfleet -g pemfleet "$home"
[ "$(stat -c %U "$home")" = pemfleet ] || exit 0
# As that user: what is below is his, and root follows no link of his.
as_owner() { runuser -u pemfleet -- "$@"; }
for directory in "$home" "$home/bucket" "$home/bucket/challenge"; do
    [ -e "$directory" ] || as_owner mkdir -m 0711 "$directory"
    [ ! -d "$directory" ] || [ "$(stat -c %U "$directory")" != pemfleet ] || as_owner chmod a+x "$directory"
done
[ -e "$home/bucket/issuer" ] || as_owner mkdir -m 0700 "$home/bucket/issuer"
