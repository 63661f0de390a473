/**
 * Files of other programs that hold names of ours: HAProxy may hand them out in place of ours, at once where they were added at run time,
 * else after its next reload. They are theirs, and stay; our files that share names with them are to be proved anew.
 */
import { readdir } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { canonicalIdentifier, digest } from '#contract/combined-pem.ts';
import type { HostView, LeftHost } from '../agent.ts';
import { isOfDesired } from '../deploy/action.ts';
import { MAX_READ_BYTES, readPlainFile } from '../deploy/disk.ts';
import { leafNamesIn } from '../deploy/leaf-names.ts';
import { listedNames } from '../haproxy/crt-list-file.ts';
import { toHost } from '../haproxy/path-map.ts';
import { isAtLeast } from '../haproxy/version.ts';
import { stampAt } from '../state/stamp.ts';

/** So many files of others are read in one look; the next one goes on. */
const MAX_READ = 200;

interface Stranger {
  stamp: string;
  names: readonly string[];
}

export class StrangerWatch {
  #host: HostView | undefined;
  /** Our files by the names of their leaves. */
  readonly #ours = new Map<string, string[]>();
  #files: ReadonlySet<string> = new Set();
  /** HAProxy's names of our files. */
  #filenames: ReadonlySet<string> = new Set();
  /** By path. */
  #onDisk = new Map<string, Stranger>();
  /** By name in HAProxy. */
  #inHaproxy = new Map<string, Stranger>();
  #sniDigest: string | undefined;

  async reset({ view, outcomes }: LeftHost): Promise<void> {
    this.#host = view;
    this.#ours.clear();
    for (const { action } of outcomes.filter(isOfDesired)) {
      const { file, desired } = action;
      for (const name of desired.names ?? desired.identifiers) {
        this.#ours.set(name, [...(this.#ours.get(name) ?? []), file]);
      }
    }
    this.#files = new Set([...this.#ours.values()].flat());
    const runtimeFiles = [...(view.haproxy?.files.values() ?? [])].flat();
    this.#filenames = new Set(runtimeFiles.map(({ filename }) => posix.normalize(filename)));
  }

  /**
   * @returns files of ours that share names with what others have put there, or changed, since the last look
   * @throws HostError `ERR_CRT_LIST_FILE`, RuntimeCommandFailed
   */
  async sharing(): Promise<string[]> {
    const changed = [...(await this.#changedOnDisk()), ...(await this.#changedInHaproxy())];
    return this.#oursAmong(changed);
  }

  /** @returns files of ours that share names with any file of others: a reload decides anew which of them is handed out */
  get allSharing(): string[] {
    return this.#oursAmong([...this.#onDisk.values(), ...this.#inHaproxy.values()]);
  }

  #oursAmong(strangers: readonly Stranger[]): string[] {
    const files = strangers.flatMap(({ names }) => names.flatMap((name) => this.#ours.get(name) ?? []));
    return [...new Set(files)];
  }

  async #changedOnDisk(): Promise<Stranger[]> {
    const paths = await this.#pathsOfOthers();
    const known = new Map<string, Stranger>();
    const changed: Stranger[] = [];
    for (const path of paths) {
      const before = this.#onDisk.get(path);
      const stamped = stampAt(path);
      if (stamped === undefined) continue;
      const { stamp, stats } = stamped;
      if (before?.stamp === stamp) known.set(path, before);
      else if (changed.length < MAX_READ) {
        const isReadable = stats?.isFile() && stats.size <= MAX_READ_BYTES;
        const stranger = { stamp, names: isReadable ? namesIn(path) : [] };
        known.set(path, stranger);
        changed.push(stranger);
      }
    }
    this.#onDisk = known;
    return changed;
  }

  /** Those that HAProxy reads at its next start: of its directory, or of its crt-list file. */
  async #pathsOfOthers(): Promise<string[]> {
    if (this.#host === undefined) return [];
    const { config, crtListFile } = this.#host;
    const { certsDir, paths } = config.haproxy;
    const isOurs = (name: string) => this.#files.has(name) || this.#files.has(name.replace(/\.ocsp$/, ''));
    if (crtListFile === undefined) {
      // Where it cannot be read, our own files are missing, too: the pass says why.
      const names = await readdir(certsDir).catch(() => []);
      return names
        .filter((name) => !name.startsWith('.') && !isOurs(name))
        .map((name) => join(certsDir, name));
    }
    const listed = (await listedNames(crtListFile)).flatMap((name) => toHost(name, paths) ?? []);
    const isInOurs = (path: string) => posix.dirname(path) === posix.normalize(certsDir);
    return listed.filter((path) => path.startsWith('/') && !(isInOurs(path) && isOurs(posix.basename(path))));
  }

  async #changedInHaproxy(): Promise<Stranger[]> {
    const { haproxy, runtime } = this.#host ?? {};
    if (haproxy === undefined || runtime === undefined || !isAtLeast(haproxy.process.version, 3, 2))
      return [];
    const text = await runtime.showSni();
    const sniDigest = digest(text);
    if (sniDigest === this.#sniDigest) return [];
    this.#sniDigest = sniDigest;
    const known = strangersIn(text, this.#filenames);
    const changed = [...known].filter(
      ([filename, { stamp }]) => this.#inHaproxy.get(filename)?.stamp !== stamp,
    );
    this.#inHaproxy = known;
    return changed.map(([, stranger]) => stranger);
  }
}

/** Unreadable for this user: HAProxy's own description has its names, from 3.2 on. */
function namesIn(path: string): string[] {
  try {
    return leafNamesIn(readPlainFile(path));
  } catch {
    return [];
  }
}

/**
 * Pure. Of the answer to `show ssl sni` (3.2 and later), whose columns are separated by tabs: bind, name, negative filter, type, filename,
 * notAfter, notBefore.
 */
function strangersIn(text: string, ours: ReadonlySet<string>): Map<string, Stranger> {
  const names = new Map<string, Set<string>>();
  const stamps = new Map<string, Set<string>>();
  for (const line of text.split('\n')) {
    const [, name = '', , type = '', filename, ...dates] = line.split('\t');
    if (line.startsWith('#') || filename === undefined || ours.has(posix.normalize(filename))) continue;
    names.set(filename, (names.get(filename) ?? new Set()).add(canonicalIdentifier(name)));
    stamps.set(filename, (stamps.get(filename) ?? new Set()).add([name, type, ...dates].join(' ')));
  }
  return new Map(
    [...names].map(([filename, some]) => {
      const stamp = [...(stamps.get(filename) ?? [])].sort().join('\n');
      return [filename, { stamp: digest(stamp), names: [...some] }];
    }),
  );
}
