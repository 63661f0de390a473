// A healthy fleet of five hosts, with renewals, reloads and restarts going on: whatever is called wrong there is a false alarm.
import { MINUTE_MS } from '#common/time.ts';
import type { HostStatus } from '#contract/host-status.ts';
import type { HaproxyVersion } from '../parts/haproxy.ts';
import { randomFrom } from '../random.ts';
import { levelsIn } from './figures.ts';
import type { TruthHost } from './host.ts';
import { passTime, startScene, type TruthScene } from './scene.ts';

export interface HealthyOptions {
  version: HaproxyVersion;
  /** Of a host each. */
  polls: number;
  seed: number;
}

export interface HealthyResult {
  polls: number;
  /** How often each of the events came. */
  events: Record<string, number>;
  falseAlarms: string[];
}

const HOSTS = ['lb1', 'lb2', 'lb3', 'lb4', 'lb5'];
const CERTIFICATES = ['shop', 'api', 'mail'];
/** The default of `pollInterval`. */
const POLL_MS = MINUTE_MS;
/** Longer than any poll interval, shorter than what anybody calls silent. */
const MAX_PAUSE_MS = 15 * MINUTE_MS;

interface Moment {
  scene: TruthScene;
  host: TruthHost;
  certificate: string;
  /** In [0, 1). */
  random: () => number;
}

const EVENTS: Record<string, (moment: Moment) => unknown> = {
  renewal: ({ scene, certificate }) => scene.issuer.publish(certificate),
  reload: ({ host }) => host.haproxy.reload(),
  restart: ({ host }) => host.haproxy.restart(),
  'renewal, then reload': async ({ scene, host, certificate }) => {
    await scene.issuer.publish(certificate);
    await host.haproxy.reload();
  },
  'renewal, then restart': async ({ scene, host, certificate }) => {
    await scene.issuer.publish(certificate);
    await host.haproxy.restart();
  },
  'another certificate, and its end': async ({ scene }) => {
    const { issuer } = scene;
    if (issuer.pemOf('guest') === '') await issuer.publish('guest');
    else await issuer.withdraw('guest');
  },
  'the agent starts anew': ({ host }) => host.stop(),
  'nothing, for a while': ({ scene, random }) => passTime(scene, random() * MAX_PAUSE_MS),
  'a reload, and the agents go on proving': async ({ scene, host, random }) => {
    await host.haproxy.reload();
    await passTime(scene, random() * MAX_PAUSE_MS);
  },
  'a renewal, a restart, and the agents go on proving until they poll': async ({
    scene,
    host,
    certificate,
    random,
  }) => {
    await scene.issuer.publish(certificate);
    await host.haproxy.restart();
    await passTime(scene, random() * POLL_MS);
  },
};

export async function watchHealthy(options: HealthyOptions): Promise<HealthyResult> {
  const scene = await startScene(
    options.version,
    HOSTS.map((name) => ({ name })),
  );
  try {
    return await live(scene, options);
  } finally {
    await scene.stop();
  }
}

async function live(scene: TruthScene, { polls, seed }: HealthyOptions): Promise<HealthyResult> {
  const random = randomFrom(seed);
  const oneOf = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
  const hosts = [...scene.hosts.values()];
  const result: HealthyResult = { polls: 0, events: {}, falseAlarms: [] };
  for (const name of CERTIFICATES) await scene.issuer.publish(name);
  const pollAll = async (after: string) => {
    for (const host of hosts) {
      await host.poll();
      result.polls += 1;
      const said = alarmsIn(await host.status());
      result.falseAlarms.push(...said.map((alarm) => `${after}: ${host.name}: ${alarm}`));
    }
    result.falseAlarms.push(...(await issuerAlarms(scene)).map((alarm) => `${after}: ${alarm}`));
  };
  await pollAll('start');
  while (result.polls < polls) {
    const event = oneOf(Object.keys(EVENTS));
    result.events[event] = (result.events[event] ?? 0) + 1;
    await EVENTS[event]?.({ scene, host: oneOf(hosts), certificate: oneOf(CERTIFICATES), random });
    // What is on its way is no failure.
    const { level, lines } = await scene.issuer.status();
    if (level !== 'note') result.falseAlarms.push(`right after ${event}: ${JSON.stringify(lines)}`);
    await pollAll(event);
  }
  return result;
}

function alarmsIn({ files, conditions = [], drift = [], error, removals = [] }: HostStatus): string[] {
  return [
    ...files.flatMap((file) =>
      file.state === 'served' && !file.unproven && !file.wire && !file.error ? [] : [JSON.stringify(file)],
    ),
    ...[...conditions, ...drift, ...removals].map((one) => JSON.stringify(one)),
    ...(error ? [JSON.stringify(error)] : []),
  ];
}

async function issuerAlarms({ issuer }: TruthScene): Promise<string[]> {
  const { level, lines } = await issuer.status();
  const figures = levelsIn(await issuer.figures());
  return [
    ...(level === 'note' ? [] : [`pemfleet status: ${JSON.stringify(lines)}`]),
    ...lines.filter(({ code }) => code === 'drift' || code === 'unproven').map(({ text }) => text),
    ...figures.map(([name, value]) => `${name} ${value}`),
  ];
}
