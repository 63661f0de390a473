/** The lines that HAProxy's configuration needs, with the responder's address filled in. */
import { Fn } from 'aws-cdk-lib';
import type { FunctionUrl } from 'aws-cdk-lib/aws-lambda';
import type { FleetName } from '#contract/layout.ts';
import { functionUrlLines, snippetOf } from '../../lambda/challenge/haproxy-lines.ts';
import { type Config, specsOfFleet, usedChallenges } from '../../lambda/config/config.ts';

const HTTPS = `# In the frontend of port 443: every certificate that the agent installs. It starts with an empty directory too.
    bind :443 ssl crt /etc/haproxy/certs strict-sni alpn h2,http/1.1
`;

/** @param isClosed whether the responder's URL answers to a secret only */
export function haproxyConfig(
  config: Config,
  fleet: FleetName,
  responder: FunctionUrl | undefined,
  isClosed: boolean,
): string {
  const used = usedChallenges({ certificates: specsOfFleet(config.certificates, fleet) });
  // The account's thumbprint answers for all certificates of the account, the responder's too.
  if (used.has('http-01-stateless')) {
    return `${HTTPS}\n# Stateless HTTP-01: the lines that "pemfleet haproxy-config" prints, with the account's thumbprint.\n`;
  }
  return responder === undefined || !used.has('http-01')
    ? HTTPS
    : `${HTTPS}\n${snippetOf(functionUrlLines(hostOf(responder), isClosed))}`;
}

/** `https://<id>.lambda-url.<region>.on.aws/` */
export function hostOf(responder: FunctionUrl): string {
  return Fn.select(2, Fn.split('/', responder.url));
}
