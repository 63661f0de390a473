/** The decisions of the issuer's doctor: about units, the clock, the responder, what the bucket says. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import {
  checkBucket,
  checkClock,
  checkIssuing,
  checkResponderUnit,
  missingBucket,
  ofPreflight,
} from '../../../../../lambda/commands/doctor/checks.ts';
import {
  type IssuerUnits,
  judgeUnits,
  mendUnits,
  readUnits,
} from '../../../../../lambda/commands/doctor/units.ts';
import { configDigest } from '../../../../../lambda/identity/config-digest.ts';
import { enterAsWriter } from '../../../../../lambda/identity/writers.ts';
import { openSigningKey } from '../../../../../lambda/signing/signing-key.ts';
import { memoryBucket, reportTime } from '../../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../../support/clock.ts';
import { fleet, makeConfig } from '../../../../support/issuer/documents.ts';

const active = { LoadState: 'loaded', ActiveState: 'active', UnitFileState: 'enabled' };
const well: IssuerUnits = {
  isBooted: true,
  issuer: { LoadState: 'loaded', ActiveState: 'inactive', UnitFileState: 'static', Result: 'success' },
  timer: active,
  responder: active,
  agent: active,
};
const config = makeConfig([{ identifiers: ['a.test'] }]);

/** Findings, and the commands that --fix would run. */
function judged(changes: Partial<IssuerUnits>, usesResponder = true): string[] {
  const units = { ...well, ...changes };
  const mends = mendUnits(units, config, usesResponder).map(({ finding, commands = [], dropIns = [] }) => {
    const does = [...commands.map((words) => words.join(' ')), ...dropIns.map(({ path }) => path)].join('; ');
    return `${finding?.id}: ${finding?.seen} → ${does}`;
  });
  return [...mends, ...judgeUnits(units).map(({ id, seen }) => `${id}: ${seen}`)];
}

const ROWS: readonly [says: string, changes: Partial<IssuerUnits>, finds: RegExp | undefined][] = [
  ['all is well', {}, undefined],
  ['systemd does not run this machine', { isBooted: false, timer: {}, issuer: {} }, undefined],
  [
    'the timer is stopped',
    { timer: { ...active, ActiveState: 'inactive' } },
    /^unit-disabled: no pass.*→ systemctl start pemfleet\.timer$/,
  ],
  [
    'the timer is disabled',
    { timer: { ...active, UnitFileState: 'disabled', ActiveState: 'inactive' } },
    /^unit-disabled: .*is disabled and inactive → systemctl enable --now pemfleet\.timer$/,
  ],
  [
    'the timer runs, and not after a reboot',
    { timer: { ...active, UnitFileState: 'disabled' } },
    /^unit-disabled: .*disabled and active → systemctl enable/,
  ],
  [
    'the timer goes by pemfleet.target',
    { timer: { ...active, UnitFileState: 'disabled', WantedBy: 'pemfleet.target' } },
    undefined,
  ],
  [
    'nothing was started since the package was installed',
    {
      timer: {
        ...active,
        ...{ UnitFileState: 'disabled', ActiveState: 'inactive', WantedBy: 'pemfleet.target' },
        ...{ TargetFileState: 'disabled', TargetActiveState: 'inactive' },
      },
    },
    /^unit-disabled: .*is disabled and inactive → systemctl enable --now pemfleet\.target$/,
  ],
  [
    'pemfleet.target runs, and not after a reboot',
    {
      timer: {
        ...active,
        ...{ UnitFileState: 'disabled', WantedBy: 'pemfleet.target' },
        ...{ TargetFileState: 'disabled', TargetActiveState: 'active' },
      },
    },
    /^unit-disabled: .*→ systemctl enable --now pemfleet\.target$/,
  ],
  [
    'the timer is masked: somebody wants it so, and is told',
    { timer: { LoadState: 'masked', ActiveState: 'inactive', UnitFileState: 'masked' } },
    /^unit-disabled: no pass comes by itself: pemfleet\.timer is masked → $/,
  ],
  [
    'there is no timer',
    { timer: { LoadState: 'not-found', ActiveState: 'inactive' } },
    /^unit-disabled: .*is not-found → $/,
  ],
  [
    'the responder is stopped',
    { responder: { ...active, ActiveState: 'inactive' } },
    /^unit-disabled: pemfleet-responder.*no HTTP-01.* → systemctl start pemfleet-responder/,
  ],
  [
    'the responder has failed',
    { responder: { ...active, ActiveState: 'failed' } },
    /^unit-failed: .*→ systemctl restart pemfleet-responder/,
  ],
  [
    'the responder is masked',
    { responder: { LoadState: 'masked', ActiveState: 'inactive' } },
    /^unit-disabled: no HTTP-01.*is masked → $/,
  ],
  [
    'another program answers challenges',
    { responder: { LoadState: 'not-found', ActiveState: 'inactive' } },
    undefined,
  ],
  [
    'there is no unit',
    { issuer: { LoadState: 'not-found', ActiveState: 'inactive' } },
    /^unit-missing: systemd has no pemfleet\.service/,
  ],
  [
    'the last pass has failed',
    { issuer: { ...well.issuer, ActiveState: 'failed', Result: 'exit-code' } },
    /^unit-failed: the last pass has failed \(exit-code\)$/,
  ],
  [
    'keys would be in a core dump',
    { issuer: { ...well.issuer, LimitCORE: 'infinity' } },
    /^unit-core-dumps: .*→ \S+pemfleet-core\.conf$/,
  ],
  [
    'the agent of this host is down',
    { agent: { ...active, ActiveState: 'failed' } },
    /^agent-failed: pemfleet-agent\.service on this host is failed$/,
  ],
  [
    'the agent, which goes by pemfleet.target, is stopped',
    {
      agent: {
        ...{ LoadState: 'loaded', ActiveState: 'inactive', UnitFileState: 'disabled' },
        ...{ WantedBy: 'pemfleet.target', TargetFileState: 'enabled', TargetActiveState: 'active' },
      },
    },
    /^agent-failed: pemfleet-agent\.service on this host is inactive$/,
  ],
  [
    'the agent, which goes by pemfleet.target, is started again and again',
    {
      agent: {
        ...{ LoadState: 'loaded', ActiveState: 'activating', UnitFileState: 'disabled', NRestarts: '3' },
        ...{ WantedBy: 'pemfleet.target', TargetFileState: 'enabled', TargetActiveState: 'active' },
      },
    },
    /^agent-failed: pemfleet-agent\.service on this host is activating$/,
  ],
  [
    'the agent is at its first pass',
    { agent: { LoadState: 'loaded', ActiveState: 'activating', UnitFileState: 'enabled', NRestarts: '0' } },
    undefined,
  ],
  [
    'pemfleet.target wants an agent for which there is no agent.yaml',
    {
      agent: {
        ...{ LoadState: 'loaded', ActiveState: 'inactive', UnitFileState: 'disabled', ConditionResult: 'no' },
        ...{ WantedBy: 'pemfleet.target', TargetFileState: 'enabled', TargetActiveState: 'active' },
      },
    },
    undefined,
  ],
  [
    'the agent is not used here',
    { agent: { LoadState: 'loaded', ActiveState: 'inactive', UnitFileState: 'disabled' } },
    undefined,
  ],
];

