/** Judges the crt-list file: can HAProxy start with it, and can the agent replace it? Pure. */

import { dirname } from 'node:path';
import { quoted } from '#common/cli/quoted.ts';
import { type Finding, finding, listed } from './finding.ts';
import type { CrtListFacts } from './look-crt-list.ts';

export function judgeCrtList(facts: CrtListFacts | undefined): Finding[] {
  if (facts === undefined) return [];
  const { path, code, isReplaceable } = facts;
  if (code === 'ENOENT') {
    return [
      finding('crt-list-missing', `${path} does not exist: HAProxy does not start`, `touch ${quoted(path)}`),
    ];
  }
  const own = `chown pemfleet:haproxy ${quoted(dirname(path))}`;
  if (code !== undefined) return [finding('crt-list-denied', `this user cannot read ${path} (${code})`, own)];
  const findings = judgeLines(facts);
  if (isReplaceable) return findings;
  const seen = `this user cannot replace ${path}: HAProxy's next reload would lose new certificates`;
  return [
    finding('crt-list-denied', seen, `${own}; or move the list to a directory of pemfleet`),
    ...findings,
  ];
}

function judgeLines({ path, strays, missing }: CrtListFacts): Finding[] {
  const findings: Finding[] = [];
  const edit = (numbers: readonly number[]) =>
    `correct or remove line ${numbers.join(', ')} of ${path}; haproxy -c -f /etc/haproxy/haproxy.cfg`;
  if (strays.length > 0) {
    const lines = listed(strays.map(({ number, why }) => `line ${number} ${why}`));
    findings.push(
      finding(
        'crt-list-line',
        `${path}: ${lines}: HAProxy's next start or reload will fail`,
        edit(strays.map(({ number }) => number)),
      ),
    );
  }
  if (missing.length > 0) {
    const lines = listed(missing.map(({ number, filename }) => `line ${number} names ${filename}`));
    findings.push(
      finding(
        'crt-list-file-missing',
        `${path}: ${lines}: no such file, HAProxy's next start or reload will fail`,
        `pemfleet-agent sync for files of the manifest; for others ${edit(missing.map(({ number }) => number))}`,
      ),
    );
  }
  return findings;
}
