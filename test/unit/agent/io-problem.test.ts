// Each errno of a directory says who owns it and what to type.
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ioProblem } from '../../../agent/io-problem.ts';
import { tempDir } from '../../support/temp-dir.ts';

const user = userInfo().username;
const failed = (code: string) => Object.assign(new Error('x'), { code });

test('a table of errnos', async (t) => {
  const dir = tempDir(t);
  writeFileSync(join(dir, 'file'), '');
  symlinkSync('nowhere', join(dir, 'link'));
  mkdirSync(join(dir, 'locked'), { mode: 0o500 });
  const rows: [code: string, path: string, says: string][] = [
    ['EACCES', join(dir, 'locked'), `EACCES: ${dir}/locked has mode 0500: chmod u\\+rwx ${dir}/locked`],
    ['EACCES', join(dir, 'locked', 'a', 'b'), `EACCES: ${dir}/locked has mode 0500`],
    ['EPERM', dir, `EPERM: ${dir} belongs to ${user} .*lsattr -d ${dir}`],
    ['EROFS', join(dir, 'a'), `EROFS: ${dir} is read-only: mount it .*ReadWritePaths=${dir} `],
    [
      'ENOSPC',
      join(dir, 'a'),
      `ENOSPC: \\d+ of \\d+ bytes are free .*${dir}, 3000 bytes are needed: make room, df ${dir}`,
    ],
    ['EDQUOT', join(dir, 'a'), `EDQUOT: the disk quota of ${user} is used up on ${dir}: quota -u ${user}`],
    [
      'ENOTDIR',
      join(dir, 'file', 'a'),
      `ENOTDIR: ${dir}/file is not a directory: move it away, then install -d -m 0700 -o ${user}`,
    ],
    [
      'ENOENT',
      join(dir, 'certs'),
      `ENOENT: ${dir}/certs does not exist: install -d -m 0750 -o ${user} ${dir}/certs`,
    ],
    ['ELOOP', join(dir, 'link'), `ELOOP: ${dir}/link is a symbolic link`],
    ['EISDIR', dir, `EISDIR: ${dir} is a directory: move it away`],
    ['EIO', dir, `EIO: ${dir} cannot be used`],
  ];

  for (const [code, path, says] of rows) {
    assert.match(await ioProblem(path, failed(code), 3000), new RegExp(`^${says}`));
  }
});

test("another user's directory names its owner, and the agent's user", async () => {
  // Of root; where root runs the tests, the process tells of itself.
  const problem = await ioProblem('/root/x', failed('EACCES'));

  assert.match(
    problem,
    process.getuid?.() === 0
      ? /\/root belongs to root/
      : /belongs to root \(mode 0\d+\), and the agent runs as .*: chown -R /,
  );
});
