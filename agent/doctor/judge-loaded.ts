/** Judges which files of the directory HAProxy has loaded, and under which name it knows the directory. Pure. */
import type { AgentConfig } from '../config/config.ts';
import { type Finding, finding, listed } from './finding.ts';
import type { DirectoryFacts } from './look-directory.ts';
import type { HaproxyFacts } from './look-haproxy.ts';

export function judgeLoaded(
  directory: DirectoryFacts,
  { code, certificatesCode, crtLists: knownNames }: HaproxyFacts,
  config: AgentConfig,
): Finding[] {
  const { certsDir, crtList, crtListFile } = config.haproxy;
  if (code !== undefined || certificatesCode !== undefined || directory.code !== undefined) return [];
  if (crtList !== undefined) return knownNames.includes(crtList) ? [] : [unknownName(crtList, knownNames)];
  if (directory.crtLists.length > 0 || directory.isNamedFileByFile) {
    return [...judgeNames(directory, crtListFile), ...judgeFiles(directory)];
  }
  if (crtListFile !== undefined) return [unknownCrtList(crtListFile, knownNames)];
  const relative = knownNames.find(
    (name) => !name.startsWith('/') && certsDir.endsWith(`/${name.replace(/^(\.\/)+/, '')}`),
  );
  const guess = relative ?? (directory.otherRoots.length === 1 ? directory.otherRoots[0] : undefined);
  if (guess !== undefined) {
    const seen = `HAProxy knows ${guess}, which is not a path of this host (container, chroot, relative path), but not ${certsDir}`;
    return [
      finding(
        'directory-other-root',
        seen,
        `haproxy.crtList: ${guess} in the agent's file if it is the same directory; otherwise put the absolute path on the bind`,
      ),
    ];
  }
  const seen = `no bind of the running HAProxy names ${certsDir}; it knows ${listed(knownNames) || 'no directory and no crt-list'}`;
  return [
    finding(
      'directory-not-loaded',
      seen,
      `bind :443 ssl crt ${certsDir} strict-sni in HAProxy's configuration, then reload HAProxy; or correct haproxy.certsDir`,
    ),
  ];
}

function unknownName(crtList: string, knownNames: readonly string[]): Finding {
  const seen = `haproxy.crtList is ${crtList}; HAProxy knows ${listed(knownNames) || 'no crt-list'}`;
  return finding(
    'directory-not-loaded',
    seen,
    "set haproxy.crtList to one of HAProxy's names, letter for letter, or remove it",
  );
}

function unknownCrtList(crtListFile: string, knownNames: readonly string[]): Finding {
  const seen = `no bind of the running HAProxy names ${crtListFile}; it knows ${listed(knownNames) || 'no directory and no crt-list'}`;
  const fix = `bind :443 ssl crt-list ${crtListFile} strict-sni in HAProxy's configuration, then reload HAProxy; or correct haproxy.crtListFile and haproxy.paths`;
  return finding('crt-list-not-loaded', seen, fix);
}

function judgeNames({ crtLists }: DirectoryFacts, crtListFile: string | undefined): Finding[] {
  if (crtLists.length < 2) return [];
  const [keyword, noun] = crtListFile === undefined ? ['crt', 'directory'] : ['crt-list', 'crt-list'];
  const seen = `HAProxy holds the same ${noun} ${crtLists.length} times, as ${listed(crtLists)}: each update goes to every copy`;
  const fix = `${keyword} ${crtLists[0]} on each bind, spelled the same way; then reload HAProxy`;
  return [finding('directory-two-names', seen, fix)];
}

function judgeFiles({ entries, serials, unused }: DirectoryFacts): Finding[] {
  const certificates = entries.filter(({ facts, isRead }) => isRead && facts !== undefined && !facts.problem);
  const absent = certificates.filter(({ name }) => !serials.has(name)).map(({ name }) => name);
  const other = certificates
    .filter(({ name, facts }) => (serials.get(name) ?? facts?.serial) !== facts?.serial)
    .map(({ name }) => name);
  const findings: Finding[] = [];
  const fix = 'pemfleet-agent sync for files of the manifest; for others systemctl reload haproxy';
  if (absent.length > 0) {
    findings.push(finding('file-not-loaded', `HAProxy has not loaded ${listed(absent)}`, fix));
  }
  if (other.length > 0) {
    findings.push(
      finding(
        'file-differs',
        `HAProxy serves another certificate than the file holds: ${listed(other)}`,
        fix,
      ),
    );
  }
  if (unused.length > 0) {
    const seen = `HAProxy shows ${listed(unused)} as Unused: it serves what it had and takes no update at run time ("commit ssl ca-file" or "crl-file" does that before 3.2), or nothing lists the file`;
    findings.push(finding('file-cut-off', seen, 'systemctl reload haproxy'));
  }
  return findings;
}
