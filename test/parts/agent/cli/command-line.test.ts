// What `pemfleet-agent` answers to a command line that it does not know.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spawnAgent } from '../../../support/agent/program.ts';

for (const command of ['sink', 'constructor', 'toString']) {
  test(`"${command}" is no command: exit status 64, and the way to --help`, async () => {
    const { code, stderr } = await spawnAgent([command]);

    assert.equal(code, 64, stderr);
    assert.match(stderr, new RegExp(`there is no command ${command}; .* see --help`));
  });
}
