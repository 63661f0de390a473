// HAProxy loads by a crt-list file: the file and the running HAProxy are kept in step.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { actionsOf, assertOk, traces } from '../../../support/agent/assess.ts';
import { makeListed } from '../../../support/agent/listed.ts';
import { entryFor, serialOf } from '../../../support/agent/publish.ts';
import type { Stage } from '../../../support/agent/stage.ts';
import type { HaproxyVersion } from '../../../support/parts/haproxy.ts';
import { testedVersions } from '../../../support/parts/versions.ts';

interface Watched {
  stage: Stage;
  /** The crt-list's lines with the directory cut off. */
  lines(): string[];
  edit(change: (text: string) => string): void;
  /** HAProxy's entries, in the same form. */
  entries(): Promise<string[]>;
  sync(...args: string[]): ReturnType<Stage['pass']>;
  /** Issues and publishes with options for its line. */
  publish(name: string, haproxy?: object): Promise<string>;
}

async function makeWatched(t: TestContext, version: HaproxyVersion): Promise<Watched> {
  const { stage, list } = await makeListed(t, version, { at: 'certs/crt-list.txt', text: '# by hand\n' });
  const { certsDir } = stage.haproxy;
  const short = (shown: string) =>
    shown.replaceAll('\0', '').replaceAll(`${certsDir}/`, '').split('\n').filter(Boolean);
  return {
    stage,
    lines: () => short(readFileSync(list, 'utf8')),
    edit: (change) => writeFileSync(list, change(readFileSync(list, 'utf8'))),
    entries: async () => short(await stage.haproxy.command(`show ssl crt-list ${list}`)).slice(1),
    sync: (...args) => stage.pass(['--crt-list-file', list, ...args]),
    publish: async (name, haproxy) => {
      const { combined } = await stage.pki.issue({ names: [`${name}.test`, `www.${name}.test`] });
      const entry = entryFor(combined, [`${name}.test`]);
      await stage.publishBytes(name, combined, { ...entry, ...(haproxy && { haproxy }) });
      return combined;
    },
  };
}

const alpn = {
  crtListOptions: ['alpn h2', 'ssl-min-ver TLSv1.2'],
  sniFilters: ['shop.test', '!www.shop.test'],
};

