/** `haproxy -c` over what the configuration would be, before any of it is in its place. */
import { PROGRAM_PATH } from '#common/program/path.ts';
import type { StagedFile } from '#storage/atomic-file.ts';
import type { Installation } from '../host/installation.ts';
import { runToEnd } from './run-to-end.ts';

const isRoot = () => process.getuid?.() === 0;
const TIMEOUT_MS = 300_000;

export interface CheckResult {
  isWell: boolean;
  output: string;
  /** How long HAProxy takes to load it: a reload takes about as long. */
  ms: number;
}

/** @param staged by the path that it is for; it stands in the same directory, so that relative paths mean the same */
export async function checkStaged(
  { program = 'haproxy', files, args, directory, env, process: running }: Installation,
  staged: ReadonlyMap<string, Pick<StagedFile, 'temp'>>,
): Promise<CheckResult> {
  const configs = files.flatMap((file) => ['-f', staged.get(file)?.temp ?? file]);
  const begin = performance.now();
  const { isWell, output } = await runToEnd([program, '-c', ...args.others, ...configs], {
    timeoutMs: TIMEOUT_MS,
    cwd: directory,
    // A configuration may load programs (lua): that of a service's user runs as this user, not as root.
    ...(isRoot() && running && running.uid !== 0 && { uid: running.uid, gid: running.gid }),
    env: { PATH: PROGRAM_PATH, ...env },
  });
  const names = [...staged].reduce((text, [file, { temp }]) => text.replaceAll(temp, file), output);
  return { isWell, output: names, ms: performance.now() - begin };
}
