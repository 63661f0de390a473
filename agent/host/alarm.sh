#!/bin/sh
# alarm.sh UNIT: tells that UNIT has failed, or works again. An alarm is a level: it is told when it begins, once a day while it lasts, when its
# exit status changes, and when it ends. What one channel does not take is sent there the next time, and nowhere else again.
set -u
unit=${1:?usage: alarm.sh UNIT}
state=${STATE_DIRECTORY:?systemd sets it}/$unit
result=${MONITOR_SERVICE_RESULT:-$(systemctl show --value --property=Result "$unit.service")}
status=${MONITOR_EXIT_STATUS:-$(systemctl show --value --property=ExecMainStatus "$unit.service")}
invocation=${MONITOR_INVOCATION_ID:-$(systemctl show --value --property=InvocationID "$unit.service")}
host=$(uname -n)

# Skipped by its condition: there is nothing to do, which is no failure, and ends one.
[ "$result" != exec-condition ] || result=success

if [ "$result" = success ]; then
    [ -e "$state.since" ] || exit 0
    subject="$host: $unit works again"
    text="It had failed since $(cat "$state.since")."
else
    [ -e "$state.since" ] || date -u +%FT%TZ >"$state.since"
    subject="$host: $unit has failed ($result, exit status $status) since $(cat "$state.since")"
    # Of this run: its beginning and its end, for what is wrong may stand in either.
    text=$(journalctl "_SYSTEMD_INVOCATION_ID=$invocation" --no-pager --output=cat 2>&1 |
        awk 'NR <= 30 { print } NR == 31 { print "…" } { last = $0 } END { if (NR > 30) print last }')
fi

# is_due CHANNEL: whether it has not been told this yet.
is_due() {
    if [ "$result" = success ]; then
        [ -e "$state.$1" ]
    else
        [ "$(cat "$state.$1" 2>/dev/null)" != "$result $status" ] || [ -n "$(find "$state.$1" -mmin +1440)" ]
    fi
}

# told CHANNEL: it has taken the message.
told() {
    if [ "$result" = success ]; then rm -f "$state.$1"; else printf '%s' "$result $status" >"$state.$1"; fi
}

is_sent=yes
fail() {
    echo "<3>$1"
    is_sent=no
}

if is_due journal; then
    # systemd reads the priority: 3 is err, 5 notice.
    if [ "$result" = success ]; then echo "<5>$subject"; else echo "<3>$subject"; fi
    told journal
fi
if [ -n "${MAIL_TO:-}" ] && is_due mail; then
    if printf 'To: %s\nSubject: pemfleet: %s\nContent-Type: text/plain; charset=utf-8\n\n%s\n\n%s\n' \
        "$MAIL_TO" "$subject" "$subject" "$text" | sendmail -t -i; then told mail; else fail "sendmail did not take the mail to $MAIL_TO"; fi
fi
if [ -n "${WEBHOOK_URL:-}" ] && is_due webhook; then
    # Neither the URL, which may hold a secret, nor the log stands on a command line: command lines are everybody's.
    body=$(mktemp "$state.body.XXXXXX")
    {
        printf '{"text":"'
        printf '%s\n%s' "$subject" "$text" | tr -d '\000-\011\013-\037' | sed 's/\\/\\\\/g; s/"/\\"/g; s/$/\\n/' | tr -d '\n'
        printf '"}'
    } >"$body"
    if printf 'url = "%s"\n' "$WEBHOOK_URL" | curl --config - --fail --silent --show-error --max-time 30 \
        --header 'Content-Type: application/json' --data-binary "@$body" >/dev/null; then told webhook; else fail "the webhook did not take the message"; fi
    rm -f "$body"
fi

[ "$is_sent" = yes ] || exit 1
[ "$result" != success ] || rm -f "$state.since"
