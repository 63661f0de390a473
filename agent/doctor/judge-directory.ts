/** Judges HAProxy's directory: rights, files that would stop a start, files that are not served. Pure. */

import { join } from 'node:path';
import { quoted } from '#common/cli/quoted.ts';
import type { AgentConfig } from '../config/config.ts';
import { servedNames } from '../desired/overlap.ts';
import { filtersIn } from '../haproxy/crt-list-line.ts';
import { type Finding, finding, listed, moveAway, octal } from './finding.ts';
import type { CrtListFacts } from './look-crt-list.ts';
import { type DirectoryEntry, type DirectoryFacts, sideFileOwner } from './look-directory.ts';

export function judgeDirectory(
  directory: DirectoryFacts,
  crtList: CrtListFacts | undefined,
  config: AgentConfig,
): Finding[] {
  const { path, code } = directory;
  const entries = directory.entries.filter(({ isRead }) => isRead);
  if (code !== undefined) return [unusable(path, code)];
  return [
    ...judgeRights(directory),
    ...judgeKeyModes(directory, config),
    ...entries.flatMap((entry) => judgeEntry(entry, directory)),
    ...judgeOrphans(directory),
    ...judgeOverlaps({ ...directory, entries }, crtList),
  ];
}

function unusable(path: string, code: string): Finding {
  const create = `install -d -m 0750 -o pemfleet -g haproxy ${quoted(path)}; then name it on a bind ("crt ${path}")`;
  return code === 'ENOENT'
    ? finding(
        'directory-missing',
        `${path} does not exist: HAProxy does not start with a bind that names it`,
        create,
      )
    : finding('directory-denied', `this user cannot list ${path} (${code})`, takeOver(path));
}

const takeOver = (path: string) => `chown pemfleet:haproxy ${quoted(path)} && chmod 0750 ${quoted(path)}`;

function judgeRights({ path, mode, isWritable }: DirectoryFacts): Finding[] {
  const findings: Finding[] = [];
  if (!isWritable) {
    findings.push(finding('directory-denied', `this user cannot write to ${path}`, takeOver(path)));
  }
  if ((mode & 0o002) !== 0) {
    findings.push(
      finding(
        'directory-open',
        `every user may put files into ${path} (mode ${octal(mode)})`,
        `chmod o-rwx ${quoted(path)}`,
      ),
    );
  }
  return findings;
}

function judgeKeyModes({ path, entries }: DirectoryFacts, { pem }: AgentConfig): Finding[] {
  // A directory with a crt-list may hold other files: the list itself, a README.
  const mayHoldKey = ({ isRead, facts }: DirectoryEntry) => isRead || (facts && facts.problem === undefined);
  const open = entries
    .filter((entry) => mayHoldKey(entry) && !entry.isDirectory && (entry.mode & 0o004) !== 0)
    .map(({ name }) => name);
  const keys = open.filter((name) => !/\.(ocsp|issuer|sctl)$/.test(name));
  if (keys.length === 0) return [];
  const files = keys.map((name) => quoted(join(path, name))).join(' ');
  return [
    finding(
      'key-readable-by-all',
      `private keys that every user may read: ${listed(keys)}`,
      `chmod ${octal(pem.mode)} ${files}`,
    ),
  ];
}

function judgeEntry(
  { name, isDirectory, facts, code }: DirectoryEntry,
  { path, ours }: Pick<DirectoryFacts, 'path' | 'ours'>,
): Finding[] {
  const file = quoted(join(path, name));
  if (isDirectory) {
    return [
      finding(
        'file-subdirectory',
        `HAProxy skips the directory ${name}: nothing in it is served`,
        `crt ${join(path, name)} on the bind, or move its files up`,
      ),
    ];
  }
  if (sideFileOwner(name) !== undefined) return [];
  const problem = facts === undefined ? `cannot be read (${code})` : facts.problem;
  if (code === 'EACCES') {
    return [finding('directory-denied', `this user cannot read ${name}`, `chown pemfleet ${file}`)];
  }
  if (problem !== undefined) {
    const seen = `${name} ${problem}: HAProxy's next start or reload will fail`;
    const away = `${moveAway(file)}; haproxy -c -f /etc/haproxy/haproxy.cfg`;
    // The agent's own: its next pass repairs it.
    return [finding('file-stray', seen, ours?.has(name) ? 'pemfleet-agent sync' : away)];
  }
  if (/(~|\.(bak|old|orig|save|tmp|new|rpmnew|dpkg-\w+))$/.test(name)) {
    return [
      finding(
        'file-backup',
        `${name} looks like a copy: HAProxy loads and serves it as a certificate`,
        `${moveAway(file)}; then reload HAProxy`,
      ),
    ];
  }
  return name.endsWith('.crt')
    ? [
        finding(
          'file-name-crt',
          `${name}: HAProxy 2.6 cannot update a file of this name at run time`,
          `mv ${file} ${quoted(join(path, name.replace(/crt$/, 'pem')))}; then reload HAProxy`,
        ),
      ]
    : [];
}

function judgeOrphans({ path, entries }: DirectoryFacts): Finding[] {
  const names = new Set(entries.map(({ name }) => name));
  const orphans = [...names].filter((name) => !names.has(sideFileOwner(name) ?? name));
  if (orphans.length === 0) return [];
  const files = (some: readonly string[]) => some.map((name) => quoted(join(path, name))).join(' ');
  const [keys, others] = [/\.key$/, /\.(?!key$)[^.]+$/].map((end) =>
    orphans.filter((name) => end.test(name)),
  );
  const commands = [keys?.length && moveAway(files(keys)), others?.length && `rm ${files(others)}`];
  const fix = commands.filter(Boolean).join('; ');
  return [finding('file-orphan', `side files without their certificate: ${listed(orphans)}`, fix)];
}

/** Two files with one name on one bind; the filters of a crt-list count as names. */
function judgeOverlaps(
  { path, entries, ours }: DirectoryFacts,
  crtList: CrtListFacts | undefined,
): Finding[] {
  const holders = new Map<string, string[]>();
  for (const { name, facts } of entries) {
    const filters = crtList?.tails.get(name)?.flatMap(filtersIn) ?? [];
    const listing = { crtListOptions: [], sniFilters: filters };
    const names = facts?.problem === undefined ? (facts?.names ?? []) : [];
    for (const host of servedNames({ identifiers: names, listing })) {
      const key = `${host} ${facts?.keyKind}`;
      holders.set(key, [...(holders.get(key) ?? []), name]);
    }
  }
  const pairs = new Map(
    [...holders]
      .filter(([, files]) => files.length > 1)
      .map(([key, files]) => [files.join(' '), { key, files }]),
  );
  return [...pairs.values()].map(({ key, files }) => {
    const [first = '', ...others] = files;
    const host = key.split(' ', 1)[0];
    const seen = `${first} and ${others.join(', ')} both hold ${host}, and HAProxy serves only one of them: after a start the first by file name or line, after an update another; of its own files the agent lets the valid, then the newer be served`;
    const strangers = files.filter((name) => !ours?.has(name));
    const moved = strangers.length < files.length ? strangers : strangers.slice(1);
    const fix =
      moved.length === 0
        ? 'all of them are ours: take the name out of one certificate in pemfleet.yaml; one that is not configured any more goes when it is superseded, or with "pemfleet withdraw"'
        : `${moveAway(moved.map((name) => quoted(join(path, name))).join(' '))}; then reload HAProxy`;
    return finding('names-overlap', seen, fix);
  });
}
