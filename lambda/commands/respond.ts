/** `pemfleet respond`: the responder for installations without Lambda; runs until SIGTERM or SIGINT. */
import { type Listening, parseListenAddress } from '#common/net/listen.ts';
import { startMetricsServer } from '#common/prometheus/metrics-server.ts';
import { SECOND_MS } from '#common/time.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { withAnswerMemory } from '../challenge/answer-memory.ts';
import type { Config } from '../config/config.ts';
import { respondTo } from '../responder.ts';
import { type Command, loadConfigAndBucket, printNotice } from './command.ts';
import { UsageError } from './line/options.ts';
import { EXIT } from './output.ts';
import { startResponderServer } from './responder-server.ts';
import { readFigures } from './textfile.ts';

const SAMPLE_MS = 10 * SECOND_MS;

export const respondCommand: Command = async (values) => {
  const { bucket, config } = await loadConfigAndBucket(values, 'get');
  const address = parseListenAddress(values.listen);
  if (address === undefined) throw new UsageError(`--listen wants ADDRESS:PORT, saw ${values.listen}`);
  const memory = withAnswerMemory(bucket);
  const server = await startResponderServer({
    ...address,
    respond: (event) => respondTo(memory, event),
    onError: sampled((error) => printNotice(`${codeOf(error)} ${messageOf(error)}\n`, 'error')),
  });
  printNotice(`responder listens on ${server.address}\n`);
  const metrics = await openMetrics(config);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  await metrics?.stop();
  await server.stop();
  return EXIT.ok;
};

/** A flood of requests does not fill the journal: one failure in ten seconds has its line. */
function sampled(say: (error: unknown) => void): (error: unknown) => void {
  let next = Number.NEGATIVE_INFINITY;
  return (error) => {
    if (performance.now() < next) return;
    next = performance.now() + SAMPLE_MS;
    say(error);
  };
}

/** The figures of the last `pemfleet run`, which ends after each pass: this program stays. */
async function openMetrics({ metrics: { listen, textfile } }: Config): Promise<Listening | undefined> {
  const address = listen === undefined ? undefined : parseListenAddress(listen);
  if (address === undefined || textfile === undefined) return undefined;
  try {
    const server = await startMetricsServer(address, () => readFigures(textfile));
    printNotice(`metrics at http://${server.address}/metrics\n`);
    return server;
  } catch (error) {
    // Challenges are answered all the same.
    printNotice(`metrics.listen ${listen}: ${codeOf(error)} ${messageOf(error)}\n`, 'error');
    return undefined;
  }
}
