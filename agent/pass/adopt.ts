/**
 * `pemfleet-agent adopt`: the operator gives a file of another program to the agent. Only the records change; the next pass
 * overwrites the file, and keeps its content until the agent's certificate is proved.
 */
import { lstatSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { nearest } from '#common/nearest.ts';
import { MINUTE_MS } from '#common/time.ts';
import type { Adoption, Agent } from '../agent.ts';
import { ownershipPlace } from '../config/config.ts';
import { checkDirectory, viewFile } from '../deploy/disk.ts';
import { describeFile } from '../deploy/foreign-file.ts';
import { dropReplaced } from '../deploy/install.ts';
import { type DesiredFile, desiredFiles } from '../desired/files.ts';
import { HostError } from '../errors.ts';
import { withDirectoryLock } from '../state/directory-lock.ts';
import { type Ownership, readOwnership } from '../state/ownership.ts';
import { type AgentState, readStateDirectory, saveState } from '../state/state.ts';
import { pollOrKeep, readKnown } from './poll.ts';

const LOCK_TIMEOUT_MS = 5 * MINUTE_MS;

/** @param words names, or paths in HAProxy's directory */
export async function adopt(agent: Agent, words: readonly string[], isDryRun: boolean): Promise<Adoption[]> {
  const examine = (canSave: boolean) => adoptEverywhere(agent, words, canSave);
  const preview = await examine(false);
  const isRefused = preview.some(({ kind }) => kind === 'refused');
  return isDryRun || isRefused ? preview : examine(true);
}

async function adoptEverywhere(
  agent: Agent,
  words: readonly string[],
  canSave: boolean,
): Promise<Adoption[]> {
  const instances = agent.instances ?? [agent];
  const adoptions: Adoption[] = [];
  const placed = new Set<string>();
  for (const instance of instances) {
    const { certsDir } = instance.config.haproxy;
    const inDirectory: string[] = [];
    for (const word of words) if (await isIn(certsDir, word)) inDirectory.push(word);
    for (const word of inDirectory) placed.add(word);
    if (inDirectory.length === 0) continue;
    await checkDirectory(certsDir);
    const work = () => adoptIn(instance, inDirectory, canSave);
    adoptions.push(
      ...(await withDirectoryLock(certsDir, { timeoutMs: LOCK_TIMEOUT_MS, log: agent.log }, work)),
    );
  }
  const directories = instances.map(({ config }) => config.haproxy.certsDir).join(', ');
  const outside = words.filter((word) => !placed.has(word));
  return [...adoptions, ...outside.map((word) => refused(word, `is not in ${directories}`))];
}

/** A bare name is meant in each directory; a path in the one that it names. */
async function isIn(certsDir: string, word: string): Promise<boolean> {
  if (!word.includes('/')) return true;
  const realPathOf = (path: string) => realpath(path).catch(() => undefined);
  const [directory, named] = [await realPathOf(certsDir), await realPathOf(dirname(resolve(word)))];
  return directory !== undefined && directory === named;
}

async function adoptIn(agent: Agent, words: readonly string[], canSave: boolean): Promise<Adoption[]> {
  const { config, log } = agent;
  const stored = await readStateDirectory(config.stateDir, config, log);
  const ownership = await readOwnership(ownershipPlace(config), log);
  const known = await readKnown(agent, stored, ownership);
  if (known.blank !== undefined) throw known.blank;
  const { manifest, error } = await pollOrKeep(agent, known);
  if (manifest === undefined) throw error ?? new HostError('ERR_MANIFEST_MISSING', 'there is no manifest');
  const desired = desiredFiles(config.fleet, manifest.manifest);
  let state = ownership.recordsWith(stored.state);
  const adoptions: Adoption[] = [];
  for (const word of words) {
    const subject = { word, file: basename(word), instance: config.haproxy.name };
    const adoption = await examineOne(subject, { agent, desired, state, ownership });
    adoptions.push(adoption);
    const named = desired.find(({ file }) => file === subject.file);
    if (adoption.kind === 'adopted' && named !== undefined) state = withAdopted(state, named, agent);
  }
  if (canSave && adoptions.some(({ kind }) => kind === 'adopted')) {
    // One of the two places is enough.
    const isSaved = await ownership.save(state);
    await saveState(config.stateDir, state, stored.state).catch((failure: unknown) => {
      if (!isSaved) throw failure;
    });
  }
  return adoptions;
}

interface Examined {
  agent: Agent;
  desired: readonly DesiredFile[];
  state: AgentState;
  ownership: Ownership;
}

async function examineOne(
  subject: Pick<Adoption, 'word' | 'file' | 'instance'>,
  { agent, desired, state, ownership }: Examined,
): Promise<Adoption> {
  const { file } = subject;
  const path = join(agent.config.haproxy.certsDir, file);
  const named = desired.find((one) => one.file === file);
  const refuse = (message: string): Adoption => ({ ...subject, kind: 'refused', message });
  if (named === undefined) return refuse(`the manifest names no such file${guess(file, desired)}`);
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return refuse('there is no such file: the next pass installs it by itself');
  const otherFleet = ownership.otherOwnerOf(file);
  if (otherFleet !== undefined) return refuse(`the agent of fleet ${otherFleet} has written it`);
  const holds = await describeFile(path);
  if (!stats.isFile()) return refuse(`${holds}: move it away, and the next pass installs the certificate`);
  const sha256 = viewFile(path, agent.config.pem)?.sha256;
  if (state.files.get(file) !== undefined || sha256 === named.sha256) {
    return { ...subject, kind: 'ours', message: 'is ours already: nothing to do' };
  }
  return {
    ...subject,
    kind: 'adopted',
    message: `${holds}. The next pass overwrites it with certificate ${named.certificate}, and keeps its content beside it until that one is proved`,
  };
}

function guess(file: string, desired: readonly DesiredFile[]): string {
  const names = nearest(
    file,
    desired.map((one) => one.file),
  );
  return names.length === 0 ? '' : `; did you mean ${names.join(' or ')}?`;
}

function withAdopted(state: AgentState, { file, certificate }: DesiredFile, { config }: Agent): AgentState {
  const adopted = viewFile(join(config.haproxy.certsDir, file), config.pem)?.sha256;
  const record = { certificate, written: [], ...(adopted && { adopted }) };
  return { ...state, files: state.files.with([[file, record]]) };
}

function refused(word: string, message: string): Adoption {
  return { word, file: basename(word), kind: 'refused', message };
}

/** An adopted content is kept until the agent's certificate is proved: of one that left the manifest before, for good. */
export async function dropAdopted({ config }: Agent, before: AgentState, after: AgentState): Promise<void> {
  if (after === before) return;
  for (const [file, { adopted }] of before.files) {
    const record = after.files.get(file);
    const isProved = record !== undefined && record.adopted === undefined;
    if (adopted !== undefined && isProved) await dropReplaced(join(config.haproxy.certsDir, file), adopted);
  }
}
