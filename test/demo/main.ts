/** `npm start`: the whole system on one machine, live. `-- --once` ends after the proof, `--json` prints the result, `--aws` runs it on AWS. */
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { runStory } from './story.ts';
import { createTimeline } from './timeline.ts';

const USAGE = `npm start                     the whole story, then stay up until Ctrl-C
npm start -- --once           end after the proof; exit status 0 only if everything holds
npm start -- --once --json    one JSON object on standard output, the timeline on standard error
npm start -- --aws            the same on AWS, against stand-ins on one machine (docs/deploy.md)
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
  // An interrupt ends a running story at once; the parts end with this process.
  let isRunning = true;
  void interrupted.then(() => isRunning && process.exit(130));
  const play = values.aws ? (await import('./aws-story.ts')).runAwsStory : runStory;
  const { result, faults, httpsPort, example, status, stop } = await play(timeline, elapsedMs);
  isRunning = false;
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
