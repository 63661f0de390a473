/** pemfleet.yaml and agent.yaml, as adopt writes them. */
import { dirname } from 'node:path';
import { ConfigError } from '#common/config-error.ts';
import type { Account } from '#common/user/accounts.ts';
import type { InBucket } from '../../adopt/apply/into-bucket.ts';
import type { AdoptionPlan } from '../../adopt/plan/adoption-plan.ts';
import { adoptedConfigText } from '../../adopt/plan/documents.ts';
import { type InForce, missingIn, withAdded } from '../../adopt/plan/in-force.ts';
import type { AdoptionPlaces } from '../../adopt/plan/places.ts';
import type { SocketRight } from '../../adopt/plan/socket-right.ts';
import { type FileChange, readState } from '../../init/apply/file-change.ts';
import { isOwnFile, readRecord, recordDirectory } from '../../init/apply/record.ts';
import { agentDocument } from '../../init/documents.ts';
import type { Installation } from '../../init/host/installation.ts';
import { type HaproxyConfiguration, Unplannable } from '../../init/plan/haproxy-config.ts';
import { bindsOf, isFront } from '../../init/plan/sections.ts';
import { handshakeAddressesOf, sourcesOf } from '../../init/plan/tls-binds.ts';
import { pemGroupOf, schemaFile, unusualProgram } from '../../init/setup.ts';
import type { CommandValues } from '../line/options.ts';

export interface TakeRequest {
  installation: Installation;
  config: HaproxyConfiguration;
  plan: AdoptionPlan;
  /** What the bucket says of all of it. */
  preview: InBucket;
  user: Account;
  right: SocketRight;
}

/** @throws ConfigError where somebody else has written them */
export async function settingsOf(
  { config: configFile, force }: CommandValues,
  request: TakeRequest,
  places: AdoptionPlaces,
): Promise<FileChange[]> {
  const { plan, right, installation } = request;
  const { certsDir, linkedFrom, crtListFile } = places;
  const handshake = handshakeOf(request);
  if (plan.inForce !== undefined) return addedSettings(plan, plan.inForce, { places, handshake });
  const { bucket } = plan.answers;
  const agent = agentDocument(
    {
      ...{ by: 'adopt', bucket, certsDir, crtListFile, statsSocket: right.path },
      handshake,
      pemGroup: pemGroupOf({ installation }),
      haproxyProgram: unusualProgram({ installation }),
      paths: linkedFrom === undefined ? undefined : { host: certsDir, haproxy: linkedFrom },
    },
    schemaFile('agent'),
  );
  const texts = [
    { path: configFile, text: adoptedConfigText(plan.answers, schemaFile('pemfleet')) },
    { path: `${dirname(configFile)}/agent.yaml`, text: agent },
  ];
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const record = await readRecord(recordDirectory(configFile));
  const changes: FileChange[] = [];
  for (const { path, text } of texts) {
    const state = await readState(path);
    const body = Buffer.from(text);
    if (state?.body.equals(body)) continue;
    if (state !== undefined && !force && !isOwnFile(record, path, state)) {
      throw new ConfigError(
        'ERR_CONFIG',
        `wanted to write ${path}, saw one that is there: adopt begins a configuration, and --force replaces this one (--undo puts it back); single certificates come into it by "pemfleet import"`,
      );
    }
    changes.push({ path, body, mode: 0o644, ...owner });
  }
  return changes;
}

/** Of the binds that hold what is adopted. */
function handshakeOf({ plan, config }: TakeRequest): string[] {
  const sources = new Set(plan.certificates.flatMap(({ files }) => files.map(({ source }) => source)));
  const binds = config.sections.filter(isFront).flatMap(bindsOf);
  const holding = binds.filter(
    (bind) => bind.isTls && sourcesOf(bind, config).some((one) => sources.has(one)),
  );
  return [...new Set(holding.flatMap(handshakeAddressesOf))];
}

/** agent.yaml stays as it is. @throws Unplannable where the agent keeps another directory, or proves elsewhere */
async function addedSettings(
  { certificates }: AdoptionPlan,
  inForce: InForce,
  { places, handshake }: { places: AdoptionPlaces; handshake: readonly string[] },
): Promise<FileChange[]> {
  const agentFile = `${dirname(inForce.configFile)}/agent.yaml`;
  const text = (await readState(agentFile))?.body.toString() ?? '';
  const directories = [places.certsDir, ...(places.linkedFrom === undefined ? [] : [places.linkedFrom])];
  const missing = missingIn(text, [...directories, ...handshake]);
  if (missing.length > 0) {
    throw new Unplannable(
      `wanted ${missing.join(', ')} in ${agentFile}, as it would be for ${certificates.map(({ name }) => name).join(', ')}; saw other settings in force: put these in by hand, then adopt again; nothing was changed`,
    );
  }
  const state = await readState(inForce.configFile);
  if (state === undefined) throw new TypeError(`${inForce.configFile} is gone`);
  const added = withAdded(
    inForce,
    certificates.map(({ spec }) => spec),
  );
  return [{ ...state, path: inForce.configFile, body: Buffer.from(added) }];
}
