// Bad manifests and PEMs, each of which has happened in the field.
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { layout } from '#contract/layout.ts';
import type { Manifest } from '#contract/manifest.ts';
import { pemRows, type Row, secrets } from './bad-pem-rows.ts';
import { shapeRows } from './bad-shape-rows.ts';
import { fleet } from './host.ts';
import { signedRoot } from './publish.ts';

export const rows: Row[] = [
  {
    says: 'the manifest is no JSON',
    code: 'ERR_MANIFEST_SIGNATURE',
    of: 'host',
    exit: 1,
    spoil: async (stage) => void (await stage.putRoot('{"version":2,"cert')),
  },
  {
    says: 'the manifest is of a newer version',
    code: 'ERR_MANIFEST_VERSION',
    of: 'host',
    exit: 1,
    spoil: async (stage) =>
      void (await stage.putRoot(signedRoot(await stage.manifest(), { version: 3 as 2 }))),
  },
  {
    says: 'the manifest names a path outside',
    code: 'ERR_MANIFEST_SCHEMA',
    of: 'host',
    exit: 1,
    spoil: async (stage) => {
      const manifest = await stage.manifest();
      const [entry] = Object.values(manifest.certificates);
      const certificates = { '../../../etc/cron.d/shop': entry } as Manifest['certificates'];
      await stage.putRoot(signedRoot(manifest, { certificates }));
      return undefined;
    },
  },
  {
    says: 'the manifest has 1.5 GB',
    code: 'ERR_BUCKET_SIZE',
    of: 'host',
    exit: 1,
    spoil: async ({ bucketDir }) => {
      const path = join(bucketDir, layout.root(fleet));
      truncateSync(path, 1_500_000_000);
      return { mend: () => rmSync(path) };
    },
  },
  {
    says: 'the manifest is gone',
    code: 'ERR_MANIFEST_MISSING',
    of: 'host',
    exit: 1,
    spoil: async (stage) => void (await stage.dropManifests()),
  },
  {
    says: 'the PEM is larger than one command',
    code: 'ERR_RUNTIME_PAYLOAD_SIZE',
    spoil: async (stage) => {
      const names = [
        'shop.test',
        ...Array.from({ length: 700 }, (_, index) => `a-longer-name-${index}.shop.test`),
      ];
      secrets.push(await stage.publish('shop', { names }));
      return undefined;
    },
  },
  {
    says: 'the socket is missing',
    code: 'ERR_RUNTIME_SOCKET_MISSING',
    of: 'host',
    spoil: async (stage) => {
      secrets.push(await stage.publish('shop', { names: ['shop.test'] }));
      return { args: ['--stats-socket', '/nonexistent.sock'] };
    },
  },
  {
    says: 'the socket is not admin',
    code: 'ERR_RUNTIME_NOT_ADMIN',
    of: 'host',
    spoil: async (stage) => {
      secrets.push(await stage.publish('shop', { names: ['shop.test'] }));
      return { args: ['--stats-socket', `${stage.haproxy.socket}.op`] };
    },
  },
  {
    says: "a transaction of somebody else's file is open",
    code: 'ERR_RUNTIME_FOREIGN_TRANSACTION',
    spoil: async (stage) => {
      secrets.push(await stage.publish('shop', { names: ['shop.test'] }));
      const { combined } = await stage.pki.issue({ names: ['manual.test'] });
      const file = join(stage.haproxy.certsDir, 'manual.pem');
      await stage.haproxy.command(`new ssl cert ${file}`);
      assert.match(
        await stage.haproxy.command(`set ssl cert ${file} <<\n${combined}\n`),
        /Transaction created/,
      );
      return { mend: () => stage.haproxy.command(`del ssl cert ${file}`) };
    },
  },
  {
    says: 'the bucket is unreadable',
    code: 'ERR_BUCKET_IO',
    of: 'host',
    exit: 1,
    spoil: async (stage) => {
      renameSync(stage.bucketDir, `${stage.bucketDir}.away`);
      writeFileSync(stage.bucketDir, 'a file');
      return {
        mend: () => {
          rmSync(stage.bucketDir);
          renameSync(`${stage.bucketDir}.away`, stage.bucketDir);
        },
      };
    },
  },
  {
    says: "HAProxy's directory is gone",
    code: 'ERR_CERTS_DIRECTORY',
    of: 'host',
    exit: 1,
    spoil: async (stage) => {
      const { certsDir } = stage.haproxy;
      renameSync(certsDir, `${certsDir}.away`);
      return {
        mend: () => {
          rmSync(certsDir, { recursive: true, force: true });
          renameSync(`${certsDir}.away`, certsDir);
        },
      };
    },
  },
  {
    says: 'a directory is in the place of the file',
    code: 'ERR_INSTALL_NOT_OURS',
    spoil: async (stage) => {
      secrets.push(await stage.publish('dir', { names: ['dir.test'] }));
      mkdirSync(join(stage.haproxy.certsDir, 'dir.pem'));
      return {
        mend: async () => {
          rmSync(join(stage.haproxy.certsDir, 'dir.pem'), { recursive: true });
          await stage.withdraw('dir');
        },
      };
    },
  },
  ...pemRows,
  ...shapeRows,
];
