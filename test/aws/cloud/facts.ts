// What is published, what is served, what an invocation said; and a CA that asks for renewals.
import { setTimeout as sleep } from 'node:timers/promises';
import { handshake } from '../../support/handshake.ts';
import type { Invocation } from '../lambda/function.ts';
import type { Cloud } from './cloud.ts';

export interface Published {
  serial: string;
  leafPem: string;
}

const END = '-----END CERTIFICATE-----\n';

/** By certificate. */
export function published({ aws, bucket }: Pick<Cloud, 'aws' | 'bucket'>): Map<string, Published> {
  const read = (key: string) => aws.s3.text(bucket, `published/default/${key}`) ?? '';
  const { certificates } = JSON.parse(read('root.json')) as {
    certificates: Record<string, { pems: { serial: string; sha256: string }[] }>;
  };
  const leaves = Object.entries(certificates).map(([name, { pems }]) => {
    const [{ serial, sha256 } = { serial: '', sha256: '' }] = pems;
    const pem = read(`pem/${name}/${sha256}.pem`);
    return [name, { serial, leafPem: pem.slice(0, pem.indexOf(END) + END.length) }] as const;
  });
  return new Map(leaves);
}

/** Waits until HAProxy shows what is published under this name. @returns the serial */
export async function served(cloud: Cloud, certificate: string, servername = certificate): Promise<string> {
  const wanted = published(cloud).get(certificate)?.serial ?? `no ${certificate} published`;
  for (let round = 0; round < 300; round += 1) {
    const seen = await handshake({ port: cloud.httpsPort, servername }).catch(() => undefined);
    if (seen?.serial === wanted) return wanted;
    await sleep(100);
  }
  throw new Error(`${servername} is not served with ${wanted}:\n${cloud.agent.log()}`);
}

/** All PEMs that are published are gone from the bucket: the next pass orders them anew. */
export function losePems({ aws, bucket }: Pick<Cloud, 'aws' | 'bucket'>): void {
  const { certificates } = JSON.parse(aws.s3.text(bucket, 'published/default/root.json') ?? '') as {
    certificates: Record<string, { pems: { sha256: string }[] }>;
  };
  for (const [name, { pems }] of Object.entries(certificates)) {
    for (const { sha256 } of pems) aws.s3.remove(bucket, `published/default/pem/${name}/${sha256}.pem`);
  }
}

/** The CA suggests by ARI that all be renewed now, and the next pass asks it. */
export async function askForRenewal(cloud: Cloud): Promise<void> {
  const hour = (from: number) => new Date(Date.now() + from * 3_600_000).toISOString();
  const suggestedWindow = { start: hour(-2), end: hour(-1) };
  for (const { leafPem } of published(cloud).values()) {
    await cloud.pebble.setRenewalInfo(leafPem, { suggestedWindow });
  }
  cloud.aws.s3.remove(cloud.bucket, 'issuer/renewal-info.json');
}

export const messagesOf = ({ log }: Invocation) =>
  log.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>);
