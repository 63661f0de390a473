// The configuration that we ship must be good as it stands, and so must what it offers in its comments.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { responderLines, snippetOf } from '../../../lambda/challenge/haproxy-lines.ts';
import { programPath } from '../../setup.mjs';
import { blocksOf, PAGES } from '../../support/docs/blocks.ts';
import { haproxyVersions } from '../../support/parts/haproxy.ts';
import { createPki } from '../../support/parts/pki.ts';
import { tempDir } from '../../support/temp-dir.ts';

const shipped = readFileSync(new URL('../../../agent/host/haproxy.cfg', import.meta.url), 'utf8');
const localResponder = /^ {4}server responder .+\n/m;
const proxiedChallenges =
  /^ {4}http-request return status 404 .+\n(?: {4}# .+\n)* {4}http-request redirect .+\n {4}use_backend .+\n/m;
const proxiedOnTls = /^ {4}http-request return status 404 .+\n {4}use_backend .+\n(?= {4}# stateless)/m;
const variants = {
  'as it stands': shipped,
  'with an application': shipped,
  'with a Lambda URL': uncomment(shipped.replace(localResponder, ''), /^# {3}(?= {4}|resolvers|backend)/),
  stateless: uncomment(
    shipped.replace(proxiedChallenges, '').replace(proxiedOnTls, ''),
    /^ {4}# {3}(?=acl|http-request)/,
  ),
};

for (const version of haproxyVersions) {
  for (const [name, config] of Object.entries(variants)) {
    test(`HAProxy ${version} takes the shipped configuration ${name} without a warning`, async (t) => {
      const dir = tempDir(t);
      const certsDir = join(dir, 'certs');
      mkdirSync(certsDir);
      // an empty directory would be warned of, rightly
      const { combined } = await (await createPki()).issue({ names: ['a.test'] });
      writeFileSync(join(certsDir, 'a.pem'), combined);
      writeFileSync(join(dir, 'haproxy.cfg'), config);

      const { status, stdout, stderr } = check(version, dir, name === 'with an application');

      assert.deepEqual(
        { status, stderr: stderr.replace(/^\[NOTICE\].*\n/gm, '') },
        { status: 0, stderr: '' },
      );
      assert.doesNotMatch(stdout, /Warnings/);
    });
  }
}

/** Of the documents, with the paths and the group of this machine. */
const documented = PAGES.flatMap(blocksOf).filter(({ language }) => language === 'haproxy');

for (const version of haproxyVersions) {
  for (const { page, line, text } of documented) {
    test(`HAProxy ${version} takes the configuration of ${page}:${line} without a warning`, async (t) => {
      const dir = tempDir(t);
      const { combined } = await (await createPki()).issue({ names: ['a.test'] });
      mkdirSync(join(dir, 'certs'));
      writeFileSync(join(dir, 'certs', 'a.pem'), combined);
      const defaults =
        'defaults\n    mode http\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n';
      const here = text
        .replaceAll('/etc/haproxy/certs', join(dir, 'certs'))
        .replaceAll('/run/haproxy/', `${dir}/`)
        .replaceAll('group haproxy', 'group root');
      writeFileSync(join(dir, 'haproxy.cfg'), `${here.includes('defaults') ? '' : defaults}${here}\n`);

      const { status, stderr } = check(version, dir, false);

      assert.deepEqual([status, stderr.replace(/^\[NOTICE\].*\n/gm, '')], [0, '']);
    });
  }
}

test('the variants are really other configurations', () => {
  assert.match(variants['with a Lambda URL'], /^ {4}server-template lambda 2 /m);
  assert.match(variants['with a Lambda URL'], /^resolvers acme_dns\n/m);
  assert.match(variants.stateless, /^http-request return status 200 .*THUMBPRINT/m);
  assert.doesNotMatch(variants.stateless, /use_backend acme_responder/);
});

test('it has the lines that pemfleet prints, so that both withstand the same', () => {
  const words = (text: string) =>
    text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !/^(#|server )/.test(line));
  const ours = new Set(words(shipped));

  assert.deepEqual(
    words(snippetOf(responderLines('127.0.0.1:8402'))).filter((line) => !ours.has(line)),
    [],
  );
});

function check(version: (typeof haproxyVersions)[number], dir: string, hasApplication: boolean) {
  const env = {
    ...process.env,
    PEMFLEET_CERTS_DIR: join(dir, 'certs'),
    PEMFLEET_SOCKET: join(dir, 'admin.sock'),
    PEMFLEET_SOCKET_GROUP: 'root',
    PEMFLEET_UNPRIVILEGED: '1',
    PEMFLEET_RESPONDER_HOST: 'abc.lambda-url.eu-west-1.on.aws',
    PEMFLEET_THUMBPRINT: '9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI',
    ...(hasApplication ? { PEMFLEET_APP: '127.0.0.1:8080' } : {}),
  };
  const args = ['-c', '-f', join(dir, 'haproxy.cfg')];
  return spawnSync(programPath(`haproxy-${version}`), args, { encoding: 'utf8', env });
}

function uncomment(config: string, mark: RegExp): string {
  return config
    .split('\n')
    .map((line) => line.replace(mark, ''))
    .join('\n');
}
