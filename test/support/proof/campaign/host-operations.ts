/** What happens to a host: reloads, kills, strangers, a full disk, a wrong clock, sleep. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DAY_MS } from '#common/time.ts';
import { digest } from '#contract/combined-pem.ts';
import { createPki } from '../../parts/pki.ts';
import type { FleetHost } from '../host.ts';
import type { Campaign } from './campaign.ts';
import type { OperationKind } from './operations.ts';

const preload = fileURLToPath(new URL('../../agent/kill-preload.mjs', import.meta.url));
/** Outward calls of a pass with one update, some more or less. */
const MAX_CALLS = 90;
const MAX_CLOCK_DAYS = 100;
const MAX_SLEEP = 6;
/** Bytes: no PEM fits, as on a full disk. */
const FULL = 1000;

const anyHost = (campaign: Campaign): string[] | undefined =>
  campaign.awake.length === 0 ? undefined : [campaign.pick(campaign.awake).name];
const withNumber = (campaign: Campaign, max: number): string[] | undefined => {
  const host = anyHost(campaign);
  return host && [...host, String(1 + Math.floor(campaign.random() * max))];
};

/**
 * One of the host's files that the bucket can give again, by its place among them. What somebody overwrites when nothing has a copy
 * of it any more is gone: HAProxy serves it until its next reload, and nobody can bring it back.
 */
function fileOf({ scene }: Campaign, host: FleetHost, place: string | undefined): string | undefined {
  const { certsDir } = host.haproxy;
  const published = join(scene.issuer.bucketDir, 'published', host.fleet);
  const rootFile = join(published, 'root.json');
  const root = existsSync(rootFile) ? readFileSync(rootFile, 'utf8') : '';
  const files = readdirSync(certsDir)
    .filter((name) => name.endsWith('.pem'))
    .sort();
  const replaceable = files.filter((file) => {
    const sha256 = digest(readFileSync(join(certsDir, file), 'utf8'));
    const pem = join(published, 'pem', file.replace(/\.pem$/, ''), `${sha256}.pem`);
    return root.includes(`"${sha256}"`) && existsSync(pem);
  });
  const name = replaceable[Number(place) % Math.max(replaceable.length, 1)];
  return name && join(certsDir, name);
}

const strangerPki = await createPki();

/** A certificate of another CA, with its key, for the first name of the file. */
async function foreignFor(file: string): Promise<string> {
  const [, name = ''] = /([^/]+)\.pem$/.exec(file) ?? [];
  return (await strangerPki.issue({ names: [`${name}.test`] })).combined;
}

export const HOST_KINDS: Readonly<Record<string, OperationKind>> = {
  reload: {
    weight: 2,
    choose: anyHost,
    apply: async (campaign, name = '') => campaign.hostNamed(name).haproxy.reload(),
  },

  restart: {
    weight: 1,
    choose: anyHost,
    apply: async (campaign, name = '') => campaign.hostNamed(name).haproxy.restart(),
  },

  'kill-agent': {
    weight: 3,
    choose: (campaign) => withNumber(campaign, MAX_CALLS),
    apply: async (campaign, name = '', at = '') => {
      const host = campaign.hostNamed(name);
      const env = { PEMFLEET_KILL_AT: at, PEMFLEET_KILL_REPORT: join(campaign.scene.dir, 'kills') };
      await host.program(['sync'], { env, preload });
      campaign.skipped.add(host);
    },
  },

  'lose-state': {
    weight: 2,
    choose: anyHost,
    apply: async (campaign, name = '') =>
      rmSync(campaign.hostNamed(name).stateDir, { recursive: true, force: true }),
  },

  /** Somebody writes another certificate into one of our files. */
  'edit-file': {
    weight: 1,
    choose: (campaign) => withNumber(campaign, 10),
    apply: async (campaign, name = '', place) => {
      const file = fileOf(campaign, campaign.hostNamed(name), place);
      if (file !== undefined) writeFileSync(file, await foreignFor(file));
    },
  },

  'delete-file': {
    weight: 1,
    choose: (campaign) => withNumber(campaign, 10),
    apply: async (campaign, name = '', place) => {
      const file = fileOf(campaign, campaign.hostNamed(name), place);
      if (file !== undefined) rmSync(file);
    },
  },

  /** Somebody gives HAProxy another certificate at run time. */
  'set-cert': {
    weight: 1,
    choose: (campaign) => withNumber(campaign, 10),
    apply: async (campaign, name = '', place) => {
      const host = campaign.hostNamed(name);
      const file = fileOf(campaign, host, place);
      if (file === undefined) return;
      await host.haproxy.command(`set ssl cert ${file} <<\n${await foreignFor(file)}\n`);
      await host.haproxy.command(`commit ssl cert ${file}`);
    },
  },

  /** Nothing of the size of a PEM can be written during a pass. */
  'disk-full': {
    weight: 2,
    choose: anyHost,
    apply: async (campaign, name = '') => {
      const host = campaign.hostNamed(name);
      await host.program(['sync'], { through: ['prlimit', `--fsize=${FULL}`] });
      campaign.skipped.add(host);
    },
  },

  /** A pass with a wrong clock. */
  'host-clock': {
    weight: 2,
    choose: (campaign) => {
      const host = anyHost(campaign);
      return host && [...host, String(Math.round((campaign.random() * 2 - 1) * MAX_CLOCK_DAYS))];
    },
    apply: async (campaign, name = '', days) => {
      const host = campaign.hostNamed(name);
      host.aheadMs = Number(days) * DAY_MS;
      await host.pass();
      host.aheadMs = 0;
      campaign.skipped.add(host);
    },
  },

  /** Its agent does not run for so many operations. */
  sleep: {
    weight: 2,
    choose: (campaign) => withNumber(campaign, MAX_SLEEP),
    apply: async (campaign, name = '', operations) => {
      campaign.asleep.set(campaign.hostNamed(name), Number(operations));
    },
  },
};
