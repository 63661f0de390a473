/** `pemfleet history NAME`: each version, when and why it came, from which CA, which hosts served it until when, and whether it could come back. */
import { table } from '#common/table.ts';
import { DAY_MS, minuteText } from '#common/time.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Config } from '../../config/config.ts';
import { type Exposure, readExposures } from '../../fleet/served/query.ts';
import {
  type CertificateVersions,
  type KnownVersion,
  readVersions,
} from '../../publication/history/versions.ts';
import { openKeysToRead } from '../../publication/readers/keys.ts';
import { type Command, loadConfigAndBucket, print, printJson, printToStderr, rowWidth } from '../command.ts';
import { fleetOption, oneName } from '../line/names.ts';
import { UsageError } from '../line/options.ts';
import { EXIT } from '../output.ts';
import { knownFleets, refuseUnknownFleet } from './unknown-name.ts';

export const historyCommand: Command = async (values, operands) => {
  const name = oneName('history', operands);
  const only = values.fleet === undefined ? undefined : fleetOption(values.fleet);
  const { config, bucket } = await loadConfigAndBucket(values, 'read');
  if (only !== undefined) await refuseUnknownFleet({ bucket, config }, only);
  const known = await readHistories({ bucket, config }, name, only);
  const fleets = known.filter(({ versions }) => versions.length > 0);
  if (fleets.length === 0 && !known.some(({ isHistoryUnreadable }) => isHistoryUnreadable))
    throw new UsageError(`no version of ${name} is known; pemfleet status shows what is published`);
  const subjects = fleets.map(({ fleet }) => ({ fleet, certificate: name }));
  const { exposures } = await readExposures(bucket, subjects, {});
  if (values.json)
    printJson({ version: 1, certificate: name, fleets: fleets.map((one) => documentOf(one, exposures)) });
  else for (const one of fleets) show(one, exposures, Number.parseInt(config.keyRetention, 10));
  const unread = known.filter(({ isHistoryUnreadable }) => isHistoryUnreadable);
  for (const { fleet } of unread) {
    printToStderr(`${layout.history(fleet, name)} cannot be read: earlier versions are unknown\n`);
  }
  return unread.length > 0 ? EXIT.unknown : EXIT.ok;
};

/** Of the fleets in which anything is known of it. @throws BucketError, ContractError */
export async function readHistories(
  { bucket, config }: { bucket: Bucket; config: Config },
  name: CertificateName,
  only: FleetName | undefined,
): Promise<CertificateVersions[]> {
  const all = await knownFleets({ bucket, config });
  const fleets = all.filter((fleet) => only === undefined || fleet === only);
  const keys = await openKeysToRead(bucket, { fleets });
  const read: CertificateVersions[] = [];
  for (const fleet of fleets) {
    const known = await readVersions({ bucket, keys }, fleet, name);
    const isKnown = known.versions.length + known.ended.length > 0;
    if (isKnown || known.isHistoryUnreadable) read.push(known);
  }
  return read;
}

function show(
  { fleet, versions }: CertificateVersions,
  exposures: readonly Exposure[],
  keptDays: number,
): void {
  printToStderr(`fleet ${fleet}:\n`);
  const rows = versions.map((version) => {
    const { pems, publishedAt, until, why } = version;
    const hosts = servedBy(version, fleet, exposures);
    return [
      pems.map(({ serial }) => serial).join(' '),
      minuteText(publishedAt),
      until === undefined ? '-' : minuteText(until),
      stateOf(version),
      hostsText(hosts),
      minuteText(pems[0]?.notAfter ?? ''),
      keyText(version, keptDays),
      caOf(version),
      [why?.action, why?.reason].filter((text) => text !== undefined).join(': ') || '-',
      [why?.by, why?.command].filter((text) => text !== undefined).join(' · ') || '-',
    ];
  });
  print(table([HEAD, ...rows], rowWidth()));
}

const HEAD = ['SERIAL', 'PUBLISHED', 'UNTIL', 'STATE', 'SERVED BY', 'EXPIRES', 'KEY', 'CA', 'WHY', 'BY'];

/** Since when it is gone, or until when it stays at least: the issuer counts whole days, from the day when another took its place. */
function keyText({ isInForce, isKeyThere, keyDeletedAt, until }: KnownVersion, keptDays: number): string {
  if (!isKeyThere) return keyDeletedAt === undefined ? 'gone' : `gone since ${minuteText(keyDeletedAt)}`;
  if (isInForce || until === undefined) return 'there';
  return `there, till ${new Date(Date.parse(until) + keptDays * DAY_MS).toISOString().slice(0, 10)}`;
}

function stateOf({ isInForce, ended, until }: KnownVersion): string {
  if (isInForce) return 'in force';
  if (ended !== undefined) return ended.reason;
  return until === undefined ? 'gone' : 'replaced';
}

function caOf({ issued }: KnownVersion): string {
  if (issued === undefined) return '-';
  return isImported(issued) ? 'imported' : new URL((issued as { directoryUrl: string }).directoryUrl).host;
}

function isImported(issued: ManifestEntry['issued']): boolean {
  return issued.origin === 'imported';
}

function servedBy({ pems }: KnownVersion, fleet: FleetName, exposures: readonly Exposure[]): Exposure[] {
  return exposures.filter((one) => one.fleet === fleet && pems.some(({ serial }) => serial === one.serial));
}

function hostsText(exposures: readonly Exposure[]): string {
  const hosts = new Set(exposures.map(({ host }) => host)).size;
  const now = new Set(exposures.filter(({ isServing }) => isServing).map(({ host }) => host)).size;
  return now === hosts ? `${hosts}` : `${hosts}, ${now} now`;
}

function documentOf(
  { fleet, versions, isHistoryUnreadable }: CertificateVersions,
  exposures: readonly Exposure[],
) {
  return {
    fleet,
    ...(isHistoryUnreadable && { isHistoryUnreadable }),
    versions: versions.map((version) => {
      const {
        publishedAt,
        until,
        pems,
        why,
        issued,
        identifiers,
        isInForce,
        ended,
        isKeyThere,
        keyDeletedAt,
      } = version;
      const hosts = servedBy(version, fleet, exposures).map(({ fleet: _, certificate: __, ...host }) => host);
      const key = { isKeyThere, ...(!isKeyThere && { keyDeletedAt }) };
      return { publishedAt, until, isInForce, ended, ...key, pems, identifiers, issued, why, hosts };
    }),
  };
}
