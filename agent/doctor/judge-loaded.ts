/** Judges what HAProxy holds of the directory, and under which names. Pure. */
import type { AgentConfig } from '../config/config.ts';
import { type Finding, finding, listed } from './finding.ts';
import type { SeenDirectory } from './look-directory.ts';
import type { SeenHaproxy } from './look-haproxy.ts';

export function judgeLoaded(
  seen: SeenDirectory,
  { code, certificatesCode, crtLists: known }: SeenHaproxy,
  config: AgentConfig,
): Finding[] {
  const { certsDir, crtList, crtListFile } = config.haproxy;
  if (code !== undefined || certificatesCode !== undefined || seen.code !== undefined) return [];
  if (crtList !== undefined) return known.includes(crtList) ? [] : [nameUnknown(crtList, known)];
  if (seen.crtLists.length > 0 || seen.isByFile) return [...twoNames(seen, crtListFile), ...judgeFiles(seen)];
  if (crtListFile !== undefined) return [listUnknown(crtListFile, known)];
  const relative = known.find(
    (name) => !name.startsWith('/') && certsDir.endsWith(`/${name.replace(/^(\.\/)+/, '')}`),
  );
  const guess = relative ?? (seen.otherRoots.length === 1 ? seen.otherRoots[0] : undefined);
  if (guess !== undefined) {
    const what = `HAProxy knows ${guess}, which is not a path of this host (container, chroot, relative path), but not ${certsDir}`;
    return [
      finding(
        'directory-other-root',
        what,
        `haproxy.crtList: ${guess} in the agent's file if it is the same directory; otherwise put the absolute path on the bind`,
      ),
    ];
  }
  const what = `no bind of the running HAProxy names ${certsDir}; it knows ${listed(known) || 'no directory and no crt-list'}`;
  return [
    finding(
      'directory-not-loaded',
      what,
      `bind :443 ssl crt ${certsDir} strict-sni in HAProxy's configuration, then reload HAProxy; or correct haproxy.certsDir`,
    ),
  ];
}

function nameUnknown(crtList: string, known: readonly string[]): Finding {
  const what = `haproxy.crtList is ${crtList}; HAProxy knows ${listed(known) || 'no crt-list'}`;
  return finding(
    'directory-not-loaded',
    what,
    "set haproxy.crtList to one of HAProxy's names, letter for letter, or remove it",
  );
}

function listUnknown(crtListFile: string, known: readonly string[]): Finding {
  const what = `no bind of the running HAProxy names ${crtListFile}; it knows ${listed(known) || 'no directory and no crt-list'}`;
  const fix = `bind :443 ssl crt-list ${crtListFile} strict-sni in HAProxy's configuration, then reload HAProxy; or correct haproxy.crtListFile and haproxy.paths`;
  return finding('crt-list-not-loaded', what, fix);
}

function twoNames({ crtLists }: SeenDirectory, crtListFile: string | undefined): Finding[] {
  if (crtLists.length < 2) return [];
  const [keyword, noun] = crtListFile === undefined ? ['crt', 'directory'] : ['crt-list', 'crt-list'];
  const what = `HAProxy holds the same ${noun} ${crtLists.length} times, as ${listed(crtLists)}: each update goes to every copy`;
  const fix = `${keyword} ${crtLists[0]} on each bind, spelled the same way; then reload HAProxy`;
  return [finding('directory-two-names', what, fix)];
}

function judgeFiles({ entries, serials }: SeenDirectory): Finding[] {
  const good = entries.filter(({ facts, isRead }) => isRead && facts !== undefined && !facts.problem);
  const absent = good.filter(({ name }) => !serials.has(name)).map(({ name }) => name);
  const other = good
    .filter(({ name, facts }) => (serials.get(name) ?? facts?.serial) !== facts?.serial)
    .map(({ name }) => name);
  const found: Finding[] = [];
  const fix = 'pemfleet-agent sync for files of the manifest; for others systemctl reload haproxy';
  if (absent.length > 0)
    found.push(finding('file-not-loaded', `HAProxy has not loaded ${listed(absent)}`, fix));
  if (other.length > 0)
    found.push(
      finding(
        'file-differs',
        `HAProxy serves another certificate than the file holds: ${listed(other)}`,
        fix,
      ),
    );
  return found;
}
