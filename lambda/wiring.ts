/** Makes the `Pass` of both programs that run one (issuer.ts on Lambda, cli.ts anywhere): CAs, solvers, configuration. */

import { dirname, resolve } from 'node:path';
import { ConfigError } from '#common/config-error.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { MAX_NAMED_BYTES } from '#contract/limits.ts';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import { readRegularFile } from '#storage/atomic-file.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Timing } from './acme/poll.ts';
import { createTransport } from './acme/transport.ts';
import type { CaOptions } from './ca/account.ts';
import { type Ca, type Cas, openCa } from './ca/ca.ts';
import { isPrivateCa } from './ca/private-ca.ts';
import { caaLookup } from './challenge/caa-lookup.ts';
import { PersistSolver } from './challenge/dns-persist.ts';
import { http01Solver } from './challenge/http01.ts';
import type { ChallengeSolver, Solvers } from './challenge/solver.ts';
import { statelessSolver } from './challenge/stateless.ts';
import { txtLookup } from './challenge/txt-lookup.ts';
import { type AcmeSettings, configuredCas } from './config/acme.ts';
import type { ChallengeName } from './config/challenge.ts';
import { type Config, configuredFleets } from './config/config.ts';
import type { NotifySettings } from './config/notify/notify.ts';
import { configDigest } from './identity/config-digest.ts';
import type { IssuerIdentity } from './identity/identity.ts';
import { checkWriter, enterAsWriter } from './identity/writers.ts';
import type { PassResult } from './outcome.ts';
import { type Decided, runPass } from './pass/run-pass.ts';
import type { Pass } from './pass.ts';
import { publishedFleetsOrNone } from './publication/fleets.ts';
import { openKeysToRead } from './publication/readers/keys.ts';
import { announceKey, readAnnounced } from './signing/announce.ts';
import { openSigningKey, type SigningKeyOptions } from './signing/signing-key.ts';
import type { TrustParameter } from './signing/trust-parameter.ts';

/**
 * @param parse of the file's text: YAML for people, JSON on Lambda
 * @param read of a file that people name, which may be anything; the Lambda's is its own
 */
export async function loadConfigFile(
  file: string,
  parse: (file: string, text: string) => Config,
  read: (file: string) => string | Promise<string> = (path) => readText(path, 'no configuration file'),
): Promise<Config> {
  const config = parse(file, await read(file));
  const absolute = (path: string) => resolve(dirname(file), path);
  const withPaths = (acme: AcmeSettings): AcmeSettings => {
    const { caFile, externalAccountBinding: binding } = acme;
    return {
      ...acme,
      caFile: caFile && absolute(caFile),
      externalAccountBinding: binding && { ...binding, hmacKeyFile: absolute(binding.hmacKeyFile) },
    };
  };
  const cas = { acme: withPaths(config.acme), fallback: config.fallback.map(withPaths) };
  return { ...config, ...cas, ...(config.notify && { notify: withWebhookPaths(config.notify, absolute) }) };
}

function withWebhookPaths(settings: NotifySettings, absolute: (path: string) => string): NotifySettings {
  const channels = Object.entries(settings.channels).map(([name, channel]) => {
    const { webhook } = channel;
    if (webhook === undefined) return [name, channel] as const;
    const { urlFile, secretFile, caFile } = webhook;
    const files = Object.entries({ urlFile, secretFile, caFile }).flatMap(([key, file]) =>
      file === undefined ? [] : [[key, absolute(file)]],
    );
    return [name, { ...channel, webhook: { ...webhook, ...Object.fromEntries(files) } }] as const;
  });
  return { ...settings, channels: Object.fromEntries(channels) };
}

/** Each takes seconds: after so many a pass orders without having asked. */
const MAX_CAA_FAULTS = 3;

/** All that a pass does not open itself, and who runs it. */
export interface PassRequest extends Omit<Pass, 'cas' | 'solvers' | 'caa' | 'signing' | 'publishedFleets'> {
  readonly identity: IssuerIdentity;
  /** From which hosts take the first key that they trust. */
  readonly trustParameter?: TrustParameter | undefined;
}

/**
 * Opens the CAs and the solvers and runs one pass, alone on its bucket where the bucket can lock; a dry run takes no lock.
 * @throws ContractError `ERR_ISSUER_CONFLICT` if another issuer works on the bucket with another configuration; a dry run only says so
 */
export function runPassExclusively(
  { identity, trustParameter, ...given }: PassRequest,
  onDecided?: (decided: Decided) => void,
): Promise<PassResult> {
  const { bucket, config, options, timing } = given;
  return withCas(given, (cas) => {
    const solvers = openSolvers(config, bucket, timing);
    const caa = caaLookup(config.dns.resolvers, MAX_CAA_FAULTS);
    const run = (opened: Pick<Pass, 'signing' | 'publishedFleets'>) =>
      runPass({ ...given, cas, solvers, caa, ...opened }, onDecided).then((result) =>
        withAudit(given, result),
      );
    const work = () =>
      enter(given, identity)
        .then(() => withSigningKey(given, trustParameter, run))
        .finally(() => solvers.close());
    return options.dryRun ? work() : bucket.exclusively('pass', remainingMs(timing), work);
  });
}

