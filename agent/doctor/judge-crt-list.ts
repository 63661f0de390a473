/** Judges the crt-list file: whether HAProxy could start with it, and the agent keep it. Pure. */
import { dirname } from 'node:path';
import { type Finding, finding, listed, quoted } from './finding.ts';
import type { SeenCrtList } from './look-crt-list.ts';

export function judgeCrtList(seen: SeenCrtList | undefined): Finding[] {
  if (seen === undefined) return [];
  const { path, code, isReplaceable } = seen;
  if (code === 'ENOENT')
    return [
      finding('crt-list-missing', `${path} does not exist: HAProxy does not start`, `touch ${quoted(path)}`),
    ];
  const own = `chown pemfleet:haproxy ${quoted(dirname(path))}`;
  if (code !== undefined) return [finding('crt-list-denied', `this user cannot read ${path} (${code})`, own)];
  const found = judgeLines(seen);
  if (isReplaceable) return found;
  const what = `this user cannot replace ${path}: HAProxy's next reload would lose new certificates`;
  return [finding('crt-list-denied', what, `${own}; or move the list to a directory of pemfleet`), ...found];
}

function judgeLines({ path, strays, missing }: SeenCrtList): Finding[] {
  const found: Finding[] = [];
  const edit = (numbers: readonly number[]) =>
    `correct or remove line ${numbers.join(', ')} of ${path}; haproxy -c -f /etc/haproxy/haproxy.cfg`;
  if (strays.length > 0) {
    const lines = listed(strays.map(({ number, why }) => `line ${number} ${why}`));
    found.push(
      finding(
        'crt-list-line',
        `${path}: ${lines}: HAProxy's next start or reload will fail`,
        edit(strays.map(({ number }) => number)),
      ),
    );
  }
  if (missing.length > 0) {
    const lines = listed(missing.map(({ number, filename }) => `line ${number} names ${filename}`));
    found.push(
      finding(
        'crt-list-file-missing',
        `${path}: ${lines}: no such file, HAProxy's next start or reload will fail`,
        `pemfleet-agent sync for files of the manifest; for others ${edit(missing.map(({ number }) => number))}`,
      ),
    );
  }
  return found;
}
