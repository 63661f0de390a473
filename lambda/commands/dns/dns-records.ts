/** `pemfleet dns-records`: the records of dns-persist-01, as lines of a zone file, and whether the DNS has them. */

import { printable } from '#common/printable.ts';
import { txtLookup } from '../../challenge/txt-lookup.ts';
import { orderedSpecs } from '../../config/config.ts';
import { readCaTerms } from '../../pass/caa/ca-terms.ts';
import { type PersistRecord, readPersistRecords } from '../../preflight/dns-records.ts';
import { withCas } from '../../wiring.ts';
import {
  type Command,
  loadConfigAndBucket,
  now,
  passEnvironmentOf,
  print,
  printJson,
  specOf,
} from '../command.ts';
import { EXIT } from '../output.ts';

export const dnsRecordsCommand: Command = async (values) => {
  const { config, bucket } = await loadConfigAndBucket(values, 'read');
  const { timing } = passEnvironmentOf(values);
  const specs = orderedSpecs(values.only?.map((name) => specOf(config, name)) ?? config.certificates);
  const lookup = txtLookup(config.dns.resolvers);
  const records = await withCas({ bucket, config, timing }, async (cas) =>
    readPersistRecords(specs, await readCaTerms(cas), lookup, now),
  );
  if (values.json) printJson({ version: 1, records });
  else print(records.map(recordText).join('') || '; no certificate has challenge: dns-persist-01\n');
  if (records.some(({ state }) => state === 'missing')) return EXIT.failed;
  return records.some(({ state }) => state === 'unknown') ? EXIT.unknown : EXIT.ok;
};

function recordText({ directoryUrl, name, problem, state, value }: PersistRecord): string {
  const line = value === undefined ? `; ${name}.` : `${name}. 3600 IN TXT ${quoted(value)}`;
  const why = problem === undefined ? '' : `: ${printable(problem)}`;
  return `; ${directoryUrl}: ${state}${why}\n${line}\n`;
}

/** A string of a TXT record holds 255 octets (RFC 1035 §3.3); several are read as one. */
function quoted(value: string): string {
  return (value.match(/.{1,255}/g) ?? []).map((part) => `"${part}"`).join(' ');
}
