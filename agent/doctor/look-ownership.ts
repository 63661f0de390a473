/** Which files of HAProxy's directory are the agent's, and which of the manifest's names other programs' files have. */

import { join } from 'node:path';
import { quoted } from '#common/cli/quoted.ts';
import { messageOf } from '#contract/errors.ts';
import type { Manifest } from '#contract/manifest.ts';
import type { Agent } from '../agent.ts';
import { ownershipPlace } from '../config/config.ts';
import { viewDisk } from '../deploy/disk.ts';
import { notOurs } from '../deploy/foreign-file.ts';
import { desiredFiles } from '../desired/files.ts';
import { isNotOurs } from '../pass/plan.ts';
import { readOwnership } from '../state/ownership.ts';
import { ShardedMap } from '../state/sharded-map.ts';
import { type AgentState, readStateDirectory } from '../state/state.ts';
import { type Finding, finding, moveAway } from './finding.ts';

export async function examineOwnership(
  { config }: Agent,
  manifest: Manifest | undefined,
): Promise<{ ours: ReadonlySet<string>; findings: Finding[] }> {
  const { certsDir } = config.haproxy;
  const none: AgentState = { files: ShardedMap.of({}) };
  const silent = () => undefined;
  const stored = await readStateDirectory(config.stateDir, config, silent).catch(() => ({ state: none }));
  const ownership = await readOwnership(ownershipPlace(config), silent);
  const records = ownership.recordsWith(stored.state).files;
  const desired = manifest === undefined ? [] : desiredFiles(config.fleet, manifest);
  const names = desired.map(({ file }) => file);
  const disk = await viewDisk(certsDir, names, config.pem).catch(() => new Map());
  const findings: Finding[] = [];
  const foreign = new Set(desired.filter((one) => isNotOurs(one, { disk, records })).map(({ file }) => file));
  for (const file of foreign) {
    const path = join(certsDir, file);
    const error = await notOurs(path, ownership.otherOwnerOf(file));
    const fix = `${moveAway(quoted(path))}, then pemfleet-agent sync; or, for a plain file, pemfleet-agent adopt ${quoted(path)}`;
    findings.push(finding('file-not-ours', messageOf(error), fix));
  }
  const right = names.filter((file) => disk.has(file) && !foreign.has(file));
  return { ours: new Set([...records.keys(), ...right]), findings };
}
