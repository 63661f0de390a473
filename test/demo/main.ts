/** `npm start`: the main job on one machine, live. `-- --once` ends after the proof, `--json` prints the result, `--aws` plays it on AWS. */
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { tellStory } from './story.ts';
import { createTimeline } from './timeline.ts';

const USAGE = `npm start                     the whole story, then stay up until Ctrl-C
npm start -- --once           end after the proof; exit status 0 only if everything holds
npm start -- --once --json    one JSON object on standard output, the timeline on standard error
npm start -- --aws            the same on AWS, as far as stand-ins of it go on one machine (docs/aws.md)
`;

const options = {
  aws: { type: 'boolean' },
  once: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

async function main(): Promise<number> {
  const { values } = parseArgs({ options });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const elapsedMs = () => performance.now();
  const isColoured = process.stderr.isTTY && process.env['NO_COLOR'] === undefined;
  const timeline = createTimeline((text) => process.stderr.write(text), isColoured, elapsedMs);
  const interrupted = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  // While the story is told, an interrupt ends it at once; the parts die with this process.
  let isTelling = true;
  void interrupted.then(() => isTelling && process.exit(130));
  const tell = values.aws ? (await import('./aws-story.ts')).tellAwsStory : tellStory;
  const { result, faults, httpsPort, example, status, stop } = await tell(timeline, elapsedMs);
  isTelling = false;
  try {
    timeline.chapter('What the fleet serves');
    timeline.block(await status());
    for (const fault of faults) timeline.fact('FAULT', fault);
    if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    if (values.once) return faults.length === 0 ? 0 : 1;
    timeline.fact(
      'stay',
      `up until Ctrl-C; try: curl -k --connect-to ::127.0.0.1:${httpsPort} https://${example}/`,
    );
    await interrupted;
    return faults.length === 0 ? 0 : 1;
  } finally {
    await stop();
  }
}

process.exitCode = await main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  return 1;
});
