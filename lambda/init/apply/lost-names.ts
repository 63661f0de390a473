/** What visitors lose when lines of init go: names of which HAProxy has no certificate any more. Reads only. */
import { type Installation, readConfiguration } from '../host/installation.ts';
import { readBindCertificates } from '../host/served-certificates.ts';
import { configurationOf, type HaproxyConfiguration } from '../plan/haproxy-config.ts';
import { bindsOf, isFront } from '../plan/sections.ts';
import type { FileChange } from './file-change.ts';

export interface LostNames {
  /** HTTPS for them ends. */
  names: readonly string[];
  /** Nothing listens there for TLS any more. */
  addresses: readonly string[];
}

/** @param files of HAProxy's configuration as they will be. @throws Unplannable */
export async function namesLostWith(
  files: readonly FileChange[],
  installation: Installation,
  now: Date,
): Promise<LostNames> {
  const before = await readConfiguration(installation);
  const texts = before.texts.map((one) => {
    const body = files.find(({ path }) => path === one.file)?.body;
    return body === undefined ? one : { ...one, text: body.toString(one.encoding) };
  });
  const after = configurationOf(texts, before.env);
  const left = new Set(await namesOn(after, now));
  const isLeft = (name: string) => left.has(name) || left.has(name.replace(/^[^.]+/, '*'));
  const addresses = tlsAddressesOn(after);
  return {
    names: (await namesOn(before, now)).filter((name) => !isLeft(name)),
    addresses: tlsAddressesOn(before).filter((address) => !addresses.includes(address)),
  };
}

async function namesOn(config: HaproxyConfiguration, now: Date): Promise<string[]> {
  const served = await readBindCertificates(config, now);
  return [...new Set(served.filter(({ isPlaceholder }) => !isPlaceholder).flatMap(({ names }) => names))];
}

const tlsAddressesOn = ({ sections }: HaproxyConfiguration): string[] =>
  sections
    .filter(isFront)
    .flatMap(bindsOf)
    .filter(({ isTls }) => isTls)
    .flatMap(({ addresses }) => addresses);
