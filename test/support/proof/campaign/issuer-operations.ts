/** Operations of the issuer and of its operator. */
import { fileURLToPath } from 'node:url';
import { HOUR_MS } from '#common/time.ts';
import type { ConfiguredCertificate } from '../issuer.ts';
import type { Campaign } from './campaign.ts';
import type { OperationKind } from './operations.ts';

const preload = fileURLToPath(new URL('../../kill-after.mjs', import.meta.url));
/** External calls of a run that renews one certificate, some more or less. */
const MAX_CALLS = 60;
const MAX_CERTIFICATES = 7;
const MAX_CLOCK_HOURS = 48;

const named = (campaign: Campaign, name: string) => {
  const certificate = campaign.certificates.find((one) => one.name === name);
  if (certificate === undefined) throw new TypeError(`no certificate ${name}`);
  return certificate;
};
const replace = (campaign: Campaign, name: string, changed: readonly ConfiguredCertificate[]) =>
  campaign.scene.issuer.configure(
    campaign.certificates.flatMap((one) => (one.name === name ? changed : [one])),
  );
const anyName = (campaign: Campaign): string[] | undefined =>
  campaign.certificates.length === 0 ? undefined : [campaign.pick(campaign.certificates).name];
const pass = (campaign: Campaign) => campaign.pass();

export const ISSUER_KINDS: Readonly<Record<string, OperationKind>> = {
  pass: { weight: 3, choose: () => [], apply: pass },

  /** A certificate that nobody had. */
  add: {
    weight: 2,
    choose: (campaign) => {
      if (campaign.certificates.length >= MAX_CERTIFICATES) return undefined;
      return [campaign.nextName(), ...campaign.pick([['edge'], ['core'], ['edge', 'core']])];
    },
    apply: async (campaign, name, ...fleets) => {
      const identifiers = [`${name}.test`];
      campaign.scene.issuer.configure([
        ...campaign.certificates,
        { name: String(name), identifiers, fleets },
      ]);
      await pass(campaign);
    },
  },

  /** Only this one, though it is not due. */
  renew: {
    weight: 4,
    choose: anyName,
    apply: async (campaign, name = '') => {
      await campaign.pass({ force: true, only: campaign.scene.issuer.specNames(name) });
    },
  },

  'renew-all': {
    weight: 1,
    choose: () => [],
    apply: (campaign) => campaign.pass({ force: true }),
  },

  /** Another name for the same identifiers. */
  rename: {
    weight: 2,
    choose: (campaign) => {
      const names = anyName(campaign);
      return names && [...names, campaign.nextName()];
    },
    apply: async (campaign, name = '', newName = '') => {
      replace(campaign, name, [{ ...named(campaign, name), name: newName }]);
      await pass(campaign);
    },
  },

  /** The operator takes it out of the configuration; what is published stays published. */
  remove: {
    weight: 1,
    choose: (campaign) => (campaign.certificates.length > 2 ? anyName(campaign) : undefined),
    apply: async (campaign, name = '') => {
      replace(campaign, name, []);
      await pass(campaign);
    },
  },

  /** To other fleets. */
  move: {
    weight: 2,
    choose: (campaign) => {
      const names = anyName(campaign);
      return names && [...names, ...campaign.pick([['edge'], ['core'], ['edge', 'core']])];
    },
    apply: async (campaign, name = '', ...fleets) => {
      replace(campaign, name, [{ ...named(campaign, name), fleets }]);
      await pass(campaign);
    },
  },

  /** The operator's word: what is not configured any more goes. */
  withdraw: {
    weight: 1,
    choose: (campaign) => {
      const left = campaign.unconfigured.filter((one) => !campaign.isWithdrawn(one));
      return left.length === 0 ? undefined : [campaign.pick(left).name];
    },
    apply: (campaign, name = '') => campaign.withdraw(name),
  },

  /** It is configured again, withdrawn or not. */
  'configure-again': {
    weight: 1,
    choose: (campaign) => {
      const { unconfigured, certificates } = campaign;
      // Two of one name are a mistake of the configuration.
      const names = new Set(certificates.flatMap(({ identifiers }) => identifiers));
      const free = unconfigured.filter(({ identifiers }) => !identifiers.some((one) => names.has(one)));
      if (free.length === 0 || certificates.length >= MAX_CERTIFICATES) return undefined;
      return [campaign.pick(free).name];
    },
    apply: async (campaign, name) => {
      const again = campaign.unconfigured.filter((one) => one.name === name);
      campaign.scene.issuer.configure([...campaign.certificates, ...again]);
      await pass(campaign);
    },
  },

  'rotate-key': {
    weight: 1,
    choose: () => [],
    apply: (campaign) => campaign.rotateKey(),
  },

  /** kill -9 during a renewal, after so many of its external calls. */
  'kill-issuer': {
    weight: 2,
    choose: (campaign) => {
      const names = anyName(campaign);
      return names && [...names, String(1 + Math.floor(campaign.random() * MAX_CALLS))];
    },
    apply: async ({ scene }, name = '', calls = '') => {
      const env = { KILL_AFTER: calls, NODE_OPTIONS: `--import=${preload}` };
      await scene.issuer.command(['run', '--force-renewal', '--only', name], { env });
    },
  },

  /** A pass with a wrong clock. */
  'issuer-clock': {
    weight: 1,
    choose: ({ random }) => [String(Math.round((random() * 2 - 1) * MAX_CLOCK_HOURS))],
    apply: async (campaign, hours) => {
      const { issuer } = campaign.scene;
      issuer.aheadMs = Number(hours) * HOUR_MS;
      try {
        await pass(campaign);
      } finally {
        issuer.aheadMs = 0;
      }
    },
  },
};
