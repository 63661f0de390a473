/** `metrics.textfile`: the figures of a pass, where node_exporter and `pemfleet respond` read them. */
import { codeOf, messageOf } from '#contract/errors.ts';
import { MAX_FOREIGN_BYTES } from '#contract/limits.ts';
import { readRegularFile, replaceFile } from '#storage/atomic-file.ts';
import type { Config } from '../config/config.ts';
import { figuresText, finishedAtIn } from '../figures/figures-text.ts';
import type { PassMetrics } from '../figures/metrics.ts';
import { now, printToStderr } from './command.ts';
import { remoteStage } from './remote/stage.ts';

/** What cannot be written is said, and holds nothing up. The collector may read at any moment, as any user: the file is replaced as a whole. */
export async function writeFigures({ metrics: { textfile } }: Config, metrics: PassMetrics): Promise<void> {
  // A function has no disk, and its figures go to CloudWatch.
  if (textfile === undefined || remoteStage() !== undefined) return;
  const at = now();
  try {
    const before = metrics.RunFinished === undefined ? await readFigures(textfile) : undefined;
    const finishedAt = metrics.RunFinished === undefined ? finishedAtIn(before ?? '') : at;
    await replaceFile(textfile, figuresText(metrics, at, finishedAt), { mode: 0o644 });
  } catch (error) {
    printToStderr(`${textfile}: ${codeOf(error)} ${messageOf(error)}\n`);
  }
}

/** @returns undefined if there is none */
export async function readFigures(textfile: string): Promise<string | undefined> {
  const body = await readRegularFile(textfile, MAX_FOREIGN_BYTES).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return body?.toString('utf8');
}