for (const [says, changes, finds] of ROWS) {
  test(`doctor, units: ${says}`, () => {
    const findings = judged(changes);

    assert.equal(findings.length, finds === undefined ? 0 : 1, findings.join('\n'));
    assert.match(findings[0] ?? '', finds ?? /^$/);
  });
}

test('doctor, units: a responder counts where a name is proved by HTTP-01', () => {
  assert.deepEqual(judged({ responder: { ...active, ActiveState: 'failed' } }, false), []);
});

test('doctor, units: a directory that the unit may not write to gets a drop-in', () => {
  const issuer = { ...well.issuer, ProtectSystem: 'strict', ReadWritePaths: '/var/lib/pemfleet' };
  const mends = mendUnits(
    { ...well, issuer },
    makeConfig([{ identifiers: ['a.test'] }], { bucket: 'file:///srv/b' }),
    true,
  );

  const [mend] = mends;
  assert.deepEqual([mends.length, mend?.id], [1, 'unit-read-only']);
  assert.match(mend?.finding?.seen ?? '', /may not write to \/srv\/b \(ProtectSystem=strict\)/);
  assert.match(mend?.dropIns?.map(({ text }) => text).join() ?? '', /ReadWritePaths=-\/srv\/b\n/);
});

test('doctor, units: without systemctl, or in a container, nothing is asked of units', async () => {
  const asked: string[] = [];
  const answer =
    (isInstalled: boolean, stdout: string) => async (program: string, args: readonly string[]) => {
      asked.push([program, ...args].join(' '));
      return { isInstalled, stdout };
    };

  const none = await readUnits(answer(false, ''));
  const offline = await readUnits(answer(true, 'offline\n'));

  assert.deepEqual([none.isBooted, offline.isBooted, asked.length], [false, false, 2]);
  const booted = await readUnits(answer(true, 'running\nLoadState=loaded\n'));
  assert.deepEqual([booted.isBooted, booted.timer['LoadState']], [true, 'loaded']);
});

test('doctor: a clock that nothing sets is a finding; one that nobody can tell of is none', async () => {
  const clock = async (stdout: string) =>
    (await checkClock(async () => ({ isInstalled: true, stdout }))).map(({ id }) => id);

  assert.deepEqual(
    [await clock('no\n'), await clock('yes\n'), await clock('')],
    [['clock-unsynchronized'], [], []],
  );
});

