/**
 * A pass of a host without its look at disk and HAProxy: it polls, and reads and writes all that the agent keeps, in the order of sync.ts.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FileStatus, HostStatus } from '#contract/host-status.ts';
import { hostName } from '#contract/layout.ts';
import type { Manifest } from '#contract/manifest.ts';
import { certificatesIn } from '#contract/shard/content.ts';
import { isInner } from '#contract/shard/node.ts';
import { ShardTree } from '#contract/shard/tree.ts';
import type { Agent } from '../../agent/agent.ts';
import { type DesiredAction, doneOutcome, NOTHING_DEPLOYED } from '../../agent/deploy/action.ts';
import { desiredFiles } from '../../agent/desired/files.ts';
import { type PollResult, pollOrKeep, readKnown } from '../../agent/pass/poll.ts';
import { withIntents, withOutcomes } from '../../agent/pass/records.ts';
import { newMemory } from '../../agent/state/memory.ts';
import { readOwnership } from '../../agent/state/ownership.ts';
import {
  type AgentState,
  readStateDirectory,
  type StoredManifest,
  saveManifest,
  saveState,
} from '../../agent/state/state.ts';
import { saveStatus } from '../../agent/state/status.ts';
import { saveTrust } from '../../agent/state/trust.ts';
import { type CountedBucket, fleet } from './scale-stage.ts';

const host = hostName.parse('bench');
const log = () => undefined;
const BIND = '127.0.0.1:443';

export class BenchHost {
  readonly #agent: Agent;
  readonly #directory = mkdtempSync(join(tmpdir(), 'pf-scale-host-'));
  readonly #stateDir = join(this.#directory, 'state');
  readonly #certsDir = join(this.#directory, 'certs');

  constructor(bucket: CountedBucket) {
    const haproxy = { certsDir: this.#certsDir };
    const agent = { log, memory: newMemory(), openBucket: async () => bucket, now: () => new Date() };
    const config = { fleet, stateDir: this.#stateDir, instances: [], trust: {}, haproxy };
    this.#agent = { ...agent, config } as unknown as Agent;
    for (const path of [this.#stateDir, this.#certsDir]) mkdirSync(path);
    process.on('exit', () => rmSync(this.#directory, { recursive: true, force: true }));
  }

  async pass(): Promise<PollResult> {
    const stateDir = this.#stateDir;
    const ownership = await readOwnership({ certsDir: this.#certsDir, stateDir, fleet }, log);
    const stored = await readStateDirectory(stateDir, { fleet, host }, log);
    const known = await readKnown(this.#agent, stored, ownership);
    const polled = await pollOrKeep(this.#agent, known);
    if (polled.error !== undefined || polled.manifest === undefined) throw polled.error;
    if (polled.trust) await saveTrust({ stateDir, instances: [] }, polled.trust, known.saved);
    ownership.keepTrust(polled.trust);
    await saveManifest(stateDir, polled.manifest, stored.manifest);
    const before = ownership.recordsWith(stored.state);
    const actions = actionsFor(polled.manifest, stored.manifest, before);
    const intended = withIntents(before, actions);
    await ownership.save(intended);
    await saveState(stateDir, intended, stored.state);
    const outcomes = actions.map((action) =>
      doneOutcome(action, { ...NOTHING_DEPLOYED, isWritten: true, isLoaded: true, handshakes: [BIND] }),
    );
    const after = withOutcomes(intended, outcomes, new Date());
    await saveStatus(stateDir, statusAfter(stored.status, actions));
    await ownership.save(after);
    await saveState(stateDir, after, intended);
    return polled;
  }

  /** Of all that this host has written since a time. */
  bytesSince(time: number): number {
    const names = readdirSync(this.#directory, { recursive: true, encoding: 'utf8' });
    const all = names.map((name) => statSync(join(this.#directory, name)));
    return all.reduce((sum, one) => sum + (one.isFile() && one.ctimeMs >= time ? one.size : 0), 0);
  }
}

/** What a look at the host would say of certificates that were published: of a sharded manifest, only new shards have any. */
function actionsFor(
  { manifest, shards }: StoredManifest,
  last: StoredManifest | undefined,
  { files }: AgentState,
): DesiredAction[] {
  const fresh = shards?.tree.goneIn(last?.shards?.tree ?? new ShardTree([]));
  const shardsOf = fresh?.flatMap((sha256) => shards?.tree.get(sha256) ?? []);
  const leaves = shardsOf?.flatMap((shard) => (isInner(shard) ? [] : [shard])) ?? [
    { tombstones: {}, ...manifest },
  ];
  const { fleet: own, version, updatedAt, sequence } = manifest;
  const changed = { ...{ version, fleet: own, updatedAt, sequence }, certificates: certificatesIn(leaves) };
  const desired = desiredFiles(fleet, changed as Manifest);
  return desired
    .filter(({ file, sha256 }) => files.get(file)?.written[0] !== sha256)
    .map((one) => ({
      ...{ kind: 'update', file: one.file, certificate: one.certificate, desired: one, reason: 'renewed' },
      isProvedLast: false,
    }));
}

/** The bench replaces the files that have changed: to make the status anew of all files belongs to the look at the host. */
function statusAfter(before: HostStatus | undefined, actions: readonly DesiredAction[]): HostStatus {
  const reportedAt = new Date().toISOString();
  const changed = actions.map(
    ({ desired: { file, certificate, sha256, serial, notAfter } }): FileStatus => ({
      ...{ file, certificate, state: 'served', since: reportedAt, wanted: { sha256, serial } },
      ...{ disk: { sha256 }, handshakes: [BIND] },
      runtime: { serial, notAfter: notAfter.toISOString(), chainLength: 2 },
    }),
  );
  const isFirst = before === undefined;
  const files = isFirst ? changed.sort((a, b) => (a.file < b.file ? -1 : 1)) : [...before.files];
  if (!isFirst) for (const one of changed) files[placeOf(one.file, files)] = one;
  return { version: 1, fleet, host, reportedAt, agent: { version: '0' }, haproxy: [{ socket: '/s' }], files };
}

/** Files are in the order of their names. */
function placeOf(file: string, files: readonly FileStatus[]): number {
  let [low, high] = [0, files.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((files[middle]?.file ?? '') < file) low = middle + 1;
    else high = middle;
  }
  return low;
}
