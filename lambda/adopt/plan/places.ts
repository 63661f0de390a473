/**
 * Where the agent writes, so that HAProxy's configuration stays as it is. A directory of certificates becomes the agent's. A file beside others
 * (haproxy.cfg, keys of other programs) becomes a link to a directory of the agent's own: it must not own what is beside it.
 */
import { lstatSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Unplannable } from '../../init/plan/haproxy-config.ts';
import type { ChosenCertificate } from './choose-files.ts';

export interface AdoptionPlaces {
  /** The agent's `certsDir`. */
  certsDir: string;
  /** HAProxy's own directory, where it is another one: links lead from there. */
  linkedFrom: string | undefined;
  /** The list by which HAProxy loads the files, where the agent may write it. */
  crtListFile: string | undefined;
  notes: readonly string[];
}

/** Directories of the system, in which others than HAProxy have their files. */
const SYSTEM =
  /^\/((home|opt|srv|tmp)?$|(bin|boot|dev|etc|lib|proc|root|run|sbin|sys|usr|var)(\/[^/]+)?$|etc\/(ssl|pki)\/(certs|private|tls)$)/;
const SIDE_FILE = /\.(key|ocsp|issuer|sctl)$/;
const OWN_DIRECTORY = 'pemfleet';

export interface PlacesRequest {
  /** HAProxy's. */
  directory: string;
  certificates: readonly ChosenCertificate[];
  /** Of the configuration. */
  configFiles: readonly string[];
  /** Files that HAProxy loads, adopted or not. */
  loaded: readonly string[];
}

/** @throws Unplannable */
export function choosePlaces(request: PlacesRequest): AdoptionPlaces {
  const { directory, certificates } = request;
  const lists = new Set(
    certificates.flatMap(({ files }) =>
      files.filter(({ kind }) => kind === 'crt-list').map(({ source }) => source),
    ),
  );
  const [list] = lists;
  if (isOwn(request)) {
    const mayWrite = lists.size === 1 && list !== undefined && dirname(list) === directory;
    const notes = list === undefined || mayWrite ? [] : [listNote(list)];
    return { certsDir: directory, linkedFrom: undefined, crtListFile: mayWrite ? list : undefined, notes };
  }
  const certsDir = ownDirectory(request);
  const notes = list === undefined ? [] : [listNote(list)];
  return {
    ...{ certsDir, linkedFrom: directory, crtListFile: undefined },
    notes: [
      ...notes,
      `${directory} holds other files than certificates: the agent gets ${certsDir}, and what HAProxy loads becomes links to it`,
    ],
  };
}

const listNote = (list: string) =>
  `${list} stays as it is: a certificate that pemfleet.yaml gets later needs its line there by hand, and a reload`;

/** Nothing is in there but what HAProxy loads. */
function isOwn({ directory, configFiles, loaded }: PlacesRequest): boolean {
  if (SYSTEM.test(directory) || configFiles.some((file) => file.startsWith(`${directory}/`))) return false;
  const names = new Set(loaded.filter((file) => dirname(file) === directory).map((file) => basename(file)));
  return entriesOf(directory).every((name) => names.has(name) || isSideFile(name, names));
}

const isSideFile = (name: string, names: ReadonlySet<string>) =>
  name.startsWith('.') ||
  (SIDE_FILE.test(name) && names.has(name.replace(SIDE_FILE, ''))) ||
  /crt-?list/.test(name);

const entriesOf = (directory: string): string[] => {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
};

function ownDirectory({ configFiles }: PlacesRequest): string {
  const home = dirname(configFiles[0] ?? '/etc/haproxy/haproxy.cfg').replace(/\/conf\.d$/, '');
  const path = join(home, OWN_DIRECTORY);
  const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  if (!isThere || entriesOf(path).every((name) => name.startsWith('.') || name.endsWith('.pem'))) return path;
  throw new Unplannable(
    `wanted ${path} for the agent's files, saw that it holds others: move them away, then adopt again`,
  );
}
