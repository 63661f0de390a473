/**
 * What HAProxy holds of our files. Names are strings to HAProxy: `/d` and `/w/../d` are two copies of one
 * directory, and updating one leaves the other old; so each name that means our directory is a place to load to.
 */
import { realpath } from 'node:fs/promises';
import type { CertificateStatus } from './answers.ts';
import { type Capabilities, capabilitiesOf } from './capabilities.ts';
import type { ProcessState, Runtime } from './runtime.ts';

/** One place in HAProxy where a file is, or shall be. */
export interface RuntimeFile {
  filename: string;
  /** To which a new one is added; undefined where the file is named in the configuration by itself (`crt FILE`). */
  crtList: string | undefined;
  isListed: boolean;
  certificate: CertificateStatus | undefined;
}

export interface HaproxyView {
  process: ProcessState;
  capabilities: Capabilities;
  /** By file name in the directory. */
  files: Map<string, RuntimeFile[]>;
}

export interface ViewOptions {
  certsDir: string;
  /** HAProxy's name of the directory, where paths differ (chroot, container). */
  crtList: string | undefined;
  bufsize: number;
}

export async function viewHaproxy(
  runtime: Runtime,
  options: ViewOptions,
  files: Iterable<string>,
): Promise<HaproxyView> {
  const process = await runtime.showInfo();
  const lists = await findCrtLists(runtime, options);
  const entries = await Promise.all(lists.map((crtList) => runtime.showCrtList(crtList)));
  const seen = new Map<string, RuntimeFile[]>();
  for (const file of files) {
    const places = lists.map((crtList, index) => {
      const filename = filenameIn(crtList, file);
      return { filename, crtList, isListed: entries[index]?.has(filename) ?? false };
    });
    const alone = {
      filename: filenameIn(options.crtList ?? options.certsDir, file),
      crtList: undefined,
      isListed: true,
    };
    seen.set(file, await withCertificates(runtime, places.length > 0 ? places : [alone]));
  }
  return { process, capabilities: capabilitiesOf(process.version, options.bufsize), files: seen };
}

async function withCertificates(
  runtime: Runtime,
  places: Omit<RuntimeFile, 'certificate'>[],
): Promise<RuntimeFile[]> {
  const found: RuntimeFile[] = [];
  for (const place of places)
    found.push({ ...place, certificate: await runtime.showCertificate(place.filename) });
  return found;
}

async function findCrtLists(runtime: Runtime, { certsDir, crtList }: ViewOptions): Promise<string[]> {
  const names = await runtime.showCrtLists();
  if (crtList !== undefined) return names.filter((name) => name === crtList);
  const wanted = await realpath(certsDir);
  const isOurs = await Promise.all(names.map(async (name) => (await realPathOf(name)) === wanted));
  return names.filter((_, index) => isOurs[index]);
}

/** A name of another root (chroot, container) or a relative one (crt-base) cannot be compared. */
async function realPathOf(name: string): Promise<string | undefined> {
  return name.startsWith('/') ? realpath(name).catch(() => undefined) : undefined;
}

/** Byte for byte as HAProxy joins them: never normalized. */
function filenameIn(crtList: string, file: string): string {
  return `${crtList.replace(/\/+$/, '')}/${file}`;
}
