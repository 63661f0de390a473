/**
 * `haproxy -c` on a configuration of the agent's own, which holds nothing but the lines in question: a line that HAProxy
 * refuses would stop its next start, so it is tried before it is written.
 */
import { randomBytes } from 'node:crypto';
import { unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { printable } from '#common/printable.ts';
import { SECOND_MS } from '#common/time.ts';
import { TEMP_SUFFIX } from '#storage/atomic-file.ts';
import { HostError } from '../errors.ts';
import { crtListLine } from './crt-list-line.ts';
import { firstLines, runProgram } from './program.ts';

interface CheckedLine {
  /** The PEM file, which is there. */
  path: string;
  tail: string;
}

interface CheckOptions {
  program: string;
  /** For the two files of the check: a dot-file is no certificate to HAProxy. */
  directory: string;
}

const TIMEOUT_MS = 20 * SECOND_MS;

/** @returns for each line, in order, why HAProxy has not accepted it; `undefined`: it has */
export async function checkLines<T extends CheckedLine>(
  lines: readonly T[],
  options: CheckOptions,
): Promise<Map<T, HostError | undefined>> {
  const refusal = lines.length === 0 ? undefined : await refusalOf(lines, options);
  if (refusal === undefined || lines.length === 1) return new Map(lines.map((line) => [line, refusal]));
  const errors = new Map<T, HostError | undefined>();
  // Without HAProxy's program, each try says the same.
  for (const line of lines) {
    errors.set(line, refusal.cause === NOT_CHECKED ? refusal : await refusalOf([line], options));
  }
  return errors;
}

const NOT_CHECKED = 'no check';

async function refusalOf(
  lines: readonly CheckedLine[],
  { program, directory }: CheckOptions,
): Promise<HostError | undefined> {
  // Named like other temporary files: what a killed run leaves behind is swept.
  const random = randomBytes(6).toString('hex');
  const temp = (name: string) => join(directory, `.crt-list-check.${name}.${random}${TEMP_SUFFIX}`);
  const [list, config] = [temp('list'), temp('cfg')];
  const text = lines.map(({ path, tail }) => `${crtListLine(path, tail)}\n`).join('');
  try {
    await writeFile(list, text, { mode: 0o600 });
    await writeFile(config, configFor(list), { mode: 0o600 });
    return errorOf(program, await runProgram([program, '-c', '-f', config], TIMEOUT_MS), list);
  } catch (error) {
    return new HostError('ERR_CRT_LIST_CHECK', `the line cannot be checked: ${directory} cannot be written`, {
      cause: error,
    });
  } finally {
    for (const file of [list, config]) await unlink(file).catch(() => undefined);
  }
}

/** It is parsed, and nothing listens: `-c` binds no address. */
const configFor = (list: string) =>
  `defaults\n  mode tcp\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\nfrontend check\n  bind 127.0.0.1:1 ssl crt-list ${list} strict-sni\n`;

function errorOf(
  program: string,
  { status, output }: Awaited<ReturnType<typeof runProgram>>,
  list: string,
): HostError | undefined {
  if (status === 0) return undefined;
  const words = printable(firstLines(output)).replaceAll(list, 'the line').replaceAll(/\s+/g, ' ');
  if (status === 1 && words !== '') {
    return new HostError('ERR_CRT_LIST_CHECK', `"${program} -c" refuses the line: ${words}`);
  }
  const end = status === 'late' ? 'did not end in time' : `ended with ${status}`;
  const hint = `the line has options, and no HAProxy has accepted it yet: "${program} -c" ${end}. Start HAProxy, or set haproxy.program to its program`;
  return new HostError('ERR_CRT_LIST_CHECK', hint, { cause: NOT_CHECKED });
}
