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
/** No command lives longer: ten minutes until it is delivered, half an hour in which it runs. */
const COMMAND_MS = 41 * 60_000;

/** `back`: from this release to the one before; on a host that has not got it, nothing. */
export interface HostCommand {
  action: 'upgrade' | 'back';
  release: string;
}

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
    const names = wave.map(({ host }) => host);
    const command = await actions.send({ action: 'upgrade', release }, names);
    const verdicts = await judgeWave({ release, wave, timeoutMs }, command, actions);
    const failed = [...verdicts].filter(([, { state }]) => state !== 'proved');
    if (failed.length === 0) {
      for (const { host } of wave) note({ host, state: 'upgraded', why: '' });
      continue;
    }
    const back = await takeBack({ release, names, upgrade: command }, actions);
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

async function judgeWave(
  { release, wave, timeoutMs }: Wave,
  command: string,
  actions: UpgradeActions,
): Promise<Map<string, UpgradeVerdict>> {
  const deadline = actions.now().getTime() + timeoutMs;
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

interface FailedWave {
  release: string;
  names: readonly string[];
  /** Id of the command that upgrades its hosts. */
  upgrade: string;
}

/**
 * Only after the upgrade is over on a host: one that still runs would bring the new agent after the former one has come back.
 * @returns why a host may not be back; those that are, are not in it
 */
async function takeBack(
  { release, names, upgrade }: FailedWave,
  actions: UpgradeActions,
): Promise<Map<string, string>> {
  const upgraded = await endOf(upgrade, names, actions);
  const ready = names.filter((name) => upgraded.has(name));
  const running = names.filter((name) => !upgraded.has(name));
  const command = ready.length > 0 && (await actions.send({ action: 'back', release }, ready));
  const over = command === false ? new Map() : await endOf(command, ready, actions);
  return new Map([
    ...running.map((name): [string, string] => [name, 'the upgrade has not ended']),
    ...ready.flatMap((name): [string, string][] => {
      const failure = over.has(name) ? over.get(name) : 'the command has not ended';
      return failure === undefined ? [] : [[name, failure]];
    }),
  ]);
}

/** Waits until a command is over everywhere, but no longer than commands live. @returns where it is over, with why it failed */
async function endOf(
  command: string,
  names: readonly string[],
  actions: UpgradeActions,
): Promise<Map<string, string | undefined>> {
  const deadline = actions.now().getTime() + COMMAND_MS;
  for (;;) {
    const ends = (await actions.endsOf(command)).filter(({ isOver }) => isOver);
    const over = new Map(ends.map(({ host, failure }) => [host, failure]));
    if (names.every((name) => over.has(name)) || actions.now().getTime() >= deadline) return over;
    await actions.sleep(PAUSE_MS);
  }
}
