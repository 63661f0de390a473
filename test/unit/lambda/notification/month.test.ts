/** Over a simulated month, with late, stopped, killed and blind passes: one notice for each change, and none for each pass. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { after, noon } from '../../../support/clock.ts';
import { FAULTS, passesOf } from '../../../support/issuer/month.ts';
import { countsOf, entryOf, makeTeller } from '../../../support/notification/teller.ts';

const DAY_MS = 86_400_000;

/** What people get of each fault, in all. */
const TOLD: Readonly<Record<string, Record<string, number>>> = {
  CertificatesExpired: { expiring: 1, recovered: 1 },
  // 22 days before its end; its end comes no nearer in this month, for the fault ends first.
  CertificatesOverdue: { expiring: 1, recovered: 1 },
  CertificatesMissing: { failing: 1, recovered: 1 },
  CertificatesFailing: { failing: 1, recovered: 1 },
  // 14 days before. At 7 days it would be told again; it is put back then.
  CertificatesEnding: { expiring: 1, recovered: 1 },
  HostsBehind: { behind: 1, recovered: 1 },
  HostsSilent: { silent: 1, recovered: 1 },
  HostsMissing: { silent: 1, recovered: 1 },
  NeedsReload: { behind: 1, recovered: 1 },
  HostsUnproven: { behind: 1, recovered: 1 },
  // It is found, and it comes back for the third night.
  DriftReturning: { drift: 2 },
  NotifyFailed: { behind: 1, recovered: 1 },
  // For these CloudWatch's alarms and pemfleet status are there: docs/notifications.md.
  NamesWrong: {},
  RunFinished: {},
};

test('a month without a fault tells nobody anything but the digest of each week', async () => {
  const teller = makeTeller({ digest: 'monday' });

  for (const { facts } of passesOf(undefined)) await teller.pass(facts);

  assert.deepEqual(countsOf(teller.sent), { digest: 5 });
});

for (const fault of FAULTS) {
  test(`a month in which ${fault.says}: each change is told once, and no pass repeats it`, async () => {
    const teller = makeTeller();

    for (const { facts } of passesOf(fault)) {
      await teller.pass({ ...facts, configured: ['a.test', 'new.test'] });
    }

    assert.deepEqual(countsOf(teller.sent), TOLD[fault.alarm]);
    for (const { count } of teller.sent) assert.equal(count, 1);
  });
}

test('a month of daily renewals of one of thirty certificates is a notice for each renewal, though it is in two fleets', async () => {
  const teller = makeTeller();
  const names = Array.from({ length: 30 }, (_, index) => `n${index}.test`);
  let renewals = 0;
  const serials = new Map(names.map((name) => [name, entryOf('01', after(noon, -40 * DAY_MS))]));

  for (const { facts, index } of passesOf(undefined)) {
    const name = names[Math.floor(index / 48) % 30] ?? '';
    if (index > 0 && index % 48 === 0) {
      serials.set(name, entryOf(`A${index}`, facts.now));
      renewals += 1;
    }
    await teller.pass({
      ...facts,
      entries: { default: Object.fromEntries(serials), edge: Object.fromEntries(serials) },
    });
  }

  assert.deepEqual(countsOf(teller.sent), { renewed: renewals });
});
