/** Which certificates `pemfleet replace` and `pemfleet drill` mean, by their options. */

import { canonicalUrl } from '#contract/layout.ts';
import { DIRECTORIES, directoryNamed } from '../../config/known-cas.ts';
import { bareSerial, Replacements } from '../../replacement/covered.ts';
import type { PublishedCertificate } from '../../replacement/published.ts';
import type { ReplacementScope } from '../../replacement/requests.ts';
import { readSerialFile } from '../../replacement/serial-file.ts';
import { givenFile } from '../line/given-files.ts';
import { timeOption } from '../line/instant.ts';
import { type CommandValues, UsageError } from '../line/options.ts';

export interface GivenScope {
  scope: ReplacementScope;
  /** Of a file of serials: how many it has, and a few that nothing of ours has. */
  file?: { all: number; others: readonly string[] };
}

/** @returns undefined where no option says which. @throws UsageError, ConfigError */
export async function scopeOf(
  values: CommandValues,
  certificates: readonly PublishedCertificate[],
  now: Date,
): Promise<GivenScope | undefined> {
  const { all, ca } = values;
  const [before, file] = [values['issued-before'], values['serial-file']];
  const isNarrowed = ca !== undefined || before !== undefined || file !== undefined;
  if (all && isNarrowed) throw new UsageError('--all stands alone: the other options say less than all');
  if (all) return { scope: { all: true } };
  if (!isNarrowed) return undefined;
  const conditions = {
    ...(ca !== undefined && { directoryUrl: directoryOf(ca) }),
    ...(before !== undefined && { issuedBefore: timeOf(before, now) }),
  };
  if (file === undefined) return { scope: conditions };
  const pems = certificates.flatMap(({ published }) => published?.pems ?? []);
  const known = new Set(pems.map(({ serial }) => bareSerial(serial)));
  const read = await readSerialFile(file, known, givenFile(file));
  return { scope: { ...conditions, serials: [...read.ours].sort() }, file: read };
}

/** Of those that were published before `at`. */
export function coveredBy(
  scope: ReplacementScope,
  certificates: readonly PublishedCertificate[],
  at: Date,
): PublishedCertificate[] {
  const replacements = new Replacements([{ at: at.toISOString(), scope, certificates: 0 }], at);
  return certificates.filter(({ published }) => replacements.replaceSince(published) !== undefined);
}

function directoryOf(text: string): string {
  const url = directoryNamed(text);
  if (URL.canParse(url) && new URL(url).protocol === 'https:') return canonicalUrl(url);
  const names = Object.keys(DIRECTORIES).join(', ');
  throw new UsageError(`--ca wants the https:// URL of a CA's directory, or one of ${names}, saw ${text}`);
}

function timeOf(text: string, now: Date): string {
  const time = timeOption('issued-before', text);
  if (time > now) throw new UsageError(`--issued-before wants a time that is over, saw ${text}`);
  return time.toISOString();
}
