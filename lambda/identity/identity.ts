/**
 * Who an issuer is. A function is its ARN. An issuer on a machine is that machine with the path of its configuration: whoever runs
 * `pemfleet` there by hand is the same issuer as the timer, and two files are two issuers. No state directory is needed for it.
 */
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { readRegularFile } from '#storage/atomic-file.ts';

export interface IssuerIdentity {
  /** Compared. */
  readonly id: string;
  /** What people call it. */
  readonly label: string;
}

/** A name that stands for the machine: for containers, whose machine is another one each time. */
export const IDENTITY_VARIABLE = 'PEMFLEET_ISSUER';

/** Characters of an identity or its label. */
export const MAX_IDENTITY = 300;

/** @param arn of the invoked function; what follows its name is an alias or a version of the same issuer */
export function functionIdentity(arn: string): IssuerIdentity {
  const id = arn.split(':').slice(0, 7).join(':').slice(0, MAX_IDENTITY);
  return { id, label: id };
}

/** @param configFile as given on the command line */
export async function machineIdentity(
  configFile: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<IssuerIdentity> {
  const name = env[IDENTITY_VARIABLE];
  if (name) return { id: `issuer ${name}`.slice(0, MAX_IDENTITY), label: name.slice(0, MAX_IDENTITY) };
  const path = resolve(configFile);
  // machine-id(5): it is not to be shown, so its digest is taken. Without one, the name of the host stands for it.
  const machine = (await machineId()) ?? hostname();
  const digest = createHash('sha256').update(`pemfleet ${machine} ${path}`).digest('hex');
  return { id: `machine ${digest.slice(0, 32)}`, label: `${path} on ${hostname()}`.slice(0, MAX_IDENTITY) };
}

async function machineId(): Promise<string | undefined> {
  try {
    const text = (await readRegularFile('/etc/machine-id', 4096)).toString('latin1').trim();
    // `uninitialized` during the first boot: every machine would have it.
    return /^[0-9a-f]{32}$/.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}
