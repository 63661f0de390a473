/** What happens to the bucket: backups, losses, and strangers. */
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Zone } from '../scene.ts';
import type { Campaign } from './campaign.ts';
import type { OperationKind } from './operations.ts';

const ZONES: readonly Zone[] = ['published', 'issuer', 'status'];
const anyZone = (campaign: Campaign) => [campaign.pick(ZONES)];

const pemsIn = ({ scene }: Campaign): string[] => {
  const published = join(scene.issuer.bucketDir, 'published');
  if (!existsSync(published)) return [];
  const files = readdirSync(published, { recursive: true, encoding: 'utf8' });
  return files.filter((file) => file.endsWith('.pem')).sort();
};

export const BUCKET_KINDS: Readonly<Record<string, OperationKind>> = {
  backup: {
    weight: 1,
    choose: () => [],
    apply: async ({ backups }) => backups.make(),
  },

  lose: {
    weight: 2,
    choose: anyZone,
    apply: async ({ backups }, zone) => backups.lose(zone as Zone),
  },

  /** As it was at the last backup. */
  restore: {
    weight: 2,
    choose: anyZone,
    apply: async ({ backups }, zone) => backups.restore(zone as Zone),
  },

  /** Both sides are told where it is now. */
  'move-bucket': {
    weight: 1,
    choose: () => [],
    apply: async ({ scene: { issuer, hosts, dir } }) => {
      const moved = mkdtempSync(join(dir, 'bucket-'));
      cpSync(issuer.bucketDir, moved, { recursive: true });
      rmSync(issuer.bucketDir, { recursive: true });
      issuer.moveTo(moved);
      for (const host of hosts) host.configure({ bucket: pathToFileURL(moved).href });
    },
  },

  /** PEM objects by their places in the listing: digests differ from run to run. */
  'lose-pem': {
    weight: 1,
    choose: ({ random }) => [random().toFixed(3)],
    apply: async (campaign, share) => {
      const pems = pemsIn(campaign);
      const pem = pems[Math.floor(Number(share) * pems.length)];
      if (pem !== undefined) rmSync(join(campaign.scene.issuer.bucketDir, 'published', pem));
    },
  },

  /** Somebody writes nonsense in the place of the manifest. */
  'spoil-root': {
    weight: 1,
    choose: (campaign) => [campaign.pick(['edge', 'core'])],
    apply: async ({ scene }, fleet = '') => {
      for (const name of ['root.json', 'manifest.json']) {
        const file = join(scene.issuer.bucketDir, 'published', fleet, name);
        if (existsSync(file)) writeFileSync(file, '{ "version": 2, "certificates": {} }\n');
      }
    },
  },
};
