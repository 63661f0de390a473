import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '#common/config-error.ts';
import { parseConfig } from '../../../lambda/config/yaml.ts';
import { thrownBy } from '../thrown-by.ts';

export const letsencrypt = { directoryUrl: 'letsencrypt', termsOfServiceAgreed: true };
const one = { identifiers: ['a.test'] };

/** A configuration that is accepted, and the places where a test spoils it. */
export const whole = { bucket: 'file:///b', acme: letsencrypt, certificates: [one] };
export const withAcme = (changes: object) => ({ ...whole, acme: { ...letsencrypt, ...changes } });
export const withCertificate = (changes: object) => ({ ...whole, certificates: [{ ...one, ...changes }] });
export const withNames = (...identifiers: unknown[]) => withCertificate({ identifiers });

export type Mistake = [says: string, config: unknown, path: string, message: RegExp];

export function testMistakes(mistakes: Mistake[]): void {
  for (const [says, config, path, message] of mistakes) {
    test(`config: ${says} is refused at ${path}`, () => {
      const error = refusal(JSON.stringify(config));

      assert.match(error.message, /^etc\/pemfleet\.yaml was refused:\n/);
      const line = faultsIn(error).find((fault) => fault.path === path);
      assert.match(line?.says ?? `no line for ${path} in ${error.message}`, message);
    });
  }
}

export function refusal(text: string): ConfigError {
  const error = thrownBy(ConfigError, () => parseConfig('etc/pemfleet.yaml', text));
  assert.equal(error.code, 'ERR_CONFIG');
  return error;
}

/** Each line of the message, without its place in the file. */
export function faultsIn({ message }: ConfigError): { path: string; says: string }[] {
  return message
    .split('\n')
    .slice(1)
    .map((line) => {
      const [, path = '', says = ''] =
        /^ {2}etc\/pemfleet\.yaml:\d+:\d+: ([^ ]+|\(whole file\)): (.*)$/.exec(line) ?? [];
      return { path, says };
    });
}
