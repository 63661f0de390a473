/** A directory with a configured certificate, and commands on it as an operator types them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { DAY_MS } from '#common/time.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { type FileStatus, serializeHostStatus } from '#contract/host-status.ts';
import { certificateName, fleetName, hostName, layout } from '#contract/layout.ts';
import { openBucket } from '#storage/open.ts';
import { AuditTrail } from '../../../../lambda/audit/trail.ts';
import type { Command } from '../../../../lambda/commands/command.ts';
import { parseArguments } from '../../../../lambda/commands/line/options.ts';
import { Publisher } from '../../../../lambda/publication/publisher.ts';
import { openSigningKey } from '../../../../lambda/signing/signing-key.ts';
import { publisherOptions } from '../../../../lambda/upgrade/along.ts';
import { entryFor } from '../../../support/agent/publish.ts';
import { DIRECTORY_URL, makeEntry, makeHostStatus } from '../../../support/issuer/documents.ts';
import { readPublished } from '../../../support/issuer/signing.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const pki = await createPki();
export const edge = fleetName.parse('edge');
export const certificate = (name: string) => certificateName.parse(name);

interface Published {
  names?: string[] | undefined;
  ageMs?: number | undefined;
  reason?: string | undefined;
}

/** `kept` is configured for edge; all else is published only. */
export async function stage(t: TestContext, changes: object = {}) {
  const dir = tempDir(t);
  const url = pathToFileURL(join(dir, 'bucket')).href;
  const [file, bucket] = [join(dir, 'pemfleet.yaml'), await openBucket(url)];
  const config = {
    ...{ bucket: url, acme: { directoryUrl: DIRECTORY_URL, termsOfServiceAgreed: true } },
    certificates: [{ name: 'kept', identifiers: ['kept.test'], fleets: ['edge'] }],
    ...changes,
  };
  writeFileSync(file, JSON.stringify(config));
  const signing = await openSigningKey(bucket, { fleets: [edge] });
  const now = () => new Date();
  const publisher = () =>
    new Publisher(bucket, edge, {
      ...publisherOptions(bucket, signing, now),
      audit: new AuditTrail(bucket, { by: 'timer', command: 'pemfleet run' }, now),
    });
  /** @returns the serial */
  const publish = (name: string, names?: string[], ageMs?: number, reason?: string) =>
    publishFrom(DIRECTORY_URL, name, { names, ageMs, reason });
  /** @param directoryUrl of its CA. @returns the serial */
  const publishFrom = async (
    directoryUrl: string,
    name: string,
    { names = [`${name}.test`], ageMs = 0, reason = 'lifetime' }: Published = {},
  ) => {
    const notBefore = new Date(Date.now() - ageMs);
    const { combined } = await pki.issue({
      names,
      notBefore,
      notAfter: new Date(notBefore.getTime() + 90 * DAY_MS),
    });
    const entry = makeEntry({
      ...entryFor(combined, names),
      ...{ issued: { ...makeEntry().issued, directoryUrl }, publishedAt: new Date().toISOString() },
    });
    const [pem] = entry.pems;
    const texts = [{ sha256: pem?.sha256 ?? '', text: combined }];
    await publisher().publish(certificate(name), entry, texts, { action: 'renewed', reason });
    return pem?.serial ?? '';
  };
  /** The command writes into `out` (stdout) and `err`. */
  const run = async (command: Command, ...args: string[]) => {
    const { values, positionals } = parseArguments([...args, '--config', file]);
    const [out, err]: [string[], string[]] = [[], []];
    const into = (texts: string[]) => (text: string | Uint8Array) => texts.push(String(text)) > 0;
    const mocks = [
      t.mock.method(process.stdout, 'write', into(out)),
      t.mock.method(process.stderr, 'write', into(err)),
    ];
    const status = await command(values, positionals.slice(1)).catch(
      (error: unknown) => `${(error as Error).name} ${codeOf(error)} ${messageOf(error)}`,
    );
    for (const mock of mocks) mock.mock.restore();
    return { status, out: out.join(''), err: err.join('') };
  };
  const entryOf = async (name: string) =>
    (await readPublished(bucket, edge))?.manifest.certificates[certificate(name)];
  const report = (host: string, files: FileStatus[]) =>
    bucket.put(
      layout.status(edge, hostName.parse(host)),
      serializeHostStatus(makeHostStatus(host, { fleet: edge, reportedAt: new Date().toISOString(), files })),
    );
  return { dir, file, bucket, signing, publisher, publish, publishFrom, run, entryOf, report };
}
