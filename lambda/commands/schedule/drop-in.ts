/** A drop-in of pemfleet.timer (systemd.timer(5)): how often passes start. Pure. */

/** Passes of many machines spread out over this part of the distance; the issuer counts with a quarter. */
const SPREAD_SHARE = 1 / 5;

export function timerDropIn(wakeMinutes: number): string {
  const spread = Math.min(10, Math.floor(wakeMinutes * SPREAD_SHARE));
  return [
    '# /etc/systemd/system/pemfleet.timer.d/schedule.conf, by: pemfleet timer',
    '# then: systemctl daemon-reload && systemctl restart pemfleet.timer',
    '[Timer]',
    '# An empty one takes back those of the packaged timer.',
    'OnCalendar=',
    ...startsOf(wakeMinutes),
    `RandomizedDelaySec=${spread}min`,
    '',
  ].join('\n');
}

/** Off the hour, when CAs are busy. A repetition has to be shorter than what it repeats in (systemd.time(7)). */
function startsOf(minutes: number): string[] {
  if (minutes < 60 && 60 % minutes === 0) return [`OnCalendar=*:${two(Math.min(7, minutes - 1))}/${minutes}`];
  const hours = minutes / 60;
  if (hours === 1) return ['OnCalendar=*:07'];
  if (hours === 24) return ['OnCalendar=00:07'];
  if (Number.isInteger(hours) && 24 % hours === 0) return [`OnCalendar=0/${hours}:07`];
  // Distances that do not divide an hour or a day are counted from the last start.
  return ['OnActiveSec=2min', `OnUnitActiveSec=${minutes}min`];
}

function two(minute: number): string {
  return String(minute).padStart(2, '0');
}