for (const version of testedVersions()) {
  test(`${version}: crt-list FILE: of files with one name the newest has the first line, so that a start serves it`, async (t) => {
    const { stage, lines, sync, edit } = await makeWatched(t, version);
    const publish = (name: string, days: number) =>
      stage.publish(name, {
        names: ['shop.test', `${name}.test`],
        notBefore: new Date(Date.now() - days * DAY_MS),
      });
    await publish('a', 3);
    const newest = await publish('b', 1);
    await publish('c', 2);
    edit((text) => `${text}# tail\n`);
    assertOk(await sync());
    const atFirst = lines();
    const before = await stage.handshake('shop.test');

    await stage.haproxy.restart();
    const after = await stage.handshake('shop.test');
    const renewed = await publish('a', 0.5);
    assertOk(await sync());
    await stage.haproxy.restart();

    assert.deepEqual(atFirst, ['# by hand', '# tail', 'b.pem', 'c.pem', 'a.pem']);
    assert.deepEqual([before.serial, after.serial], [serialOf(newest), serialOf(newest)]);
    assert.deepEqual(lines(), ['# by hand', '# tail', 'a.pem', 'b.pem', 'c.pem']);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(renewed));
  });

  test(`${version}: crt-list FILE: new with options and filters, renewed, changed, removed; the file in step`, async (t) => {
    const { stage, lines, entries, sync, publish } = await makeWatched(t, version);
    const pid = await stage.haproxy.pid();
    await publish('shop', alpn);
    const plain = await publish('plain');

    assertOk(await sync());
    const line = 'shop.pem [alpn h2 ssl-min-ver TLSv1.2] shop.test !www.shop.test';
    assert.deepEqual(lines(), ['# by hand', 'plain.pem', line]);
    assert.deepEqual(await entries(), ['plain.pem', line]);
    assert.equal((await stage.handshake('www.plain.test')).serial, serialOf(plain));
    await assert.rejects(stage.handshake('www.shop.test'));

    const renewed = await publish('shop', alpn);
    assertOk(await sync());
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(renewed));
    assert.deepEqual(await entries(), ['plain.pem', line]);

    await stage.publishBytes('shop', renewed, {
      ...entryFor(renewed, ['shop.test']),
      haproxy: { crtListOptions: [], sniFilters: [] },
    });
    const changed = await sync('--json');
    assertOk(changed);
    assert.deepEqual(actionsOf(changed), [
      ['plain.pem', 'keep'],
      ['shop.pem', 'list'],
    ]);
    assert.deepEqual(
      [lines(), await entries()],
      [
        ['# by hand', 'plain.pem', 'shop.pem'],
        ['plain.pem', 'shop.pem'],
      ],
    );
    assert.equal((await stage.handshake('www.shop.test')).serial, serialOf(renewed));

    await stage.withdraw('plain');
    assertOk(await sync());
    assert.deepEqual([lines(), await entries()], [['# by hand', 'shop.pem'], ['shop.pem']]);
    assert.deepEqual(stage.files(), ['crt-list.txt', 'shop.pem']);
    assert.equal(await stage.haproxy.pid(), pid);
    await stage.haproxy.restart();
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(renewed));
  });

  test(`${version}: crt-list FILE: drift on disk and at run time is repaired, with nothing new nothing is written`, async (t) => {
    const { stage, lines, edit, entries, sync, publish } = await makeWatched(t, version);
    const pem = await publish('shop', alpn);
    assertOk(await sync());
    const [wantedLines, wantedEntries] = [lines(), await entries()];
    const { certsDir } = stage.haproxy;
    const list = join(certsDir, 'crt-list.txt');
    const delEntry = `del ssl crt-list ${list} ${certsDir}/shop.pem`;
    const add = (tail: string) => `add ssl crt-list ${list} <<\n${certsDir}/shop.pem ${tail}\n`;
    const drifts: [says: string, action: string, drift: () => unknown][] = [
      ['the line is gone', 'list', () => edit(() => '# by hand\n')],
      ['the line was edited', 'list', () => edit((text) => text.replace('alpn h2', 'alpn http/1.1'))],
      ['it is there twice', 'list', () => edit((text) => text + text.replace('# by hand\n', ''))],
      ['it was taken out of HAProxy', 'load', () => stage.haproxy.command(delEntry)],
      ['it was listed twice in HAProxy', 'list', () => stage.haproxy.command(add('[alpn h2] other.test'))],
      [
        'HAProxy lists it otherwise',
        'list',
        async () => {
          await stage.haproxy.command(delEntry);
          await stage.haproxy.command(add('other.test'));
        },
      ],
    ];

    for (const [says, action, drift] of drifts) {
      await drift();
      const repaired = await sync('--json');

      assertOk(repaired);
      assert.deepEqual(actionsOf(repaired), [['shop.pem', action]], says);
      assert.deepEqual([lines(), await entries()], [wantedLines, wantedEntries], says);
      assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
      const before = traces(certsDir);
      assert.deepEqual(actionsOf(await sync('--json')), [['shop.pem', 'keep']], says);
      assert.deepEqual(traces(certsDir), before);
    }
  });

  test(`${version}: crt-list FILE: a line written by hand, its spelling, options and neighbours are kept`, async (t) => {
    const { stage, lines, entries, edit, sync, publish } = await makeWatched(t, version);
    const { certsDir } = stage.haproxy;
    const foreign = await stage.pki.issue({ names: ['foreign.test'] });
    const shop = await publish('shop');
    writeFileSync(join(certsDir, 'foreign.bin'), foreign.combined);
    writeFileSync(join(certsDir, 'shop.pem'), (await stage.pki.issue({ names: ['shop.test'] })).combined);
    const byHand = `# top\n\n${certsDir}/./shop.pem [alpn h2] *.shop.test shop.test\n${certsDir}/foreign.bin  [no-ca-names]\n#end`;
    edit(() => byHand);
    await stage.haproxy.restart();
    await publish('added');
    await stage.adopt('shop.pem');

    assertOk(await sync());

    const kept = [
      '# top',
      './shop.pem [alpn h2] *.shop.test shop.test',
      'foreign.bin  [no-ca-names]',
      '#end',
    ];
    assert.deepEqual(
      lines().filter((line) => line !== 'added.pem'),
      kept,
    );
    assert.equal(lines()[1], 'added.pem', 'in the order of names');
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(shop));
    assert.equal((await entries()).filter((entry) => entry.includes('shop.pem')).length, 1);
    assert.equal((await stage.handshake('foreign.test')).names[0], 'foreign.test');
  });

  test(`${version}: crt-list FILE: an option that HAProxy refuses is taken back, in the file too`, async (t) => {
    const { stage, lines, entries, sync, publish } = await makeWatched(t, version);
    const good = await publish('shop', alpn);
    assertOk(await sync());
    const before = [lines(), await entries()];
    const nosuch = { crtListOptions: ['curves nosuch'], sniFilters: [] };
    await stage.publishBytes('shop', good, { ...entryFor(good, ['shop.test']), haproxy: nosuch });
    await publish('new', nosuch);

    const refused = await sync();

    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /code=ERR_RUNTIME_REFUSED message=.*nosuch/);
    assert.deepEqual([lines(), await entries()], before);
    assert.deepEqual(stage.files(), ['crt-list.txt', 'shop.pem']);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(good));
    await stage.haproxy.restart();

    await stage.publishBytes('shop', good, { ...entryFor(good, ['shop.test']), haproxy: alpn });
    await stage.withdraw('new');
    assertOk(await sync());
  });
}
