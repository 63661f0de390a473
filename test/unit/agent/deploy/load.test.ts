import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeployFailed, NOTHING_DEPLOYED } from '../../../../agent/deploy/action.ts';
import { Loader } from '../../../../agent/deploy/load.ts';
import { capabilitiesOf } from '../../../../agent/haproxy/capabilities.ts';
import { Runtime } from '../../../../agent/haproxy/runtime.ts';
import type { RuntimeCommand } from '../../../../agent/haproxy/socket.ts';
import { runtimeFile } from '../../../support/agent/plan-fixtures.ts';

const filename = '/c/shop.pem';
const shop = `Filename: ${filename}\nStatus: Used\nSerial: 0A12`;

/** A HAProxy that commits as `commits` say, one after the other. */
function loaderOn(commits: string[]) {
  const sent: string[] = [];
  const answers: Record<string, (command: RuntimeCommand) => string> = {
    'set ssl cert': ({ operands }) =>
      operands?.[0] === filename
        ? `Transaction created for certificate ${filename}!`
        : `Transaction updated for certificate ${filename}!`,
    'commit ssl cert': () => commits.shift() ?? 'Success!',
    'abort ssl cert': () => 'No ongoing transaction!',
    'show ssl cert': () => shop,
  };
  const answerTo = (command: RuntimeCommand) => {
    sent.push([command.verb, ...(command.operands ?? [])].join(' '));
    return { text: answers[command.verb]?.(command) ?? '', severity: undefined };
  };
  const socket = async (command: RuntimeCommand, ...next: RuntimeCommand[]) => ({
    ...answerTo(command),
    next: next.map(answerTo),
  });
  const runtime = new Runtime(socket, async () => undefined);
  return { loader: new Loader(runtime, capabilitiesOf('3.2.26', 16_384)), sent };
}

const content = { text: 'PEM', staple: Buffer.from('staple') };
const before = { ...NOTHING_DEPLOYED, isWritten: true };
const refusal = 'Failed!';

test('certificate and staple are loaded in one transaction', async () => {
  const { loader, sent } = loaderOn([]);

  const { shown, deployed } = await loader.load(runtimeFile({}), content, before);

  assert.equal(shown?.serial, '0A12');
  assert.match(deployed.staple?.sha256 ?? '', /^[0-9a-f]{64}$/);
  assert.equal(deployed.isWritten, true);
  assert.deepEqual(
    sent.filter((line) => line.startsWith('set') || line.startsWith('commit')),
    [`set ssl cert ${filename}`, `set ssl cert ${filename}.ocsp`, `commit ssl cert ${filename}`],
  );
});

test('where HAProxy refuses the two, the certificate goes alone, and the reason is kept', async () => {
  const { loader } = loaderOn([refusal]);

  const { shown, deployed } = await loader.load(runtimeFile({}), content, before);

  assert.equal(shown?.serial, '0A12');
  assert.equal(deployed.staple, undefined);
  assert.equal((deployed.stapleError as { code?: string }).code, 'ERR_RUNTIME_REFUSED');
});

test('a certificate that HAProxy serves already is not loaded without its refused staple', async () => {
  const { loader, sent } = loaderOn([refusal]);

  const { shown } = await loader.load(runtimeFile({}), { ...content, isServed: true }, before);

  assert.equal(shown?.serial, '0A12');
  assert.equal(sent.filter((line) => line.startsWith('commit')).length, 1);
});

test('a failure carries what was done before it', async () => {
  const { loader } = loaderOn([refusal, refusal]);

  await assert.rejects(loader.load(runtimeFile({}), content, before), (error) => {
    assert.ok(error instanceof DeployFailed);
    assert.equal((error.cause as { code?: string }).code, 'ERR_RUNTIME_REFUSED');
    assert.equal(error.deployed.isWritten, true);
    assert.equal((error.deployed.stapleError as { code?: string }).code, 'ERR_RUNTIME_REFUSED');
    return true;
  });
});
