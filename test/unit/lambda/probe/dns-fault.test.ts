// A name server that nobody reaches is told as such, and not as a record that is missing. Nobody listens at the ports asked here.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { certificateName, fleetName } from '#contract/layout.ts';
import { caaLookup } from '../../../../lambda/challenge/caa-lookup.ts';
import { cnameLookup } from '../../../../lambda/challenge/dns-target.ts';
import { txtLookup } from '../../../../lambda/challenge/txt-lookup.ts';
import { readCaa } from '../../../../lambda/preflight/caa-report.ts';
import { checkResponder, type ResponderCheck } from '../../../../lambda/preflight/check-responder.ts';
import { probeTable } from '../../../../lambda/probe/probe-table.ts';
import { resolverOf } from '../../../../lambda/probe/resolve.ts';

const NOBODY = /no name server answers this machine/;

/** Address of a port that was free a moment ago. */
async function closedServer(): Promise<string> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return `127.0.0.1:${port}`;
}

test('CNAME and TXT of a challenge: the error names the name server', async () => {
  const servers = [await closedServer()];

  await assert.rejects(cnameLookup(servers)('_acme-challenge.a.test'), {
    message:
      'no answer for the CNAME at _acme-challenge.a.test: no name server answers this machine (ECONNREFUSED); name a server that answers in /etc/resolv.conf, or in dns.resolvers',
  });
  await assert.rejects(
    txtLookup(servers)('_validation-persist.a.test', () => true),
    NOBODY,
  );
});

test('pre-flight: neither records nor CAA are asked for where nobody could see them', async () => {
  const servers = [await closedServer()];
  const certificates = [{ challenge: ['http-01'], identifiers: ['a.test'] }] as never;
  const ca = { directoryUrl: 'https://ca.test/directory', caaIdentities: ['ca.test'] } as never;

  const { checks } = await readCaa(certificates, [ca], caaLookup(servers));
  const findings = await checkResponder({
    certificates,
    resolve: resolverOf(servers),
    solvers: { of: async () => ({ present: async () => undefined, cleanUp: async () => undefined }) },
    thumbprint: undefined,
    allowPrivate: false,
  } as unknown as ResponderCheck);

  assert.equal(checks[0]?.isUnreached, true);
  assert.match(checks[0]?.problem ?? '', NOBODY);
  const [{ result, saw, advice } = {}] = findings;
  assert.deepEqual(
    [result, saw, advice],
    [
      'unknown',
      'no name server answers this machine (ECONNREFUSED)',
      'name a server that answers in /etc/resolv.conf, or in probe.resolvers',
    ],
  );
});

test('a probe says once that nobody answers, and how an address is asked all the same', () => {
  const about = { fleet: fleetName.parse('edge'), certificate: certificateName.parse('a'), name: 'a.test' };
  const failed = (detail: string) => ({ ...about, verdict: 'dns-failed' as const, detail });

  const unreached = probeTable([failed('ECONNREFUSED'), failed('ETIMEOUT')], []);
  assert.equal(unreached.match(/no name server answers this machine: .*probe\.fleets/g)?.length, 1);
  assert.doesNotMatch(probeTable([failed('ESERVFAIL')], []), NOBODY);
});
