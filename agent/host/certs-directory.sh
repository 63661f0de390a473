#!/bin/sh
# Makes HAProxy's directory where it is missing: systemd before 251 may not know the line of tmpfiles.d that does. What is there stays as it is.
# Never below a directory of another user, who could put a link in its way.
certs=/etc/haproxy/certs
if [ ! -e "$certs" ] && [ ! -L "$certs" ]; then
    mkdir -p /etc/haproxy
    if [ "$(stat -c %u /etc/haproxy)" = 0 ]; then
        install -d -o pemfleet -g pemfleet -m 0700 "$certs"
    else
        echo "pemfleet-agent: /etc/haproxy belongs to $(stat -c %U /etc/haproxy), wanted root: make $certs yourself, for the user pemfleet" >&2
    fi
fi
