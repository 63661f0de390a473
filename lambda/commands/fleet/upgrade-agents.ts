/** `pemfleet upgrade-agents --fleet F`: the release that the bucket names, on every host of the fleet that Run Command reaches. */
import { setTimeout as sleep } from 'node:timers/promises';
import { printable } from '#common/printable.ts';
import { SECOND_MS } from '#common/time.ts';
import { type FleetName, fleetName } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { type ReleasePointer, readReleasePointer } from '../../agents/release-pointer.ts';
import { type UpgradedHost, type UpgradeRequest, upgradeAgents, wavesOf } from '../../agents/upgrade.ts';
import type { AuditTrail } from '../../audit/trail.ts';
import { configuredFleets } from '../../config/config.ts';
import { isSilent } from '../../fleet/behind.ts';
import { isReadable, listStatuses, type ReadStatus, readHostStatus } from '../../fleet/read-status.ts';
import { type Command, loadConfigAndBucket, now, openAuditTrail, print, printJson } from '../command.ts';
import { type CommandValues, UsageError } from '../line/options.ts';
import { EXIT } from '../output.ts';

/** Of EC2 and of Systems Manager's hybrid nodes: a host of another name reports, and no command finds it. */
const INSTANCE_ID = /^(i|mi)-[0-9a-f]{8,17}$/;

export const upgradeAgentsCommand: Command = async (values) => {
  const fleet = fleetName.safeParse(values.fleet).data;
  if (fleet === undefined) throw new UsageError(`upgrade-agents wants --fleet NAME, saw ${values.fleet}`);
  const canaries = Number(values.canary);
  if (!Number.isInteger(canaries) || canaries < 1) {
    throw new UsageError(`--canary wants a number of hosts, saw ${values.canary}`);
  }
  const document = process.env['PEMFLEET_UPGRADE_DOCUMENT'];
  if (!document && !values['dry-run']) {
    throw new UsageError('set PEMFLEET_UPGRADE_DOCUMENT to the output UpgradeDocument of the stack');
  }
  const { config, bucket } = await loadConfigAndBucket(values);
  const fleets = configuredFleets(config);
  if (!fleets.includes(fleet)) {
    throw new UsageError(
      `no certificate is configured for the fleet ${fleet}; there are ${fleets.join(', ')}`,
    );
  }
  const release = releaseIn(await readReleasePointer(bucket), values.back);
  const plan = await planUpgrade(bucket, fleet, release);
  const request = { release, waves: wavesOf(plan.waiting, canaries), timeoutMs: timeoutMsOf(values) };
  const say = (text: string) => values.json || print(text);
  for (const [host, why] of plan.leftOut) say(`${host}: left out: ${why}\n`);
  if (values['dry-run'] || !document) return showPlan(request, plan, values);
  const upgrade = { fleet, bucket, document, request, audit: openAuditTrail(bucket, values) };
  const results = await runUpgrade(upgrade, (result) => say(`${lineOf(result)}\n`));
  if (values.json)
    printJson({ version: 1, fleet, release, dryRun: false, hosts: results, ...leftOutOf(plan) });
  else if (results.length === 0) say(`every host that can be upgraded runs agent ${release}\n`);
  return results.every(({ state }) => state === 'upgraded') ? EXIT.ok : EXIT.failed;
};

interface Upgrade {
  fleet: FleetName;
  bucket: Bucket;
  document: string;
  request: UpgradeRequest;
  audit: AuditTrail;
}

/** Two lines of the audit trail: before the first host is touched, without which none is, and what became of it. */
async function runUpgrade(
  { fleet, bucket, document, request, audit }: Upgrade,
  onState: (host: UpgradedHost) => void,
): Promise<UpgradedHost[]> {
  if (request.waves.length === 0) return [];
  const statuses = new Map(request.waves.flat().map((status) => [status.host as string, status]));
  // Loaded where it is needed only: it is half of the SDK.
  const { UpgradeCommand } = await import('../../agents/upgrade-command.ts');
  const command = new UpgradeCommand(document);
  const version = await command.version();
  const begun = `agent ${request.release} for ${statuses.size} hosts, by version ${version} of ${document}`;
  await audit.record([{ action: 'agents-upgrade-began', fleet, reason: begun }]);
  await audit.flush();
  const results = await upgradeAgents(request, {
    send: (what, hosts) => command.send(what, hosts),
    endsOf: (id) => command.endsOf(id),
    statusOf: async (host) => {
      const before = statuses.get(host);
      if (before === undefined) return undefined;
      const entries = await listStatuses(bucket, before.fleet);
      const entry = entries.find((one) => one.host === host);
      return entry && readHostStatus(bucket, entry);
    },
    ...{ now, onState, sleep: (ms: number) => sleep(ms) },
  });
  const isDone = results.every(({ state }) => state === 'upgraded');
  const action = isDone ? 'agents-upgraded' : 'agents-upgrade-stopped';
  await audit.record([{ action, fleet, reason: `agent ${request.release}: ${tallyOf(results)}` }]);
  await audit.flush();
  return results;
}

