// Small, full and read-only file systems, in a mount namespace of their own: they are gone with it.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';

export interface MountNamespace {
  /** Words before a program that is to run inside. */
  through: string[];
  /** Runs a shell line inside. */
  run(line: string): void;
}

export async function makeMountNamespace(t: TestContext): Promise<MountNamespace> {
  const isRoot = process.getuid?.() === 0;
  const words = ['--mount', ...(isRoot ? [] : ['--map-root-user']), 'sh', '-c', 'echo ready; exec sleep 600'];
  const holder = spawn('unshare', words, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => holder.kill('SIGKILL'));
  const [first] = (await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')])) as unknown[];
  if (!String(first).startsWith('ready')) {
    throw new Error(
      'unshare --mount: this test needs root, or user namespaces (sysctl kernel.unprivileged_userns_clone=1)',
    );
  }
  const user = isRoot ? [] : ['--user', '--preserve-credentials'];
  const through = ['nsenter', '--target', String(holder.pid), '--mount', ...user];
  return {
    through,
    run: (line) => {
      const [program = '', ...args] = [...through, 'sh', '-ec', line];
      const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
      if (status !== 0) throw new Error(`${line}: ${stderr}`);
    },
  };
}
