// What a deployment stands on: the stand-in of AWS with its zones, the CA that looks there, an OCSP responder, the ports of a host.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type OcspResponder, startOcspResponder } from '../../support/parts/ocsp-responder.ts';
import { type Pebble, type PebbleOptions, startPebble } from '../../support/parts/pebble.ts';
import { createPki, type Pki } from '../../support/parts/pki.ts';
import { freePort } from '../../support/ports.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { type Aws, startAws } from '../aws.ts';
import { FOREIGN_ACCOUNT, FOREIGN_ROLE } from './app.ts';

export interface Ground {
  aws: Aws;
  pebble: Pebble;
  ocsp: OcspResponder;
  /** of AWS's own HTTPS */
  pki: Pki;
  dir: string;
  /** of HAProxy: its socket and certificates */
  haproxyDir: string;
  httpPort: number;
  httpsPort: number;
  urlPort: number;
  zones: { own: string; foreign: string };
}

/** Ends what was started, the last first. */
export type Stops = (() => Promise<void> | void)[];

/** What the deployed pemfleet.yaml says. */
export interface CloudConfig {
  challenge: 'http-01' | 'dns-01';
  certificates: readonly { name?: string; identifiers: readonly string[] }[];
  /** more of it */
  more?: object;
}

export const EXTERNAL_ID = 'fleet-7';
/** In the zone of the other account. */
export const FOREIGN_NAME = 'shop.partner.test';

export async function startGround(
  stops: Stops,
  onPart: (name: string, where: string) => void = () => undefined,
  { hasOcsp = false, ...options }: PebbleOptions & { hasOcsp?: boolean } = {},
): Promise<Ground> {
  const temp = makeTempDir();
  stops.push(temp.remove);
  const aws = await startAws();
  stops.push(aws.stop);
  onPart('AWS stand-in', `${aws.endpoint}, name servers ${aws.dns.address}`);
  const ocsp = await startOcspResponder();
  stops.push(ocsp.stop);
  const [httpPort, httpsPort, urlPort] = [await freePort(), await freePort(), await freePort()];
  const ports = { httpPort, httpsPort, urlPort };
  const place = { dnsServer: aws.dns.address, httpPort, ...(hasOcsp && { ocspResponderUrl: ocsp.url }) };
  const pebble = await startPebble({ ...place, ...options });
  stops.push(pebble.stop);
  if (hasOcsp) ocsp.serve(await pebble.intermediate());
  onPart('Pebble (ACME CA)', pebble.directoryUrl);
  const haproxyDir = join(temp.path, 'h');
  mkdirSync(haproxyDir);
  const [pki, zones] = [await createPki(), createZones(aws)];
  return { aws, pebble, ocsp, pki, dir: temp.path, haproxyDir, ...ports, zones };
}

/** The CA looks for every name's address here too. */
function createZones({ route53 }: Aws): Ground['zones'] {
  const here = (name: string) => ({ name, type: 'A', ttl: 60, values: ['127.0.0.1'] });
  // Somebody else's value is in the way: it has to be seen, and stays.
  const notOurs = (name: string) => ({ name, type: 'TXT', ttl: 300, values: ['"not ours"'] });
  route53.createZone({ name: 'found.test' });
  const lambda = 'lambda-url.eu-central-1.on.aws';
  route53.createZone({ name: lambda, accountId: '999999999999', records: [here(`*.${lambda}`)] });
  const records = [here('*.example.test'), here('example.test'), notOurs('_acme-challenge.example.test')];
  return {
    own: route53.createZone({ name: 'example.test', records }),
    foreign: route53.createZone({
      ...{ name: 'partner.test', accountId: FOREIGN_ACCOUNT },
      records: [notOurs(`_acme-challenge.${FOREIGN_NAME}`)],
    }),
  };
}

/** pemfleet.yaml */
export function documentOf({ aws, pebble, zones }: Ground, config: CloudConfig): object {
  const roleArn = `arn:aws:iam::${FOREIGN_ACCOUNT}:role/${FOREIGN_ROLE}`;
  const hostedZones = [
    { domain: 'example.test', hostedZoneId: zones.own },
    { domain: 'partner.test', hostedZoneId: zones.foreign, roleArn, externalId: EXTERNAL_ID },
  ];
  const { directoryUrl, caFile } = pebble;
  return {
    acme: { directoryUrl, caFile, termsOfServiceAgreed: true },
    ...{ challenge: config.challenge, certificates: config.certificates },
    ...(config.challenge === 'dns-01' && { dns: { hostedZones, resolvers: [aws.dns.address] } }),
    ...config.more,
  };
}

/** Of the agent, in the cloud-init text. It polls so seldom that only a Run Command can be what wakes it. */
export const settingsOf = ({ haproxyDir, httpsPort, dir }: Ground) => ({
  haproxy: {
    statsSocket: join(haproxyDir, 'admin.sock'),
    certsDir: join(haproxyDir, 'certs'),
    handshake: [`127.0.0.1:${httpsPort}`],
  },
  stateDir: join(dir, 'state'),
  pollInterval: 86_400,
});
