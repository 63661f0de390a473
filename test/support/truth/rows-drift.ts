// What disk or HAProxy's own description shows: it is repaired by the next poll, and leaves its trace.
import { chmodSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { driftOf, type Planted, type TruthRow } from './row.ts';

interface DriftRow {
  name: string;
  kind: string;
  plant: TruthRow['plant'];
}

/** The leaf and its key, without the chain between them. */
const withoutChain = (pem: string) =>
  pem.replace(
    /(-----END CERTIFICATE-----\n)-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----\n/,
    '$1',
  );

const another = async ({ pki, certificate }: Planted) =>
  (await pki.issue({ names: [`${certificate}.test`] })).combined;

async function setAtRunTime({ host, path }: Planted, pem: string): Promise<void> {
  await host.haproxy.command(`set ssl cert ${path} <<\n${pem}\n`);
  await host.haproxy.command(`commit ssl cert ${path}`);
}

/** The host has the former PEM, and then the one that is published now. */
async function renew({ issuer, host, certificate, pem }: Planted): Promise<{ old: string; pem: string }> {
  const renewed = await issuer.publish(certificate);
  await host.poll();
  return { old: pem, pem: renewed };
}

const rows: readonly DriftRow[] = [
  {
    name: 'old-file-back-and-reload',
    kind: 'file-edited',
    plant: async (planted) => {
      const { old } = await renew(planted);
      writeFileSync(planted.path, old);
      await planted.host.haproxy.reload();
    },
  },
  {
    name: 'file-edited-and-reload',
    kind: 'file-edited',
    plant: async (planted) => {
      writeFileSync(planted.path, await another(planted));
      await planted.host.haproxy.reload();
    },
  },
  {
    name: 'file-edited',
    kind: 'file-edited',
    plant: async (planted) => writeFileSync(planted.path, await another(planted)),
  },
  {
    name: 'foreign-at-run-time',
    kind: 'runtime-foreign',
    plant: async (planted) => setAtRunTime(planted, await another(planted)),
  },
  {
    name: 'intermediate-missing',
    kind: 'chain-lost',
    plant: (planted) => setAtRunTime(planted, withoutChain(planted.pem)),
  },
  { name: 'file-missing', kind: 'file-missing', plant: ({ path }) => rmSync(path) },
  {
    name: 'file-is-a-link',
    kind: 'file-replaced',
    plant: ({ path }) => {
      rmSync(path);
      symlinkSync('/nowhere', path);
    },
  },
  { name: 'key-is-world-readable', kind: 'mode-changed', plant: ({ path }) => chmodSync(path, 0o644) },
  {
    name: 'entry-deleted-at-run-time',
    kind: 'line-missing',
    plant: ({ host, path }) => host.haproxy.command(`del ssl crt-list ${host.haproxy.certsDir} ${path}`),
  },
  {
    name: 'update-lost-by-a-reload',
    kind: 'update-lost',
    plant: async (planted) => {
      const { old, pem } = await renew(planted);
      writeFileSync(planted.path, old);
      await planted.host.haproxy.reload();
      writeFileSync(planted.path, pem);
    },
  },
];

export const driftRows: readonly TruthRow[] = rows.map(({ name, kind, plant }) => ({
  name,
  where: 'poll',
  on: 'lb1',
  plant,
  inHostStatus: (status, planted) => driftOf(status, planted).includes(kind),
  isNamed: true,
  line: { level: 'note', code: 'drift', says: new RegExp(`: ${kind}, repaired once`) },
  figures: ['DriftRepaired'],
  mend: () => undefined,
}));
