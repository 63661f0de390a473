/** What both composition roots (issuer.ts on Lambda, cli.ts anywhere) wire in the same way. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Bucket } from '#contract/bucket/bucket.ts';
import { openBucket } from '#contract/bucket/open.ts';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import { openAccount } from './account.ts';
import type { Timing } from './acme/poll.ts';
import { createTransport } from './acme/transport.ts';
import { http01Solver } from './challenge/http01.ts';
import { type Config, parseConfig } from './config.ts';
import { ConfigError } from './errors.ts';
import { issue } from './issue.ts';
import type { Log } from './log.ts';
import type { Outcome, PassOptions } from './plan.ts';

/** What only a composition root may touch: the clock, chance and the place to tell. */
export interface World {
  timing: Timing;
  random: () => number;
  log: Log;
}

export async function loadConfig(file: string): Promise<Config> {
  const config = parseConfig(file, await readText(file, 'no configuration file'));
  const { caFile } = config.acme;
  const absolute = caFile === undefined ? {} : { caFile: resolve(dirname(file), caFile) };
  return { ...config, acme: { ...config.acme, ...absolute } };
}

/** One pass, alone on its bucket where the bucket can tell. */
export async function runPass(
  bucket: Bucket,
  config: Config,
  options: PassOptions,
  world: World,
): Promise<Outcome[]> {
  const { caFile } = config.acme;
  const ca = caFile === undefined ? undefined : await readText(caFile, 'no trust anchors (acme.caFile)');
  const transport = createTransport({
    userAgent: `pemfleet/${PEMFLEET_VERSION}`,
    ...(ca !== undefined && { ca }),
  });
  const deps = {
    ...world,
    bucket,
    solver: http01Solver(bucket),
    openAccount: () => openAccount(bucket, config.acme, transport.exchange, world.timing.now),
  };
  const remainingMs = world.timing.deadline.getTime() - world.timing.now().getTime();
  try {
    if (options.dryRun) return await issue(deps, config, options);
    return await bucket.exclusively('pass', remainingMs, () => issue(deps, config, options));
  } finally {
    transport.close();
  }
}

export { openBucket };

async function readText(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`${what} at ${file}: ${(error as NodeJS.ErrnoException).code}`, { cause: error });
  }
}