/** How many hosts are in each state, and the first that failed with its reason. */
function tallyOf(results: readonly UpgradedHost[]): string {
  const states = [...new Set(results.map(({ state }) => state))];
  const counts = states.map(
    (wanted) => `${results.filter(({ state }) => state === wanted).length} ${wanted}`,
  );
  const first = results.find(({ state, why }) => state !== 'upgraded' && why !== '');
  return [counts.join(', '), ...(first ? [`${first.host}: ${printable(first.why)}`] : [])].join('; ');
}

function releaseIn(pointer: ReleasePointer | undefined, isBack: boolean): string {
  const chosen = isBack ? pointer?.previous : pointer?.current;
  if (chosen !== undefined) return chosen.release;
  throw new UsageError(
    isBack
      ? 'the bucket has no release before the current one: agent/release.json'
      : 'the bucket has no release of the agent: deploy the stack of this version, with a host granted',
  );
}

interface UpgradePlan {
  waiting: ReadStatus[];
  upToDate: string[];
  /** With the reason. */
  leftOut: [host: string, why: string][];
}

async function planUpgrade(bucket: Bucket, fleet: FleetName, release: string): Promise<UpgradePlan> {
  const plan: UpgradePlan = { waiting: [], upToDate: [], leftOut: [] };
  for (const entry of await listStatuses(bucket, fleet)) {
    const status = await readHostStatus(bucket, entry);
    if (status === undefined) continue;
    const why = whyLeftOut(status);
    if (!isReadable(status) || why !== undefined) plan.leftOut.push([entry.host, why ?? 'cannot be read']);
    else if (status.agent.version === release) plan.upToDate.push(status.host);
    else plan.waiting.push(status);
  }
  return plan;
}

function whyLeftOut(status: Awaited<ReturnType<typeof readHostStatus>>): string | undefined {
  if (status === undefined || !isReadable(status))
    return status && `its status cannot be read (${status.code})`;
  if (status.leftAt !== undefined) return 'it has left';
  if (isSilent(new Date(status.reportedAt), now())) return `it has not reported since ${status.reportedAt}`;
  return INSTANCE_ID.test(status.host) ? undefined : 'its name is no instance id: upgrade it by hand';
}

function showPlan({ release, waves }: UpgradeRequest, plan: UpgradePlan, values: CommandValues): number {
  const names = waves.map((wave) => wave.map(({ host }) => host));
  if (values.json) {
    const { upToDate } = plan;
    printJson({
      version: 1,
      fleet: values.fleet,
      release,
      dryRun: true,
      waves: names,
      upToDate,
      ...leftOutOf(plan),
    });
    return EXIT.ok;
  }
  for (const [index, wave] of names.entries()) {
    print(`${index === 0 ? 'canary' : `wave ${index}`}: ${wave.join(', ')} to agent ${release}\n`);
  }
  print(
    `${plan.upToDate.length} up to date, ${names.flat().length} to upgrade, ${plan.leftOut.length} left out\n`,
  );
  return EXIT.ok;
}

function leftOutOf({ leftOut }: UpgradePlan) {
  return { leftOut: leftOut.map(([host, why]) => ({ host, why })) };
}

function lineOf({ host, state, why }: UpgradedHost): string {
  return `${host}: ${state}${why === '' ? '' : `: ${why}`}`;
}

function timeoutMsOf({ timeout }: CommandValues): number {
  const seconds = Number(timeout);
  if (!(seconds > 0)) throw new UsageError(`--timeout wants seconds, saw ${timeout}`);
  return seconds * SECOND_MS;
}
