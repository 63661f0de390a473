// Names that several of HAProxy's certificates have: what adopt gives to the agent, the agent serves as HAProxy has served it.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { basename } from 'node:path';
import { before, test } from 'node:test';
import { withOverlaps } from '../../../../agent/desired/overlap.ts';
import { handedOutNames } from '../../../../lambda/adopt/haproxy/handed-out.ts';
import { type PresentPem, readPresentPem } from '../../../../lambda/adopt/haproxy/present-pem.ts';
import { chooseFiles, type LoadedFile } from '../../../../lambda/adopt/plan/choose-files.ts';
import { withoutContested } from '../../../../lambda/adopt/plan/shared-names.ts';
import type { HaproxyConfiguration } from '../../../../lambda/init/plan/haproxy-config.ts';
import { readSections } from '../../../../lambda/init/plan/sections.ts';
import { createPki, type Pki, type TestKeyType } from '../../../support/parts/pki.ts';

const now = new Date();
const DAY_MS = 86_400_000;
let pki: Pki;
before(async () => {
  pki = await createPki();
});

interface Made {
  file: string;
  names: string[];
  /** Of `notBefore`. */
  ageDays: number;
  keyType?: TestKeyType;
  isBare?: boolean;
}

const directory = '/etc/haproxy/certs';

async function loadedOf(made: readonly Made[], source = directory): Promise<LoadedFile[]> {
  return Promise.all(
    made.map(async ({ file, names, ageDays, keyType, isBare = false }) => {
      const notBefore = new Date(now.getTime() - ageDays * DAY_MS);
      const notAfter = new Date(now.getTime() + 30 * DAY_MS);
      const one = await pki.issue({ names, notBefore, notAfter, ...(keyType && { keyType }) });
      const pem = readPresentPem(isBare ? one.leafPem + one.keyPem : one.combined, now);
      const path = `${source}/${file}`;
      return { source: source === directory ? source : path, kind: 'directory', file: path, pem } as const;
    }),
  );
}

function configOf(...binds: string[]): HaproxyConfiguration {
  const text = `frontend https\n${binds.map((bind, index) => `  bind 127.0.0.1:${4430 + index} ssl ${bind}\n`).join('')}`;
  const texts = [{ file: '/etc/haproxy/haproxy.cfg', text, encoding: 'utf8' as const }];
  return { texts, sections: readSections(texts, {}), env: {} } as unknown as HaproxyConfiguration;
}

/** @param served file that HAProxy hands out for a name; absent: HAProxy does not run */
async function choiceOf(
  loaded: readonly LoadedFile[],
  { served, binds = [`crt ${directory}`] }: { served?: string; binds?: string[] } = {},
) {
  const { certificates, leftOut } = chooseFiles(loaded);
  const leaf = loaded.find(({ file }) => basename(file) === served)?.pem.leaf;
  const handedOut = served === undefined ? undefined : async () => leaf?.fingerprint256;
  const names = await handedOutNames(configOf(...binds), loaded, handedOut);
  const choice = withoutContested(certificates, names.served);
  return {
    adopted: choice.certificates.flatMap(({ files }) => files.map(({ file }) => basename(file))),
    leftOut: [...leftOut, ...choice.leftOut].map(({ file, why }) => `${basename(file)}: ${why}`),
    todos: choice.todos,
  };
}

const WILD: Made = { file: 'wild.pem', names: ['*.example.com', 'example.com'], ageDays: 10 };
const WWW: Made = { file: 'www.pem', names: ['www.example.com', 'example.com'], ageDays: 2 };

test('a wildcard and a newer certificate share a name: what the agent would change is left out, with both files named', async () => {
  const loaded = await loadedOf([WILD, WWW]);

  const served = await choiceOf(loaded, { served: 'wild.pem' });
  assert.deepEqual(served.adopted, []);
  const why = `HAProxy serves ${directory}/wild.pem for example.com, and the agent would serve ${directory}/www.pem, which was issued later: take one of the two off the bind, then adopt again`;
  assert.deepEqual(served.leftOut, [`wild.pem: ${why}`, `www.pem: ${why}`]);
  // HAProxy does not run: it will load wild.pem first.
  assert.deepEqual((await choiceOf(loaded)).adopted, []);
  assert.deepEqual((await choiceOf(loaded, { served: 'www.pem' })).adopted, ['wild.pem', 'www.pem']);
});

test('what is adopted the agent serves as HAProxy has: the same order by the same rule', async () => {
  const loaded = await loadedOf([WILD, WWW, { ...WWW, file: 'a.pem', names: ['example.com', 'a.test'] }]);
  for (const served of ['wild.pem', 'www.pem', 'a.pem']) {
    const { adopted } = await choiceOf(loaded, { served });
    const files = loaded.filter(({ file }) => adopted.includes(basename(file)));
    const desired = files.map(({ file, pem }) => {
      const { leaf, keyType } = pem as PresentPem;
      const [notBefore, notAfter] = [new Date(leaf.validFrom), new Date(leaf.validTo)];
      const identifiers = leaf.subjectAltName?.split(', ').map((name) => name.slice('DNS:'.length)) ?? [];
      return { file: basename(file), keyType, notBefore, notAfter, publishedAt: now, identifiers };
    });
    const first = withOverlaps(desired as never, now).find(({ precedences = [] }) =>
      precedences.includes('example.com'),
    );
    assert.ok(first === undefined || first.file === served, `${served}: ${first?.file}`);
    assert.equal(adopted.length > 0, served === 'a.pem', served);
  }
});

