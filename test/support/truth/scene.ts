// A fleet of hosts with its issuer, all real but for the clock.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fleetName } from '#contract/layout.ts';
import type { HaproxyVersion } from '../parts/haproxy.ts';
import { createPki, type Pki } from '../parts/pki.ts';
import { makeTempDir } from '../temp-dir.ts';
import { startTogether } from '../together.ts';
import { TruthHost, type TruthHostOptions } from './host.ts';
import { TruthIssuer } from './issuer.ts';
import { openStore, StageClock } from './store.ts';

export const truthFleet = fleetName.parse('edge');

export interface TruthScene {
  clock: StageClock;
  issuer: TruthIssuer;
  /** By name. */
  hosts: ReadonlyMap<string, TruthHost>;
  pki: Pki;
  dir: string;
  stop(): Promise<void>;
}

export type HostPlan = Pick<TruthHostOptions, 'name' | 'configText' | 'flags'>;

export function startScene(version: HaproxyVersion, plans: readonly HostPlan[]): Promise<TruthScene> {
  return startTogether(async (keep) => {
    const { path: dir, remove } = makeTempDir();
    keep(remove);
    const clock = new StageClock();
    const bucket = await openStore(pathToFileURL(join(dir, 'bucket')).href, clock);
    const pki = await createPki();
    const issuer = await TruthIssuer.open({ bucket, fleet: truthFleet, clock, pki });
    const shared = { fleet: truthFleet, bucket, clock, key: issuer.key, version };
    const hosts = new Map<string, TruthHost>();
    for (const plan of plans) {
      const own = join(dir, plan.name);
      mkdirSync(own);
      const host = await TruthHost.start({ ...shared, ...plan, dir: own });
      keep(() => host.haproxy.stop());
      keep(() => host.stop());
      hosts.set(plan.name, host);
    }
    return { clock, issuer, hosts, pki, dir };
  });
}

/** Time goes by, and all agents prove in it as they do. */
export async function passTime(
  { clock, hosts }: Pick<TruthScene, 'clock' | 'hosts'>,
  ms: number,
): Promise<void> {
  const end = clock.now().getTime() + ms;
  const goTo = (time: number) => clock.advance(Math.max(0, time - clock.now().getTime()));
  for (;;) {
    const next = { at: Number.POSITIVE_INFINITY, host: undefined as TruthHost | undefined };
    for (const host of hosts.values()) {
      const at = await host.nextProofAt();
      if (at < next.at) Object.assign(next, { at, host });
    }
    if (next.host === undefined || next.at > end) return goTo(end);
    goTo(next.at);
    await next.host.proveNext();
  }
}