/** What was published stays so; that the trail lacks it is the pass's failure. */
async function withAudit(
  { audit, log }: Pick<Pass, 'audit' | 'log'>,
  result: PassResult,
): Promise<PassResult> {
  try {
    await audit?.flush();
    return result;
  } catch (error) {
    log('audit.failed', { code: codeOf(error), error: messageOf(error) });
    return { error, ...result };
  }
}

/** Opens the key that signs, and makes it known to hosts when the pass has signed with it. */
async function withSigningKey(
  { bucket, config, options, log }: Pick<Pass, 'bucket' | 'config' | 'options' | 'log'>,
  parameter: TrustParameter | undefined,
  run: (opened: Pick<Pass, 'signing' | 'publishedFleets'>) => Promise<PassResult>,
): Promise<PassResult> {
  const { dryRun } = options;
  // A fleet that no certificate names any more has hosts that follow the key, too.
  const others = await publishedFleetsOrNone({ bucket, log });
  const fleets = [...new Set([...configuredFleets(config), ...others])];
  const announced = await readAnnounced(parameter);
  const opening: SigningKeyOptions = {
    ...{ fleets, announced: announced.trust },
    onLoneClaim: ({ fleet, object, key }) => log('signing-key.claimed', { fleet, object, key }),
  };
  const signing = await (dryRun ? openKeysToRead(bucket, opening) : openSigningKey(bucket, opening));
  for (const [fleet, error] of signing.unpublished ?? []) {
    log('keys.failed', { fleet, code: error.code, error: messageOf(error) });
  }
  const result = await run({ signing, publishedFleets: others });
  if (parameter === undefined || dryRun) return result;
  return announceKey(parameter, announced, signing, { bucket, fleets }).then(
    () => result,
    // What else failed comes first.
    (error: unknown) => ({ error, ...result }),
  );
}

async function enter(
  { bucket, config, options, timing, log }: Pick<Pass, 'bucket' | 'config' | 'options' | 'timing' | 'log'>,
  identity: IssuerIdentity,
): Promise<void> {
  const newcomer = { identity, config: configDigest(config) };
  if (!options.dryRun) return enterAsWriter(bucket, newcomer, timing.now());
  await checkWriter(bucket, newcomer, timing.now()).catch((error: unknown) => {
    if (codeOf(error) !== 'ERR_ISSUER_CONFLICT') throw error;
    log('issuer.refused', { code: codeOf(error), error: messageOf(error) });
  });
}

export function openSolvers({ dns }: Config, bucket: Bucket, timing: Timing): Solvers {
  const opened = new Map<ChallengeName, Promise<ChallengeSolver>>();
  return {
    of: (challenge) => {
      const solver = opened.get(challenge) ?? openSolver(challenge, dns, bucket, timing);
      opened.set(challenge, solver);
      return solver;
    },
    close: async () => {
      for (const solver of await Promise.allSettled(opened.values())) {
        if (solver.status === 'fulfilled') solver.value.close?.();
      }
    },
  };
}

async function openSolver(
  challenge: ChallengeName,
  dns: Config['dns'],
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
    case 'dns-persist-01':
      return new PersistSolver(txtLookup(dns.resolvers), timing.now);
  }
}

/** Opens the configured CAs for `work`, and closes their connections when it is done. */
export async function withCas<T>(
  { bucket, config, timing, log }: Pick<Pass, 'bucket' | 'config' | 'timing'> & Partial<Pick<Pass, 'log'>>,
  work: (cas: Cas) => Promise<T>,
): Promise<T> {
  const all = configuredCas(config);
  const opened = await Promise.all(all.map((settings) => connect({ bucket, settings, log }, timing)));
  try {
    return await work(new Map(opened.map(({ ca }) => [ca.settings.directoryUrl, ca])));
  } finally {
    for (const { close } of opened) close();
  }
}

function remainingMs({ now, deadline }: Timing): number {
  return deadline.getTime() - now().getTime();
}

async function connect(
  known: Pick<CaOptions, 'bucket' | 'settings' | 'log'>,
  timing: Timing,
): Promise<{ ca: Ca; close: () => void }> {
  const { caFile, externalAccountBinding } = known.settings;
  const trustAnchors = caFile === undefined ? undefined : await readText(caFile, 'no trust anchors (caFile)');
  const hmacKey =
    externalAccountBinding && (await readText(externalAccountBinding.hmacKeyFile, 'no HMAC key')).trim();
  const { exchange, allowsPrivate, close } = createTransport({
    userAgent: `pemfleet/${PEMFLEET_VERSION}`,
    remainingMs: () => remainingMs(timing),
    ca: trustAnchors,
    directoryUrl: known.settings.directoryUrl,
    isPrivate: isPrivateCa(known.settings),
  });
  const { now, sleep } = timing;
  return { ca: openCa({ ...known, exchange, now, sleep, hmacKey }, allowsPrivate), close };
}

async function readText(file: string, what: string): Promise<string> {
  try {
    return (await readRegularFile(file, MAX_NAMED_BYTES)).toString('utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError('ERR_CONFIG', `${what} at ${file}: ${fileProblem(code, error)}`, { cause: error });
  }
}

function fileProblem(code: string | undefined, error: unknown): string {
  if (code === 'EFBIG') return messageOf(error);
  return code === 'EINVAL' ? 'wanted a regular file, saw a pipe or a device' : String(code);
}
