/** `pemfleet respond`: the responder for hosts without Lambda; runs until SIGTERM or SIGINT. */
import { codeOf, messageOf } from '#contract/errors.ts';
import { respondTo } from '../responder.ts';
import { type Command, open, say, UsageError } from './command.ts';
import { EXIT } from './output.ts';
import { startFront } from './responder-server.ts';

export const respondCommand: Command = async (values) => {
  const { bucket } = await open(values);
  const { hostname, port } = addressOf(values.listen);
  const onError = (error: unknown) => say(`${codeOf(error)} ${messageOf(error)}\n`);
  const front = await startFront({
    host: hostname,
    port,
    respond: (event) => respondTo(bucket, event),
    onError,
  });
  say(`responder listens on ${front.address}\n`);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  await front.stop();
  return EXIT.ok;
};

function addressOf(listen: string): { hostname: string; port: number } {
  const url = `http://${listen}`;
  if (!URL.canParse(url) || !/:\d+$/.test(listen))
    throw new UsageError(`--listen wants address:port, saw ${listen}`);
  return { hostname: new URL(url).hostname.replace(/^\[|\]$/g, ''), port: Number(listen.split(':').at(-1)) };
}
