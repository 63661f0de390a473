/** The certificates that HAProxy has: as its files have them, and where it runs, as it says itself. */
import { normalize } from 'node:path';
import { messageOf } from '#contract/errors.ts';
import { readRegularFile } from '#storage/atomic-file.ts';
import { type BindFile, filesOnBinds } from '../../init/host/served-certificates.ts';
import type { HaproxyConfiguration } from '../../init/plan/haproxy-config.ts';
import { bareSerial } from '../../replacement/covered.ts';
import type { LoadedFile } from '../plan/choose-files.ts';
import { type NotAdoptable, type PresentPem, readPresentPem } from './present-pem.ts';
import type { RuntimeCertificates } from './runtime-certificates.ts';

const MAX_PEM_BYTES = 1_000_000;

export interface LoadRequest {
  config: HaproxyConfiguration;
  /** undefined: HAProxy is not asked. */
  runtime: RuntimeCertificates | undefined;
  /** What some client has of a serial number: certificate, chain and key. */
  contentOf: (serial: string) => Promise<string | undefined>;
  now: Date;
}

/** What HAProxy runs with is what it goes on to serve, whatever its files say. @throws Unplannable where it does not answer */
export async function loadFiles(request: LoadRequest): Promise<LoadedFile[]> {
  const { config, runtime } = request;
  const onBinds = await filesOnBinds(config);
  const names = await runtime?.names();
  const loaded: LoadedFile[] = [];
  for (const one of onBinds) {
    const pem = one.file.includes('/@') ? OF_STORE : await readFromDisk(one.file, request.now);
    if (pem === undefined) continue;
    const name = names?.find((known) => normalize(known) === one.file);
    loaded.push({ ...one, pem: names === undefined ? pem : await asServed(name, pem, request) });
  }
  return [...loaded, ...(await atRunTimeOnly(names ?? [], onBinds, request))];
}

const OF_STORE: NotAdoptable = {
  why: 'is in a crt-store, whose names the agent does not know: name the PEM file itself on the bind (crt FILE), then adopt again',
};

/** @returns undefined: there is no such file (of a pair that a bind could mean, most are missing) */
async function readFromDisk(file: string, now: Date): Promise<PresentPem | NotAdoptable | undefined> {
  const text = await readPem(file);
  if (typeof text !== 'string') return text;
  if (/PRIVATE KEY-----/.test(text)) return readPresentPem(text, now);
  // HAProxy takes the key from beside it, too (ssl-load-extra-files).
  const key = await readPem(`${file}.key`);
  const pem = readPresentPem(text, now);
  return typeof key === 'string' ? { ...KEY_BESIDE, leaf: pem.leaf } : pem;
}

const KEY_BESIDE: NotAdoptable = {
  why: 'has its private key in a file of its own (.key): put both into one file, then adopt again',
};

async function readPem(file: string): Promise<string | NotAdoptable | undefined> {
  try {
    return (await readRegularFile(file, MAX_PEM_BYTES)).toString('latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    return { why: `cannot be read (${messageOf(error)})` };
  }
}

async function asServed(
  name: string | undefined,
  pem: PresentPem | NotAdoptable,
  { runtime, contentOf, now }: LoadRequest,
): Promise<PresentPem | NotAdoptable> {
  if (name === undefined)
    return { why: 'HAProxy has not loaded it: reload HAProxy, or move it away; then adopt again' };
  const serial = bareSerial((await runtime?.servedSerial(name)) ?? '');
  if (serial === '' || ('text' in pem && bareSerial(pem.leaf.serialNumber) === serial)) return pem;
  const content = (await runtime?.dump(name)) ?? (await contentOf(serial));
  if (content !== undefined) return readPresentPem(content, now);
  return {
    leaf: pem.leaf,
    why: `HAProxy serves ${serial}, which stands in no file, and HAProxy before 3.2 does not show its key: reload HAProxy, so that it serves what the file has, then adopt again`,
  };
}

/** Somebody has added them to a directory or a list: a restart of HAProxy would forget them. */
async function atRunTimeOnly(
  names: readonly string[],
  onBinds: readonly BindFile[],
  { runtime, now }: LoadRequest,
): Promise<LoadedFile[]> {
  const directories = new Set(onBinds.filter(({ kind }) => kind === 'directory').map(({ source }) => source));
  const files = new Set(onBinds.map(({ file }) => file));
  const loaded: LoadedFile[] = [];
  for (const name of names
    .map((one) => normalize(one))
    .filter((one) => one.startsWith('/') && !files.has(one))) {
    const source = [...directories].find((directory) => name.startsWith(`${directory}/`));
    if (source === undefined || (await runtime?.servedSerial(name)) === undefined) continue;
    const content = await runtime?.dump(name);
    const pem = content === undefined ? AT_RUN_TIME : readPresentPem(content, now);
    loaded.push({ source, kind: 'directory', file: name, pem });
  }
  return loaded;
}

const AT_RUN_TIME: NotAdoptable = {
  why: 'stands in no file: somebody has loaded it at run time, and HAProxy before 3.2 does not show its key; write it to its file, then adopt again',
};
