// The SSM parameter with the key that hosts trust, in the stand-in of AWS: who may write it, when it is written, how hosts read it.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { codeOf, messageOf } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import { emptyManifest } from '#contract/manifest.ts';
import { readTrustParameter } from '../../../agent/trust/parameter.ts';
import { announceKey, readAnnounced } from '../../../lambda/signing/announce.ts';
import { rotateKey } from '../../../lambda/signing/change-key.ts';
import { openSigningKey, type Signing } from '../../../lambda/signing/signing-key.ts';
import { TrustParameter } from '../../../lambda/signing/trust-parameter.ts';
import { startAws } from '../../aws/aws.ts';
import { signedRoot } from '../../support/agent/publish.ts';
import { memoryBucket } from '../../support/bucket/memory-bucket.ts';
import { noon } from '../../support/clock.ts';
import { setEnv } from '../../support/env.ts';
import { fleet } from '../../support/issuer/documents.ts';

const fleets = [fleet];
const aws = await startAws();
after(aws.stop);

const arnOf = (name: string) => `arn:aws:ssm:${aws.region}:${aws.accountId}:parameter${name}`;
const principal = (name: string, parameter: string, ...actions: string[]) => {
  const Statement = [
    { Effect: 'Allow', Action: actions.map((action) => `ssm:${action}`), Resource: arnOf(parameter) },
  ];
  return aws.principal({ name, policies: [{ Version: '2012-10-17', Statement }] });
};

/** An issuer that may use the parameter, and a host that may read it. */
function stageOf(name: string) {
  const host = principal('host', name, 'GetParameter');
  after(setEnv(principal('issuer', name, 'GetParameter', 'PutParameter').env));
  const bucket = memoryBucket();
  const parameter = new TrustParameter(name);
  const open = async () =>
    openSigningKey(bucket, { fleets, announced: (await readAnnounced(parameter)).trust });
  const announce = async (signing: Signing) =>
    announceKey(parameter, await readAnnounced(parameter), signing, { bucket, fleets });
  const publish = async ({ signer }: Signing) => {
    await bucket.put(layout.root(fleet), signedRoot(emptyManifest(fleet, noon), { fleet }, signer));
  };
  const read = (of = name) => readTrustParameter(of, { ...host.env });
  return { bucket, parameter, host, open, announce, publish, read };
}

const writes = () => aws.calls.filter(({ operation }) => operation === 'PutParameter').length;

test('the issuer makes it and changes it after the roots are signed anew; a host reads it by its name and by its ARN', async () => {
  const { bucket, open, announce, publish, read } = stageOf('/pemfleet/one');
  const first = await open();
  await publish(first);

  await announce(first);
  const before = await read();
  await rotateKey({ bucket, configured: fleets, now: noon, dryRun: false });
  const second = await open();
  await announce(second);
  const between = await read();
  await publish(second);
  await announce(second);

  const trusted = (signing: Signing) => ({ lineage: signing.lineage, key: signing.signer.key });
  assert.deepEqual([before, between], [trusted(first), trusted(first)]);
  assert.deepEqual(await read(), trusted(second));
  assert.deepEqual(await read(arnOf('/pemfleet/one')), trusted(second));
});

test('what is right already is not written again', async () => {
  const { open, announce } = stageOf('/pemfleet/two');
  const signing = await open();
  await announce(signing);
  const before = writes();

  await announce(signing);

  assert.equal(writes(), before);
});

test('the bucket is lost, the parameter is not: the issuer makes no other key', async () => {
  const { bucket, open, announce } = stageOf('/pemfleet/three');
  await announce(await open());
  await bucket.delete(layout.signingKey);

  const error = await open().catch((reason: unknown) => reason);

  assert.equal(codeOf(error), 'ERR_SIGNING_KEY_LOST');
});

test('a host may not write it, and the issuer may write no other', async () => {
  const { parameter, open, host } = stageOf('/pemfleet/four');
  const { lineage, signer } = await open();
  const trust = { lineage, key: signer.key };

  const other = await new TrustParameter('/pemfleet/other').write(trust).catch((reason: unknown) => reason);
  const restore = setEnv(host.env);
  const byHost = await new TrustParameter('/pemfleet/four').write(trust).catch((reason: unknown) => reason);
  restore();

  for (const error of [other, byHost]) {
    assert.equal(codeOf(error), 'ERR_TRUST_PARAMETER');
    assert.match(messageOf(error), /the role needs ssm:PutParameter on it/);
  }
  assert.equal(await parameter.read(), undefined);
});

for (const [says, text, wanted] of [
  ['is not there yet', undefined, /there is no such parameter/],
  ['is no JSON', 'SECRET', /wanted \{"lineage", "key", "recoveryKey"\}/],
  ['has another content', '{"key":"SECRET"}', /wanted \{"lineage", "key", "recoveryKey"\}/],
] as const) {
  test(`a parameter that ${says}: the host says so, and quotes nothing of it`, async () => {
    const name = `/pemfleet/${says.replaceAll(' ', '-')}`;
    const { read } = stageOf(name);
    if (text !== undefined) aws.ssm.parameters.set(name, text);

    const error = await read().catch((reason: unknown) => reason);

    assert.equal(codeOf(error), 'ERR_TRUST_PARAMETER');
    assert.match(messageOf(error), wanted);
    assert.doesNotMatch(messageOf(error), /SECRET/);
  });
}

test('a host without the right says which one it lacks; one without an answer, that there was none', async () => {
  const { host } = stageOf('/pemfleet/five');
  const read = (changes: Record<string, string>) =>
    readTrustParameter('/pemfleet/six', { ...host.env, ...changes }).catch((reason: unknown) => reason);

  const denied = await read({});
  const silent = await read({ AWS_ENDPOINT_URL: 'http://127.0.0.1:1' });

  assert.match(messageOf(denied), /ssm:GetParameter/);
  assert.deepEqual([denied, silent].map(codeOf), ['ERR_TRUST_PARAMETER', 'ERR_TRUST_PARAMETER']);
});
