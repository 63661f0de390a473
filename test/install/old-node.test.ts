// Debian 12's own Node 18 is too old. It cannot parse the programs, so what npm puts on the PATH says so in words that it can.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import packageJson from '../../package.json' with { type: 'json' };
import { type Machine, makeMachine } from '../support/parts/machine.ts';

let tree: Machine;
before(async () => {
  tree = await makeMachine({ program: 'nspawn-rpm' });
  for (const path of ['dist/cli', 'dist/agent', 'package.json', 'needs-node.cjs', 'build.ts']) {
    cpSync(path, tree.at(`opt/pemfleet/${path}`), { recursive: true });
  }
});
after(() => tree?.remove());

const env = { PATH: '/usr/sbin:/usr/bin:/bin' };
const inside = (script: string) =>
  new Promise<{ status: number; output: string }>((resolve) => {
    execFile(
      'chroot',
      [tree.at(''), 'sh', '-c', `cd /opt/pemfleet; ${script}`],
      { env },
      (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : Number(error.code), output: `${stdout}${stderr}` });
      },
    );
  });

const REFUSAL =
  /^pemfleet: wanted Node\.js 20\.19 or newer, saw 18\.\d+\.\d+ \((?:\/usr\/bin\/)?node\)\. The packages .* need no Node\.js\.\n$/;

for (const [what, script] of [
  ['pemfleet', 'dist/cli/pemfleet.cjs run'],
  ['pemfleet-agent', 'dist/agent/pemfleet-agent.cjs run'],
  ['the build', packageJson.scripts.build],
  ['the tests', packageJson.scripts.test],
] as const) {
  test(`Node 18: which Node is wanted, and which was seen, and exit status 78: ${what}`, async () => {
    const { status, output } = await inside(script);

    assert.match(output, REFUSAL);
    assert.equal(status, 78);
  });
}

test('what is wanted is what package.json says', () => {
  const [, major, minor] = /wanted = \[(\d+), (\d+)\]/.exec(readFileSync('needs-node.cjs', 'utf8')) ?? [];

  assert.equal(packageJson.engines.node, `>=${major}.${minor}`);
});
