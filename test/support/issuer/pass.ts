/** A pass over a bucket in memory, with a CA that is out of reach. */
import { NoAcmeAnswer } from '../../../lambda/acme/problem.ts';
import type { Ca } from '../../../lambda/ca/ca.ts';
import { http01Solver } from '../../../lambda/challenge/http01.ts';
import { runPass } from '../../../lambda/pass/run-pass.ts';
import type { Pass, PassOptions } from '../../../lambda/pass.ts';
import type { MemoryBucket } from '../bucket/memory-bucket.ts';
import { fakeClock } from '../clock.ts';
import { DIRECTORY_URL, fleet, makeConfig, makeEntry, named } from './documents.ts';
import { recordEvents } from './events.ts';
import { onlySolver } from './only-solver.ts';
import { madeUpTexts, testPublisher, testSigning } from './signing.ts';

export const publishEntry = (bucket: MemoryBucket, name: string, entry = makeEntry()) =>
  testPublisher(bucket, fleet).publish(named(name), entry, madeUpTexts(entry));

export function passOver(bucket: MemoryBucket, changes: Partial<Pass> = {}) {
  const events = recordEvents();
  const clock = fakeClock();
  const base = {
    bucket,
    cas: new Map([[DIRECTORY_URL, unreachableCa()]]),
    solvers: onlySolver(http01Solver(bucket)),
    signing: testSigning,
    timing: clock,
    random: () => 0,
    log: events.log,
    ...changes,
  };
  const passFor = (certificates: object[], options: PassOptions = {}): Pass => ({
    ...base,
    config: makeConfig(certificates),
    options,
  });
  const run = (certificates: object[], options: PassOptions = {}) =>
    runPass(passFor(certificates, options)).then(({ outcomes }) => outcomes);
  return { run, passFor, events, clock };
}

export function unreachableCa(): Ca {
  const fail = () => Promise.reject(new NoAcmeAnswer('GET https://ca.test/directory: ECONNREFUSED'));
  const { acme: settings } = makeConfig([{ identifiers: ['a.test'] }]);
  return {
    settings,
    directory: fail,
    allowsPrivate: fail,
    freshDirectory: fail,
    storedAccount: fail,
    account: fail,
    accountAt: fail,
    accountStatus: fail,
    earlierAccounts: fail,
    signedBy: fail,
    renewalInfo: fail,
    forgetAccount: async () => undefined,
  };
}
