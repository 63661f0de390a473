/** What init finds on a machine before it asks anything. Reads only. */

import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { type NamedHost, readHostNames } from './host/host-names.ts';
import { findInstallation, type Installation, readConfiguration, type Search } from './host/installation.ts';
import { listeningPorts } from './host/listening.ts';
import { readBindCertificates } from './host/served-certificates.ts';
import type { HaproxyConfiguration } from './plan/haproxy-config.ts';
import { bindsOf, hasPort, isFront } from './plan/sections.ts';
import type { ServedCertificate } from './plan/tls-binds.ts';

export interface Discovery {
  installation: Installation;
  config: HaproxyConfiguration;
  served: readonly ServedCertificate[];
  hosts: readonly NamedHost[];
}

/** @throws Unplannable */
export async function discover(search: Search, now: Date): Promise<Discovery> {
  const installation = findInstallation(search);
  const config = await readConfiguration(installation);
  const served = await readBindCertificates(config, now);
  return { installation, config, served, hosts: await readHostNames(config, installation.directory) };
}

/** Beside HAProxy's configuration: `certs`, unless it holds what is not pemfleet's. */
export function chooseDirectory({ installation, served }: Discovery): string {
  const [first = '/etc/haproxy/haproxy.cfg'] = installation.files;
  const home = dirname(first).replace(/\/conf\.d$/, '');
  const usual = join(home, 'certs');
  const isForeign = served.some(({ file }) => dirname(file) === usual) && !isPemfleets(usual);
  return isForeign || (hasFiles(usual) && !isPemfleets(usual)) ? join(home, 'pemfleet') : usual;
}

const isPemfleets = (directory: string) =>
  existsSync(join(directory, '.pemfleet-files')) || existsSync(join(directory, '.pemfleet-files.json'));

function hasFiles(directory: string): boolean {
  return existsSync(directory) && readdirSync(directory).some((name) => !name.startsWith('.'));
}

/** For a bind that proves certificates: a port that no bind has, and no other program. */
export function chooseProofPort({ config }: Pick<Discovery, 'config'>): number {
  const binds = config.sections.filter(isFront).flatMap(bindsOf);
  const taken = listeningPorts();
  const isFree = (port: number) =>
    !taken.has(port) && !binds.some(({ addresses }) => addresses.some((address) => hasPort(address, port)));
  return Array.from({ length: 90 }, (_, index) => 8403 + index).find(isFree) ?? 8403;
}

export const samePath = (left: string, right: string): boolean =>
  normalize(left).replace(/\/+$/, '') === normalize(right).replace(/\/+$/, '');
