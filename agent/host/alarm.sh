#!/bin/sh
# alarm.sh UNIT: tells that UNIT has failed, or works again. An alarm is a level: it is told when it begins, once a day while it lasts, when its
# exit status changes, and when it ends. What could not be sent is sent the next time.
set -u
unit=${1:?usage: alarm.sh UNIT}
state=${STATE_DIRECTORY:?systemd sets it}/$unit
result=${MONITOR_SERVICE_RESULT:-$(systemctl show --value --property=Result "$unit.service")}
status=${MONITOR_EXIT_STATUS:-$(systemctl show --value --property=ExecMainStatus "$unit.service")}
host=$(uname -n)

if [ "$result" = success ]; then
    [ -e "$state" ] || exit 0
    subject="$host: $unit works again"
    text="It had failed since $(head -n 1 "$state")."
else
    since=$(head -n 1 "$state" 2>/dev/null || date -u +%FT%TZ)
    if [ "$(sed -n 2p "$state" 2>/dev/null)" = "$result $status" ] && [ -z "$(find "$state" -mmin +1440)" ]; then
        exit 0
    fi
    subject="$host: $unit has failed ($result, exit status $status) since $since"
    text=$(journalctl --unit="$unit.service" --lines=20 --no-pager --output=cat 2>&1)
fi

# systemd reads the priority: 3 is err, 5 notice.
priority=3
[ "$result" = success ] && priority=5
echo "<$priority>$subject"
is_sent=yes
fail() {
    echo "<3>$1"
    is_sent=no
}

if [ -n "${MAIL_TO:-}" ]; then
    printf 'To: %s\nSubject: pemfleet: %s\nContent-Type: text/plain; charset=utf-8\n\n%s\n\n%s\n' \
        "$MAIL_TO" "$subject" "$subject" "$text" | sendmail -t -i || fail "sendmail did not take the mail to $MAIL_TO"
fi
if [ -n "${WEBHOOK_URL:-}" ]; then
    body=$(printf '%s\n%s' "$subject" "$text" | tr -d '\000-\011\013-\037' | sed 's/\\/\\\\/g; s/"/\\"/g; s/$/\\n/' | tr -d '\n')
    # The URL may hold a secret, and command lines are everybody's: curl reads it from a file descriptor.
    printf 'url = "%s"\n' "$WEBHOOK_URL" | curl --config - --fail --silent --show-error --max-time 30 \
        --header 'Content-Type: application/json' --data-binary "{\"text\":\"$body\"}" >/dev/null || fail "the webhook did not take the message"
fi

[ "$is_sent" = yes ] || exit 1
if [ "$result" = success ]; then
    rm -f "$state"
else
    printf '%s\n%s\n' "$since" "$result $status" >"$state"
fi
