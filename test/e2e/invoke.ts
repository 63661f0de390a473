/** A Lambda's handler from its bundle, in a process of its own with nothing but the given environment. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export interface Invocation {
  /** Of the handler; undefined if it threw. */
  result?: { outcomes: { certificate: string; result: string; error?: { code: string; message: string } }[] };
  errorType?: string;
  errorMessage?: string;
  /** What it logged, on either stream: a JSON document a line. */
  log: Record<string, unknown>[];
  stderr: string;
}

const runner = fileURLToPath(new URL('../support/invoke.mjs', import.meta.url));

export async function invoke(
  program: 'issuer' | 'responder',
  env: Record<string, string>,
  {
    event = {},
    seconds = 120,
    bundle = fileURLToPath(new URL(`../../dist/${program}/index.mjs`, import.meta.url)),
  }: { event?: object; seconds?: number; bundle?: string } = {},
): Promise<Invocation> {
  const child = spawn(process.execPath, [runner, bundle, String(seconds)], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.end(JSON.stringify(event));
  const [, stdout, stderr, answer] = child.stdio as unknown as [unknown, ...NodeJS.ReadableStream[]];
  const read = (stream: NodeJS.ReadableStream | undefined) => (stream ? text(stream) : '');
  const [logged, said, answered] = await Promise.all([read(stdout), read(stderr), read(answer)]);
  if (child.exitCode === null) await once(child, 'close');
  // CloudWatch has both streams in one.
  const lines = `${logged}\n${said}`.split('\n').filter((line) => line.startsWith('{'));
  const log = lines.map((line) => JSON.parse(line));
  return { ...JSON.parse(answered || '{"errorType":"no answer"}'), log, stderr: said };
}
