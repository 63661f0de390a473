/** Which file has the certificate that a bind hands out: one that HAProxy has loaded, or one that lies beside ours. */
import { X509Certificate } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MAX_PEM_BYTES } from '#contract/limits.ts';
import { readRegularFile } from '#storage/atomic-file.ts';
import type { CertificateStatus } from '../haproxy/answers.ts';
import type { Runtime } from '../haproxy/runtime.ts';
import type { HaproxyView } from '../haproxy/view.ts';

export interface Origin {
  /** HAProxy's own name of it, or the path on this host. */
  file: string;
  /** HAProxy has it. Otherwise it only lies in the directory: another process may have read it. */
  isLoaded: boolean;
  /** It is one that the agent looks after. */
  isOurs: boolean;
}

interface Sources {
  runtime: Pick<Runtime, 'showCertificateNames' | 'showCertificates'>;
  /** `undefined`: HAProxy cannot be asked. */
  haproxy: Pick<HaproxyView, 'files'> | undefined;
  certsDir: string;
}

/** Files of a directory that are read: strangers put some hundreds there. */
const MAX_READ = 2000;

/** Lists HAProxy's other certificates, and reads the directory, once and only where it has to. */
export class OriginFinder {
  readonly #sources: Sources;
  #others: Promise<ReadonlyMap<string, CertificateStatus | undefined>> | undefined;
  #onDisk: Promise<ReadonlyMap<string, string>> | undefined;

  constructor(sources: Sources) {
    this.#sources = sources;
  }

  /** @param isElsewhere ours has this leaf, too, and is not what is handed out */
  async originOf(leaf: X509Certificate, isElsewhere = false): Promise<Origin | undefined> {
    const { haproxy } = this.#sources;
    const ours = [...(haproxy?.files.values() ?? [])].flat();
    const own = isElsewhere ? undefined : ours.find(({ certificate }) => isSame(certificate, leaf));
    if (own !== undefined) return { file: own.filename, isLoaded: true, isOurs: true };
    this.#others ??= this.#listOthers(new Set(ours.map(({ filename }) => filename)));
    for (const [file, certificate] of await this.#others) {
      if (isSame(certificate, leaf)) return { file, isLoaded: true, isOurs: false };
    }
    this.#onDisk ??= readDirectory(this.#sources.certsDir);
    const file = isElsewhere ? undefined : (await this.#onDisk).get(leaf.fingerprint);
    return file === undefined ? undefined : { file, isLoaded: false, isOurs: false };
  }

  async #listOthers(ours: ReadonlySet<string>): Promise<ReadonlyMap<string, CertificateStatus | undefined>> {
    const { runtime, haproxy } = this.#sources;
    if (haproxy === undefined) return new Map();
    const names = await runtime.showCertificateNames().catch(() => []);
    return runtime.showCertificates(names.filter((name) => !ours.has(name))).catch(() => new Map());
  }
}

function isSame(shown: CertificateStatus | undefined, leaf: X509Certificate): boolean {
  if (shown?.serial !== leaf.serialNumber) return false;
  // HAProxy cuts off the description of a certificate with hundreds of names.
  return (
    shown.sha1Fingerprint === undefined || shown.sha1Fingerprint === leaf.fingerprint.replaceAll(':', '')
  );
}

/** @returns paths by the SHA-1 fingerprint of the leaf. Dot-files, too: HAProxy before 2.6 reads them */
async function readDirectory(directory: string): Promise<Map<string, string>> {
  const paths = new Map<string, string>();
  const names = await readdir(directory).catch(() => []);
  for (const name of names.sort().slice(0, MAX_READ)) {
    const path = join(directory, name);
    const leaf = await leafOf(path).catch(() => undefined);
    if (leaf !== undefined && !paths.has(leaf.fingerprint)) paths.set(leaf.fingerprint, path);
  }
  return paths;
}

async function leafOf(path: string): Promise<X509Certificate | undefined> {
  const body = await readRegularFile(path, MAX_PEM_BYTES).catch(isNoSmallFile);
  if (body === undefined) return undefined;
  const [block] =
    /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(body.toString('utf8')) ?? [];
  return block === undefined ? undefined : new X509Certificate(block);
}

function isNoSmallFile(error: NodeJS.ErrnoException): undefined {
  if (!['EFBIG', 'EINVAL', 'EISDIR'].includes(error.code ?? '')) throw error;
}
