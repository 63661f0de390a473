// The pages as a reader types them: every block of commands of README.md and the other pages, in its order, at a terminal of a Debian
// with HAProxy, with Pebble in Let's Encrypt's place. A page begins on a host that README.md's quick start has set up, unless it says
// otherwise: `<!-- run on a bare host -->` before a block. A block that begins with the path of a file is what the file holds.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { programPath } from '../setup.mjs';
import { type Block, blocksOf, PAGES } from '../support/docs/blocks.ts';
import { type DocsHost, NAMES, PLACES, type Place, startHost } from './docs/host.ts';
import { withRelease } from './docs/signed-release.ts';

let host: { place: Place; on: DocsHost } | undefined;
after(() => host?.on.stop());

async function hostOf(place: Place): Promise<DocsHost> {
  await host?.on.stop();
  host = { place, on: await startHost(place) };
  return host.on;
}

/** `# /etc/pemfleet/alarm.conf, mode 0600: …` */
const fileOf = ({ text }: Block) => /^# (\/[\w./-]+)(?:, mode (0\d+))?/.exec(text);

const isCommands = ({ language }: Block) => language === 'sh';
const isFile = (block: Block) =>
  ['sh', 'yaml', 'haproxy', 'ini'].includes(block.language) && fileOf(block) !== null;

async function runBlock({ type, tree }: DocsHost, block: Block): Promise<void> {
  const [, file = '', mode = '0644'] = fileOf(block) ?? [];
  if (file !== '') {
    await tree.shell(`mkdir -p ${dirname(file)}`);
    tree.machine.write(file, `${block.text}\n`);
    await tree.shell(`chmod ${mode} ${file}`);
    return;
  }
  const end = performance.now() + (block.isAwaited ? 60_000 : 0);
  let { failed, screen } = await type(block.text);
  while (failed.length > 0 && performance.now() < end) ({ failed, screen } = await type(block.text));
  const faults = failed.filter(({ status }) => status !== block.endsWith);
  assert.deepEqual(faults, [], `${block.page}:${block.line}: ${screen}`);
  if (block.endsWith !== undefined) assert.notDeepEqual(failed, [], `nothing ends with ${block.endsWith}`);
}

/** What needs no host, and changes nothing. */
const FOLDERS: Readonly<Record<string, (work: (folder: string) => Promise<void>) => Promise<void>>> = {
  'this repository': (work) => work('.'),
  "the release's folder": withRelease,
};

async function runIn(folder: string, { text }: Block): Promise<void> {
  const PATH = `${dirname(programPath('promtool'))}:${process.env['PATH']}`;
  const options = { cwd: folder, env: { ...process.env, PATH } };
  await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', text], options);
}

const pages = PAGES.map((page) => {
  const blocks = blocksOf(page).filter(({ notRun }) => notRun === undefined);
  const place = blocks.find(isCommands)?.place;
  return { page, blocks: blocks.filter((block) => isCommands(block) || isFile(block)), place };
}).filter(({ blocks }) => blocks.some(isCommands));

// Those that begin on a host as it is set up share one.
for (const { page, blocks } of pages.toSorted(
  (left, right) => Number(left.place !== undefined) - Number(right.place !== undefined),
)) {
  test(`${page}: its ${blocks.length} blocks, typed one after another, do what the page says`, async (t) => {
    let on: DocsHost | undefined =
      host?.place === 'a host' && blocks[0]?.place === undefined ? host.on : undefined;
    if (on !== undefined) await on.tree.shell('rm -f /root/place');
    for (const block of blocks) {
      const begin = performance.now();
      const inFolder = FOLDERS[block.place ?? ''];
      if (inFolder !== undefined) await inFolder((folder) => runIn(folder, block));
      else {
        const place = PLACES.find((one) => one === block.place);
        const known = [...PLACES, ...Object.keys(FOLDERS)].join(', ');
        assert.equal(place, block.place, `${page}:${block.line}: a place is one of ${known}`);
        if (place !== undefined || on === undefined) on = await hostOf(place ?? 'a host');
        await runBlock(on, block);
      }
      t.diagnostic(`${page}:${block.line}: ${((performance.now() - begin) / 1000).toFixed(1)} s`);
    }
    if (blocks[0]?.place === 'a bare host') await on?.tree.served(NAMES[0]);
  });
}

test('what is not typed here, and why', (t) => {
  const left = PAGES.flatMap(blocksOf).filter((block) => isCommands(block) && block.notRun !== undefined);
  for (const { page, line, notRun } of left) t.diagnostic(`${page}:${line}: ${notRun}`);

  assert.ok(left.length <= 12, `${left.length} blocks of commands are typed by no test`);
});
