/** `pemfleet respond`: the responder for installations without Lambda; runs until SIGTERM or SIGINT. */
import { codeOf, messageOf } from '#contract/errors.ts';
import { respondTo } from '../responder.ts';
import { type Command, loadConfigAndBucket, printToStderr, UsageError } from './command.ts';
import { EXIT } from './output.ts';
import { startResponderServer } from './responder-server.ts';

export const respondCommand: Command = async (values) => {
  const { bucket } = await loadConfigAndBucket(values);
  const server = await startResponderServer({
    ...addressOf(values.listen),
    respond: (event) => respondTo(bucket, event),
    onError: (error) => printToStderr(`${codeOf(error)} ${messageOf(error)}\n`),
  });
  printToStderr(`responder listens on ${server.address}\n`);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  await server.stop();
  return EXIT.ok;
};

function addressOf(listen: string): { host: string; port: number } {
  const url = `http://${listen}`;
  if (!URL.canParse(url) || !/:\d+$/.test(listen)) {
    throw new UsageError(`--listen wants ADDRESS:PORT, saw ${listen}`);
  }
  // Node listens on an IPv6 address without brackets.
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  return { host, port: Number(listen.split(':').at(-1)) };
}
