// One file that HAProxy has under two names: what has failed is undone under each that has taken it.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse } from '#contract/combined-pem.ts';
import type { ReachableHost } from '../../../../agent/agent.ts';
import { DeployFailed, type DeployingAction, NOTHING_DEPLOYED } from '../../../../agent/deploy/action.ts';
import { Loader } from '../../../../agent/deploy/load.ts';
import { restorePrevious } from '../../../../agent/deploy/restore.ts';
import { RuntimeCommandFailed } from '../../../../agent/errors.ts';
import { capabilitiesOf } from '../../../../agent/haproxy/capabilities.ts';
import { Runtime } from '../../../../agent/haproxy/runtime.ts';
import type { RuntimeCommand } from '../../../../agent/haproxy/socket.ts';
import { desired, haproxy, runtimeFile } from '../../../support/agent/plan-fixtures.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const pki = await createPki();
const [old, fresh] = [await pki.issue({ names: ['shop.test'] }), await pki.issue({ names: ['shop.test'] })];
const [oldSerial, newSerial] = [old, fresh].map(({ combined }) => parse(combined).leaf.serialNumber) as [
  string,
  string,
];
const [first, second] = ['/a/shop.pem', '/b/shop.pem'];

/** A HAProxy that shows these certificates, and takes what it is given. */
function haproxyWith(shown: Map<string, string>) {
  const taken: string[] = [];
  const answerTo = ({ verb, operands: [filename = ''] = [], payload }: RuntimeCommand): string => {
    switch (verb) {
      case 'show info':
        return 'Name: HAProxy\nVersion: 3.2.26\nPid: 7\nStopping: 0';
      case 'show ssl cert':
        return `Filename: ${filename}\nStatus: Used\nSerial: ${shown.get(filename)}`;
      case 'set ssl cert':
        taken.push(filename);
        shown.set(filename, parse(payload ?? '').leaf.serialNumber);
        return `Transaction created for certificate ${filename}!`;
      default:
        return 'Success!';
    }
  };
  const answer = (command: RuntimeCommand) => ({ text: answerTo(command), severity: undefined });
  const socket = async (command: RuntimeCommand, ...next: RuntimeCommand[]) => ({
    ...answer(command),
    next: next.map(answer),
  });
  return { taken, runtime: new Runtime(socket, async () => undefined) };
}

/** The new file is on disk, the one before beside it; HAProxy served the old certificate under both names. */
async function restoreOver(t: TestContext, shown: Map<string, string>) {
  const dir = tempDir(t);
  const path = join(dir, 'shop.pem');
  writeFileSync(path, fresh.combined);
  writeFileSync(join(dir, '.shop.pem.pemfleet-previous'), old.combined);
  const { runtime, taken } = haproxyWith(shown);
  const places = [first, second].map((filename) => runtimeFile({ filename, serial: oldSerial }));
  const view = { runtime, haproxy: haproxy(places), crtListFile: undefined } as unknown as ReachableHost;
  const pem = parse(fresh.combined);
  const wanted = { ...desired, serial: newSerial };
  const action = { kind: 'update', file: 'shop.pem', desired: wanted } as DeployingAction;
  const deployed = { ...NOTHING_DEPLOYED, isWritten: true };
  const file = { kind: 'installed', action, path, pem, text: fresh.combined, deployed } as const;
  const refusal = new RuntimeCommandFailed('ERR_RUNTIME_REFUSED', { verb: 'commit ssl cert' }, 'refused');
  const failed = await restorePrevious(
    new DeployFailed(refusal, deployed),
    { ...file, staple: undefined, isStapleStale: false },
    view,
    new Loader(runtime, capabilitiesOf('3.2.26', 16_384)),
  );
  return { dir, path, taken, failed, refusal };
}

test('where one of two places has taken the new certificate, it gets the old one back, and the other is left alone', async (t) => {
  const shown = new Map([
    [first, newSerial],
    [second, oldSerial],
  ]);

  const { dir, path, taken, failed, refusal } = await restoreOver(t, shown);

  assert.deepEqual(taken, [first]);
  assert.deepEqual([...shown.values()], [oldSerial, oldSerial]);
  assert.equal(readFileSync(path, 'utf8'), old.combined, 'a reload would read the refused one');
  assert.deepEqual(readdirSync(dir), ['shop.pem']);
  assert.equal(failed.cause, refusal);
});
