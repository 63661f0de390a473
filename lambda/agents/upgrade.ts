/**
 * The agents of a fleet, upgraded by Run Command: canaries first, each wave proved by the status of its hosts before the next one is twice as
 * large. The first wave that is not proved is taken back, and no other begins.
 */
import type { ReadStatus, UnreadableStatus } from '../fleet/read-status.ts';
import { proveUpgrade, type UpgradeVerdict } from './prove-upgrade.ts';

/** Systems Manager takes so many instance ids in one command. */
const MAX_WAVE = 50;
/** Between two looks at the hosts of a wave. */
const PAUSE_MS = 5_000;
/** A host that was told to take its agent back has so long. */
const BACK_MS = 5 * 60_000;

export type HostCommand = { action: 'upgrade'; release: string } | { action: 'back' };

/** What became of a command on one host. */
export interface CommandEnd {
  host: string;
  isOver: boolean;
  /** Why it failed; undefined: it did not. */
  failure?: string | undefined;
}

export interface UpgradeActions {
  /** Sends a command to hosts. @returns its id */
  send(command: HostCommand, hosts: readonly string[]): Promise<string>;
  endsOf(commandId: string): Promise<CommandEnd[]>;
  /** The latest report of a host. */
  statusOf(host: string): Promise<ReadStatus | UnreadableStatus | undefined>;
  now(): Date;
  sleep(ms: number): Promise<unknown>;
  onState(host: UpgradedHost): void;
}

export interface UpgradedHost {
  host: string;
  /** `failed`: neither proved nor certainly back: look there. `untouched`: a wave before it failed. */
  state: 'upgraded' | 'taken-back' | 'failed' | 'untouched';
  why: string;
}

export interface UpgradeRequest {
  release: string;
  waves: readonly (readonly ReadStatus[])[];
  /** For each wave. */
  timeoutMs: number;
}

/** Canaries, then waves that double. */
export function wavesOf<T>(hosts: readonly T[], canaries: number): T[][] {
  const waves: T[][] = [];
  for (let [start, size] = [0, canaries]; start < hosts.length; ) {
    waves.push(hosts.slice(start, start + size));
    [start, size] = [start + size, Math.min(size * 2, MAX_WAVE)];
  }
  return waves;
}

export async function upgradeAgents(
  { release, waves, timeoutMs }: UpgradeRequest,
  actions: UpgradeActions,
): Promise<UpgradedHost[]> {
  const results: UpgradedHost[] = [];
  const note = (result: UpgradedHost) => {
    results.push(result);
    actions.onState(result);
  };
  for (const [index, wave] of waves.entries()) {
    const verdicts = await upgradeWave({ release, wave, timeoutMs }, actions);
    const failed = [...verdicts].filter(([, { state }]) => state !== 'proved');
    if (failed.length === 0) {
      for (const { host } of wave) note({ host, state: 'upgraded', why: '' });
      continue;
    }
    const back = await takeBack(wave, actions);
    for (const { host } of wave) note(afterFailure(host, verdicts.get(host), back.get(host)));
    for (const { host } of waves.slice(index + 1).flat()) note({ host, state: 'untouched', why: '' });
    return results;
  }
  return results;
}

function afterFailure(
  host: string,
  verdict: UpgradeVerdict | undefined,
  backFailure: string | undefined,
): UpgradedHost {
  const why = verdict?.state === 'proved' ? 'another host of its wave failed' : (verdict?.why ?? '');
  if (backFailure === undefined) return { host, state: 'taken-back', why };
  return { host, state: 'failed', why: `${why}; and the former agent did not come back: ${backFailure}` };
}

interface Wave {
  release: string;
  wave: readonly ReadStatus[];
  timeoutMs: number;
}

async function upgradeWave(
  { release, wave, timeoutMs }: Wave,
  actions: UpgradeActions,
): Promise<Map<string, UpgradeVerdict>> {
  const deadline = actions.now().getTime() + timeoutMs;
  const names = wave.map(({ host }) => host);
  const command = await actions.send({ action: 'upgrade', release }, names);
  for (;;) {
    const ends = new Map((await actions.endsOf(command)).map((end) => [end.host, end]));
    const judged = wave.map(async (before): Promise<[string, UpgradeVerdict]> => {
      const failure = ends.get(before.host)?.failure;
      if (failure !== undefined) return [before.host, { state: 'failed', why: failure }];
      return [before.host, proveUpgrade(before, await actions.statusOf(before.host), release)];
    });
    const verdicts = new Map(await Promise.all(judged));
    const states = [...verdicts.values()].map(({ state }) => state);
    const isOver = states.includes('failed') || states.every((state) => state === 'proved');
    if (isOver || actions.now().getTime() >= deadline) return verdicts;
    await actions.sleep(PAUSE_MS);
  }
}

/** @returns why a host may not be back; those that are, are not in it */
async function takeBack(wave: readonly ReadStatus[], actions: UpgradeActions): Promise<Map<string, string>> {
  const deadline = actions.now().getTime() + BACK_MS;
  const names = wave.map(({ host }) => host);
  const command = await actions.send({ action: 'back' }, names);
  for (;;) {
    const ends = await actions.endsOf(command);
    const isOver = names.every((name) => ends.some(({ host, isOver: ended }) => host === name && ended));
    if (isOver || actions.now().getTime() >= deadline) {
      const over = new Map(ends.filter((end) => end.isOver).map((end) => [end.host, end.failure]));
      return new Map(
        names.flatMap((name): [string, string][] => {
          const failure = over.has(name) ? over.get(name) : 'the command has not ended';
          return failure === undefined ? [] : [[name, failure]];
        }),
      );
    }
    await actions.sleep(PAUSE_MS);
  }
}