test('doctor: a responder that runs and does not answer is a finding, after its start it has time', async (t) => {
  const server = createServer((_, response) => response.writeHead(404).end());
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const unit = (listen: string, ActiveState = 'active') => ({
    ActiveState,
    ExecStart: `{ argv[]=/usr/bin/pemfleet respond --listen ${listen} ; }`,
  });
  const ids = async (...args: Parameters<typeof checkResponderUnit>) =>
    (await checkResponderUnit(...args)).map(({ id }) => id);

  assert.deepEqual(await ids(unit(`0.0.0.0:${port}`)), []);
  assert.deepEqual(await ids(unit('127.0.0.1:1')), ['responder-silent']);
  assert.deepEqual(await ids(unit('127.0.0.1:1', 'inactive')), []);
  server.close();
  setTimeout(() => server.listen(port, '127.0.0.1'), 50);
  assert.deepEqual(await ids(unit(`127.0.0.1:${port}`), 5000), []);
});

const identity = { id: 'machine here', label: 'here' };

async function issuing(
  change: (bucket: ReturnType<typeof memoryBucket>) => Promise<Bucket | undefined>,
  atMs = 0,
) {
  const bucket = memoryBucket(reportTime);
  await openSigningKey(bucket, { fleets: [fleet], dryRun: false });
  await enterAsWriter(bucket, { identity, config: configDigest(config) }, noon);
  const store = (await change(bucket)) ?? bucket;
  const findings = await checkIssuing(store, config, identity, after(new Date(), atMs));
  return findings.map(({ id, fix }) => `${id} → ${fix}`);
}

test('doctor: the last pass is overdue after the wake-up time and two hours, not before', async () => {
  const none = async () => undefined;
  const wakeMs = config.wakeMinutes * MINUTE_MS;

  assert.deepEqual(await issuing(none, wakeMs + 2 * HOUR_MS), []);
  const [late] = await issuing(none, wakeMs + 3 * HOUR_MS);
  assert.match(late ?? '', /^pass-overdue → systemctl enable --now pemfleet\.timer/);
});

test('doctor: a signing key that is spoilt is recovered; one that cannot be read is not lost', async () => {
  const spoilt = await issuing(async (bucket) => {
    await bucket.put(layout.signingKey, 'no key');
    return undefined;
  });
  const denied = await issuing(
    async (bucket) =>
      ({
        ...bucket,
        get: async (key: string, ...rest: never[]) => {
          if (key === layout.signingKey)
            throw new BucketError('ERR_BUCKET_DENIED', key, 'EACCES: permission denied');
          return bucket.get(key, ...rest);
        },
      }) as Bucket,
  );

  assert.match(spoilt.join('\n'), /^signing-key → docs\/runbook\.md.*key recover/);
  assert.equal(denied.length, 1);
  assert.match(denied[0] ?? '', /^bucket-failed → .*pemfleet doctor --fix/);
});

test('doctor: what another machine has written last is a conflict', async () => {
  const findings = await issuing(async (bucket) => {
    const other = { id: 'machine other', label: 'other' };
    await bucket.delete(layout.writers);
    await enterAsWriter(
      bucket,
      { identity: other, config: configDigest(makeConfig([{ identifiers: ['b.test'] }])) },
      noon,
    );
    return undefined;
  });

  assert.match(findings.join('\n'), /^issuer-conflict → pemfleet take-over/);
});

test('doctor: the probe of the bucket goes again, and a right that is missing is one finding', async () => {
  const bucket = memoryBucket(reportTime);
  const denied = {
    ...bucket,
    put: async () => {
      throw new BucketError('ERR_BUCKET_DENIED', 'k', 'AccessDenied');
    },
  } as Bucket;

  assert.deepEqual(
    (await checkBucket(bucket, () => noon)).filter(({ id }) => id !== 'clock-off'),
    [],
  );
  assert.deepEqual(await bucket.list(layout.probe('')), []);
  assert.deepEqual(
    (await checkBucket(denied, () => noon)).map(({ id, seen }) => `${id} ${seen}`),
    ['bucket-failed ERR_BUCKET_DENIED k: AccessDenied'],
  );
});

test('doctor: no directory yet is said, S3 has none', async () => {
  assert.equal(await missingBucket(undefined), undefined);
  assert.equal(await missingBucket('/'), undefined);
  assert.equal((await missingBucket('/nowhere/bucket'))?.id, 'bucket-missing');
});

test('doctor: of the pre-flight, what failed is an error, what is open a warning, an account to come nothing', () => {
  const of = (check: string, result: string) =>
    ({ check, result, saw: 's', subject: 'x', wanted: 'w' }) as never;

  const findings = ofPreflight([
    of('caa', 'failed'),
    of('caa', 'unknown'),
    of('account', 'unknown'),
    of('limits', 'unknown'),
    of('caa', 'ok'),
  ]);

  assert.deepEqual(
    findings.map(({ id, severity }) => [id, severity]),
    [
      ['check-caa', 'error'],
      ['check-caa', 'warning'],
    ],
  );
});