test('an old one with the names of the newer: the one that is served is adopted, and the other has to go before the renewal', async () => {
  const loaded = await loadedOf([WWW, { ...WWW, file: 'www-old.pem', ageDays: 60 }]);

  const { adopted, leftOut, todos } = await choiceOf(loaded, { served: 'www.pem' });

  assert.deepEqual(adopted, ['www.pem']);
  assert.match(leftOut.join(), /^www-old\.pem: \S+www\.pem, which was issued later, has its names/);
  assert.match(
    todos.join('\n'),
    /^\S+www-old\.pem has www\.example\.com, too, and is not adopted: take it off/,
  );
});

test('HAProxy serves one that cannot be adopted: what shares the name with it stays, too', async () => {
  const loaded = await loadedOf([{ ...WILD, file: 'bare.pem', isBare: true }, WWW]);

  const { adopted, leftOut } = await choiceOf(loaded, { served: 'bare.pem' });

  assert.deepEqual(adopted, []);
  assert.match(
    leftOut.join('\n'),
    /www\.pem: HAProxy serves \S+bare\.pem for example\.com, which is not adopted/,
  );
});

test('two kinds of keys, two names, an exact one and a wildcard: nothing is shared', async () => {
  const loaded = await loadedOf([
    WWW,
    { ...WWW, file: 'rsa.pem', keyType: 'rsa-2048', ageDays: 90 },
    { ...WILD, names: ['*.example.com'] },
  ]);

  assert.deepEqual((await choiceOf(loaded)).adopted, ['rsa.pem', 'wild.pem', 'www.pem'].sort(order(loaded)));
});

const order = (loaded: readonly LoadedFile[]) => (a: string, b: string) =>
  loaded.findIndex(({ file }) => file.endsWith(`/${a}`)) -
  loaded.findIndex(({ file }) => file.endsWith(`/${b}`));

test('each of two binds has a certificate of its own for a name: the agent keeps the one that its rule serves, and the other is named', async () => {
  const loaded = [
    ...(await loadedOf([{ ...WWW, file: 'inside.pem', ageDays: 20 }], '/etc/haproxy/two')),
    ...(await loadedOf([{ ...WWW, file: 'outside.pem' }], '/etc/haproxy/two')),
  ];
  const binds = loaded.map(({ file }) => `crt ${file}`);

  const { adopted, leftOut } = await choiceOf(loaded, { binds });

  assert.deepEqual(adopted, ['outside.pem']);
  assert.match(leftOut.join(), /^inside\.pem: .*the agent serves one certificate of a name/);
});

test('a copy under another name is no certificate of its own: it is left out, with the one that is adopted', async () => {
  const [first] = await loadedOf([WWW]);
  assert.ok(first !== undefined && first.pem.leaf instanceof X509Certificate);
  const copy = { ...first, file: `${directory}/zz-copy.pem` };

  const older = await loadedOf([WILD]);

  const { adopted, leftOut } = await choiceOf([
    { ...first, file: `${directory}/A.pem` },
    first,
    copy,
    ...older,
  ]);

  assert.deepEqual(adopted, ['www.pem', 'wild.pem']);
  assert.match(
    leftOut.join('\n'),
    /^zz-copy\.pem: has the same certificate as \S+www\.pem, which is adopted: name that one/m,
  );
});

test('two hundred handshakes and no more, and what none has told is said', async () => {
  const names = Array.from({ length: 201 }, (_, index) => `n${index}.test`);
  const loaded = await loadedOf([
    { file: 'a.pem', names, ageDays: 2 },
    { file: 'b.pem', names, ageDays: 1 },
  ]);
  const second = loaded[1]?.pem.leaf?.fingerprint256;
  let asked = 0;
  const handedOut = async (_: string, name: string) => {
    asked += 1;
    return name === 'n0.test' ? undefined : second;
  };

  const { served, notes } = await handedOutNames(configOf(`crt ${directory}`), loaded, handedOut);

  assert.equal(asked, 200);
  const taken = served.filter((one) => one.served.file.endsWith('a.pem')).map(({ name }) => name);
  assert.deepEqual(taken, ['n0.test', 'n200.test']);
  assert.match(notes.join(), /no handshake told which of them visitors get \(2: n\d+\.test, n\d+\.test\)/);
  const unasked = await handedOutNames(configOf(`crt ${directory}`), loaded, undefined);
  assert.deepEqual(unasked.notes, [], 'HAProxy does not run: that is said elsewhere');
});
