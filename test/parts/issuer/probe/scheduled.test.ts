/** `probe: true`: after a pass, what clients get is a figure and an event; without it nothing is asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layout } from '#contract/layout.ts';
import { emptyManifest } from '#contract/manifest.ts';
import { probeNames } from '../../../../lambda/probe/probe-names.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { fleet, makeConfig, makeEntry, named } from '../../../support/issuer/documents.ts';
import { recordEvents } from '../../../support/issuer/events.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { refOf, startOutside } from '../../../support/probe.ts';

test('the figure counts names, and the event says what each address shows', async (t) => {
  const pki = await createPki();
  const [right, wrong, stranger] = await Promise.all([
    pki.issue({ names: ['right.test'] }),
    pki.issue({ names: ['wrong.test'] }),
    pki.issue({ names: ['wrong.test'] }),
  ]);
  const outside = await startOutside(t, [
    { address: '127.0.0.1', pems: { 'r.pem': right.combined, 'w.pem': wrong.combined } },
    { address: '127.0.0.2', pems: { 'w.pem': stranger.combined } },
  ]);
  await outside.point('right.test', ['127.0.0.1']);
  await outside.point('wrong.test', ['127.0.0.1', '127.0.0.2']);
  const entryOf = (name: string, leaf: typeof right) => [
    named(name),
    makeEntry({ identifiers: [name], publishedAt: '2026-01-01T00:00:00Z', pems: [refOf(leaf)] }),
  ];
  const certificates = Object.fromEntries([entryOf('right.test', right), entryOf('wrong.test', wrong)]);
  const manifests = new Map([
    [fleet, { manifest: { ...emptyManifest(fleet, new Date()), certificates }, etag: '"m"' }],
  ]);
  const { log, fieldsOf } = recordEvents();
  const timing = {
    now: () => new Date(),
    deadline: new Date(Date.now() + 60_000),
    sleep: async () => undefined,
  };
  const settings = { port: outside.port, resolvers: [outside.dns.address], allowPrivate: true };
  const configOf = (probe: object) =>
    makeConfig([{ identifiers: ['right.test'] }, { identifiers: ['wrong.test'] }], { probe });
  const bucket = memoryBucket();
  await bucket.put(layout.pem(fleet, named('wrong.test'), refOf(wrong).sha256), wrong.combined);
  const pass = { bucket, log, timing };

  assert.deepEqual(
    await probeNames({ ...pass, config: configOf({ ...settings, scheduled: false }) }, { manifests }),
    {},
  );
  assert.deepEqual(await probeNames({ ...pass, config: configOf(settings) }, { manifests }), {
    NamesWrong: 1,
  });

  const [fields] = fieldsOf('probe.wrong');
  const { serial } = refOf(stranger);
  assert.deepEqual(fields?.['answers'], [`wrong.test at 127.0.0.2: other-account (serial ${serial})`]);
});
