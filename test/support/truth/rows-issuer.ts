// What the configuration and the published certificates themselves show.
import { HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { stateOf, type TruthRow } from './row.ts';

export const issuerRows: readonly TruthRow[] = [
  {
    name: 'overlap',
    isEverywhere: true,
    where: 'poll',
    on: 'lb1',
    plant: ({ issuer, certificate }) =>
      issuer.publish('overlap-too', { names: [`${certificate}.test`, 'overlap-too.test'] }),
    inHostStatus: stateOf,
    isNamed: ['failed', 'ERR_HANDSHAKE_OVERLAP'],
    line: { level: 'wrong', code: 'behind', names: ['certificate'], says: /lb1 failed .*overlap-too/ },
    figures: ['HostsBehind'],
    figureAfterMs: 31 * MINUTE_MS,
    mend: ({ issuer }) => issuer.withdraw('overlap-too'),
  },
  {
    name: 'never-issued',
    where: 'issuer',
    on: 'lb1',
    isUnpublished: true,
    plant: ({ issuer }) => issuer.configure('never-issued'),
    line: { level: 'wrong', code: 'missing', names: ['certificate'], says: /configured, not published/ },
    figures: ['CertificatesMissing', 'CertificatesFailing'],
    mend: ({ issuer }) => issuer.publish('never-issued'),
  },
  {
    name: 'out-of-the-configuration',
    where: 'issuer',
    on: 'lb1',
    plant: ({ issuer, certificate }) => issuer.forget(certificate),
    line: { level: 'note', code: 'unconfigured', names: ['certificate'], says: /published, not configured/ },
    figures: ['CertificatesUnconfigured'],
    mend: ({ issuer, certificate }) => issuer.configure(certificate),
  },
  {
    name: 'expired',
    takesHours: true,
    isEverywhere: true,
    where: 'issuer',
    on: 'lb1',
    plant: async ({ issuer, clock, host, certificate }) => {
      await issuer.publish(certificate, { notAfter: new Date(clock.now().getTime() + HOUR_MS) });
      await host.poll();
      clock.advance(HOUR_MS + MINUTE_MS);
      await host.poll();
    },
    line: { level: 'wrong', code: 'expired', says: /expired .*, and HAProxy serves it/ },
    figures: ['CertificatesExpired', 'CertificatesOverdue'],
    mend: ({ issuer, certificate }) => issuer.publish(certificate),
  },
];
