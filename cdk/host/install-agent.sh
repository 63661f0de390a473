#!/bin/sh
# Makes a host ready for the agent: its user, HAProxy's certificate directory, the program, its service. May run again.
# usage: install-agent.sh URL REGION SHA256
set -eu
here=/usr/lib/pemfleet
getent group haproxy >/dev/null || groupadd --system haproxy
id pemfleet >/dev/null 2>&1 ||
  useradd --system --user-group --home-dir /var/lib/pemfleet-agent --shell /usr/sbin/nologin pemfleet
install -d -o pemfleet -g pemfleet -m 0700 /etc/haproxy/certs
python3 "$here/fetch-agent.py" "$1" "$2" "$3" "$here/agent.mjs"
ln -sf "$here/agent.mjs" /usr/bin/pemfleet-agent
systemctl daemon-reload
systemctl enable --now pemfleet-agent.service
