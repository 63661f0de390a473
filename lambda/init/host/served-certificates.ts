/** What the binds of a HAProxy serve today: the certificates that they name, read from the disk. */
import { X509Certificate } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { readRegularFile } from '#storage/atomic-file.ts';
import type { HaproxyConfiguration } from '../plan/haproxy-config.ts';
import { bindsOf, isFront, valuesOf } from '../plan/sections.ts';
import { type ServedCertificate, sourcesOf } from '../plan/tls-binds.ts';

const MAX_PEM_BYTES = 1_000_000;
const MAX_LIST_BYTES = 50_000_000;
const MAX_FILES = 20_000;
const SIDE_FILE = /\.(key|ocsp|issuer|sctl)$/;

/** What cannot be read is left out: HAProxy's own check says what is wrong with it. */
export async function readBindCertificates(
  config: HaproxyConfiguration,
  now: Date,
): Promise<ServedCertificate[]> {
  const served: ServedCertificate[] = [];
  for (const { source, file } of await filesOnBinds(config)) {
    const certificate = await readLeaf(file);
    if (certificate !== undefined) served.push({ source, file, ...factsOf(certificate, now) });
  }
  return served;
}

/** Those of one directory. */
export async function readCertificatesIn(directory: string, now: Date): Promise<ServedCertificate[]> {
  const served: ServedCertificate[] = [];
  for (const file of await pemsAt(directory)) {
    const certificate = await readLeaf(file);
    if (certificate !== undefined) served.push({ source: directory, file, ...factsOf(certificate, now) });
  }
  return served;
}

/** A file that HAProxy loads for its binds. */
export interface BindFile {
  /** What the bind names: FILE, DIR or LIST. */
  source: string;
  kind: 'file' | 'directory' | 'crt-list';
  file: string;
  /** Of its line in a crt-list: for these names HAProxy serves it, in place of the certificate's own. */
  sniFilters?: readonly string[];
}

/** They may be missing. */
export async function filesOnBinds(config: HaproxyConfiguration): Promise<BindFile[]> {
  const binds = config.sections.filter(isFront).flatMap(bindsOf);
  const tls = binds.filter(({ isTls }) => isTls);
  const lists = new Set(tls.flatMap(({ line }) => valuesOf(line, 'crt-list')));
  const files: BindFile[] = [];
  for (const source of new Set(tls.flatMap((bind) => sourcesOf(bind, config)))) {
    if (lists.has(source)) {
      files.push(...(await listedIn(source, config)));
      continue;
    }
    const kind = await kindOf(source);
    files.push(...(await pemsAt(source)).map((file) => ({ source, kind, file })));
  }
  return files.slice(0, MAX_FILES);
}

async function kindOf(source: string): Promise<'file' | 'directory'> {
  const stats = await stat(source).catch(() => undefined);
  return stats?.isDirectory() ? 'directory' : 'file';
}

/** A file, the two of a pair, or what HAProxy loads of a directory. */
async function pemsAt(path: string): Promise<string[]> {
  const stats = await stat(path).catch(() => undefined);
  if (stats === undefined) return ['.rsa', '.ecdsa', '.dsa'].map((suffix) => path + suffix);
  if (!stats.isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => !name.startsWith('.') && !SIDE_FILE.test(name))
    .sort()
    .map((name) => join(path, name));
}

async function listedIn(list: string, { sections }: HaproxyConfiguration): Promise<BindFile[]> {
  const text = await readRegularFile(list, MAX_LIST_BYTES).then(String, () => '');
  const base = sections.flatMap(({ lines }) => lines).find(({ words: [first] }) => first === 'crt-base');
  const pathOf = (name: string) => (isAbsolute(name) ? name : join(base?.words[1] ?? '/', name));
  return text.split('\n').flatMap((line): BindFile[] => {
    const [, name, tail = ''] = /^\s*([^\s#][^\s[]*)\s*(?:\[[^\]]*\])?(.*)$/.exec(line) ?? [];
    if (name === undefined) return [];
    const sniFilters = tail.split(/\s+/).filter((word) => word !== '');
    return [
      { source: list, kind: 'crt-list', file: pathOf(name), ...(sniFilters.length > 0 && { sniFilters }) },
    ];
  });
}

async function readLeaf(file: string): Promise<X509Certificate | undefined> {
  try {
    const text = (await readRegularFile(file, MAX_PEM_BYTES)).toString('latin1');
    const [pem] = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(text) ?? [];
    return pem === undefined ? undefined : new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function factsOf(
  certificate: X509Certificate,
  now: Date,
): Pick<ServedCertificate, 'names' | 'isPlaceholder'> {
  const names = (certificate.subjectAltName ?? '')
    .split(', ')
    .flatMap((entry) => /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1] ?? [])
    .map((name) => name.toLowerCase());
  const common = /^CN=(.+)$/m.exec(certificate.subject)?.[1]?.toLowerCase();
  const isSelfSigned = certificate.subject === certificate.issuer;
  const isPast = new Date(certificate.validTo) < now;
  return {
    names: names.length > 0 ? names : common === undefined ? [] : [common],
    isPlaceholder: isSelfSigned || isPast,
  };
}
