/** The limits that hold for the account at a configured CA: the published ones, less what the configuration sets in their place. */

import { HOUR_MS } from '#common/time.ts';
import type { AcmeSettings } from '../config/acme.ts';
import { knownCaOf } from '../config/known-cas.ts';
import {
  type CaLimits,
  LIMIT_KINDS,
  type Limit,
  type LimitKind,
  type LimitSettings,
  NO_LIMITS,
} from '../config/limits.ts';

/** Settings that say what a CA allows. */
export interface LimitConfig {
  readonly acme?: Pick<AcmeSettings, 'directoryUrl' | 'limits'>;
  readonly fallback?: readonly Pick<AcmeSettings, 'directoryUrl' | 'limits'>[];
  /** Of the account at each CA, in place of what the CA publishes. */
  readonly ordersPer3Hours?: number | undefined;
}

/** Of the published new orders we place this part: the CA may count some of them later than we do. */
const SHARE_OF_ORDERS = 5 / 6;

/** By directory URL; a CA that is not configured any more has its published limits. */
export function limitsOf(config: LimitConfig, directoryUrl: string): CaLimits {
  const settings = [config.acme, ...(config.fallback ?? [])].find((ca) => ca?.directoryUrl === directoryUrl);
  const known = knownCaOf(directoryUrl) ?? NO_LIMITS;
  const limits = { ...withMargin(known.limits), ...ordersOf(config), ...configuredOf(settings?.limits) };
  const limited = LIMIT_KINDS.flatMap((kind) => {
    const limit = limits[kind];
    return limit === undefined ? [] : [[kind, limit] as const];
  });
  return { ...known, limits: Object.fromEntries(limited) };
}

/** `limitsOf`, computed once for each CA. */
export function limitsByUrl(config: LimitConfig): (directoryUrl: string) => CaLimits {
  const known = new Map<string, CaLimits>();
  return (directoryUrl) => {
    const limits = known.get(directoryUrl) ?? limitsOf(config, directoryUrl);
    known.set(directoryUrl, limits);
    return limits;
  };
}

type Limits = Partial<Record<LimitKind, Limit | undefined>>;

function withMargin({ newOrders, ...others }: CaLimits['limits']): Limits {
  if (newOrders === undefined) return others;
  return { ...others, newOrders: { ...newOrders, count: Math.floor(newOrders.count * SHARE_OF_ORDERS) } };
}

function ordersOf({ ordersPer3Hours: count }: LimitConfig): Limits {
  return count === undefined ? {} : { newOrders: { count, perMs: 3 * HOUR_MS } };
}

function configuredOf(settings: LimitSettings): Limits {
  if (settings === undefined) return {};
  const each = LIMIT_KINDS.map((kind) => {
    const set = settings === false ? false : (settings as Partial<Record<LimitKind, Setting>>)[kind];
    return [kind, set] as const;
  });
  const set = each.filter(([, value]) => value !== undefined);
  return Object.fromEntries(set.map(([kind, value]) => [kind, limitFrom(value)]));
}

type Setting = false | { count: number; hours: number } | undefined;

function limitFrom(setting: Setting): Limit | undefined {
  return setting ? { count: setting.count, perMs: setting.hours * HOUR_MS } : undefined;
}
