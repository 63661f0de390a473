/** What both composition roots (issuer.ts on Lambda, cli.ts anywhere) wire in the same way. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { ConfigError } from '#common/config-error.ts';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Timing } from './acme/poll.ts';
import { createTransport } from './acme/transport.ts';
import { type Ca, openCa } from './ca/ca.ts';
import { http01Solver } from './challenge/http01.ts';
import type { ChallengeSolver } from './challenge/solver.ts';
import { statelessSolver } from './challenge/stateless.ts';
import type { AcmeSettings } from './config/acme.ts';
import type { Config } from './config/config.ts';
import type { Log } from './log.ts';
import type { PassOptions, PassResult } from './outcome.ts';
import { issue } from './pass/pass.ts';

/** What only a composition root may touch: the clock, chance and the place to tell. */
export interface PassEnvironment {
  timing: Timing;
  random: () => number;
  log: Log;
}

/** @param parse of the file's text: YAML for people, JSON on Lambda */
export async function loadConfigFile(
  file: string,
  parse: (file: string, text: string) => Config,
): Promise<Config> {
  const config = parse(file, await readText(file, 'no configuration file'));
  const absolute = (path: string) => resolve(dirname(file), path);
  const withPaths = (acme: AcmeSettings): AcmeSettings => {
    const { caFile, externalAccountBinding: binding } = acme;
    return {
      ...acme,
      ...(caFile !== undefined && { caFile: absolute(caFile) }),
      ...(binding && { externalAccountBinding: { ...binding, hmacKeyFile: absolute(binding.hmacKeyFile) } }),
    };
  };
  return { ...config, acme: withPaths(config.acme), fallback: config.fallback.map(withPaths) };
}

/** One pass, alone on its bucket where the bucket can tell. */
export function runPass(
  bucket: Bucket,
  config: Config,
  options: PassOptions,
  world: PassEnvironment,
): Promise<PassResult> {
  return withCas(bucket, config, world.timing, async (authorities) => {
    const solver = await solverFor(config, bucket, world.timing);
    const work = () =>
      issue({ ...world, bucket, solver, authorities }, config, options).finally(() => solver.close?.());
    return options.dryRun ? work() : bucket.exclusively('pass', remainingMs(world.timing), work);
  });
}

async function solverFor(
  { challenge, dns }: Config,
  bucket: Bucket,
  timing: Timing,
): Promise<ChallengeSolver> {
  switch (challenge) {
    case 'http-01':
      return http01Solver(bucket);
    case 'http-01-stateless':
      return statelessSolver;
    case 'dns-01':
      // Loaded where it is needed only, like the bucket's SDK: it is half of a small pass.
      return new (await import('./challenge/route53/solver.ts')).Route53Solver(dns, timing);
  }
}

/** The configured CAs, by directory URL; their connections are closed when `work` is done. */
export async function withCas<T>(
  bucket: Bucket,
  config: Config,
  timing: Timing,
  work: (authorities: ReadonlyMap<string, Ca>) => Promise<T>,
): Promise<T> {
  const opened = await Promise.all(
    [config.acme, ...config.fallback].map((settings) => connect(bucket, settings, timing)),
  );
  try {
    return await work(new Map(opened.map(({ authority }) => [authority.settings.directoryUrl, authority])));
  } finally {
    for (const { close } of opened) close();
  }
}

function remainingMs({ now, deadline }: Timing): number {
  return deadline.getTime() - now().getTime();
}

async function connect(bucket: Bucket, settings: AcmeSettings, timing: Timing) {
  const { caFile, externalAccountBinding } = settings;
  const ca = caFile === undefined ? undefined : await readText(caFile, 'no trust anchors (caFile)');
  const hmacKey =
    externalAccountBinding && (await readText(externalAccountBinding.hmacKeyFile, 'no HMAC key')).trim();
  const transport = createTransport({
    userAgent: `pemfleet/${PEMFLEET_VERSION}`,
    remainingMs: () => remainingMs(timing),
    ...(ca !== undefined && { ca }),
  });
  return {
    authority: openCa(bucket, settings, transport.exchange, timing.now, hmacKey),
    close: transport.close,
  };
}

async function readText(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new ConfigError('ERR_CONFIG', `${what} at ${file}: ${(error as NodeJS.ErrnoException).code}`, {
      cause: error,
    });
  }
}
