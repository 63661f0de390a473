// What can be wrong with HAProxy's directory.
import { chmodSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { away, type DoctorRow, inCerts, leaf, type Planted, put } from './doctor-plants.ts';
import type { Stage } from './stage.ts';

export const directoryRows: DoctorRow[] = [
  {
    says: 'the directory is missing',
    finds: 'directory-missing',
    fix: /install -d -m 0750 .*certs/,
    plant: ({ haproxy }) => away(haproxy.certsDir),
  },
  {
    says: 'the agent has another directory than HAProxy',
    finds: 'directory-not-loaded',
    fix: /bind :443 ssl crt .*other/,
    plant: ({ dir }) => {
      mkdirSync(join(dir, 'other'), { recursive: true });
      return { args: ['--certs-dir', join(dir, 'other')] };
    },
  },
  {
    says: 'haproxy.crtList is misspelled',
    finds: 'directory-not-loaded',
    fix: /letter for letter/,
    plant: ({ haproxy }) => ({ args: ['--crt-list', `${haproxy.certsDir}/`] }),
  },
  {
    says: 'everybody may write to the directory',
    finds: 'directory-open',
    fix: /chmod o-rwx/,
    plant: ({ haproxy }) => {
      chmodSync(haproxy.certsDir, 0o777);
      return { mend: () => chmodSync(haproxy.certsDir, 0o700) };
    },
  },
  {
    says: 'everybody may read a key',
    finds: 'key-readable-by-all',
    fix: /chmod 0600 .*shop\.pem/,
    plant: (stage) => {
      chmodSync(inCerts(stage, 'shop.pem'), 0o644);
      return { mend: () => chmodSync(inCerts(stage, 'shop.pem'), 0o600) };
    },
  },
  {
    says: 'a sub-directory',
    finds: 'file-subdirectory',
    fix: /crt .*archive/,
    plant: (stage) => {
      mkdirSync(inCerts(stage, 'archive'));
      return { mend: () => rmSync(inCerts(stage, 'archive'), { recursive: true }) };
    },
  },
  {
    says: 'a side file whose certificate is gone',
    finds: 'file-orphan',
    fix: /rm .*old\.pem\.ocsp/,
    plant: (stage) => put(stage, 'old.pem.ocsp', ''),
  },
  {
    says: 'a private key whose certificate is gone: moved, never deleted',
    finds: 'file-orphan',
    fix: /^mv --backup=numbered \S*old\.pem\.key \/root\/$/,
    plant: (stage) => put(stage, 'old.pem.key', ''),
  },
  {
    says: "another program's file with a name of the manifest",
    finds: 'file-not-ours',
    fix: /^mv --backup=numbered \S*legacy\.pem \/root\/, then pemfleet-agent sync; or, for a plain file, pemfleet-agent adopt \/\S*legacy\.pem$/,
    plant: async (stage) => {
      put(stage, 'legacy.pem', (await leaf(stage, ['legacy.test'])).combined);
      await stage.publish('legacy', { names: ['legacy.test'] });
      return {
        mend: async () => {
          await stage.withdraw('legacy');
          rmSync(inCerts(stage, 'legacy.pem'));
        },
      };
    },
  },
  {
    says: "an editor's copy",
    finds: 'file-backup',
    fix: /mv .*shop\.pem~/,
    plant: (stage) => put(stage, 'shop.pem~', stage.pem('shop')),
  },
  {
    says: 'a certificate named .crt',
    finds: 'file-name-crt',
    fix: /mv .*b\.crt .*b\.pem/,
    plant: async (stage) => put(stage, 'b.crt', (await leaf(stage, ['b.test'])).combined),
  },
  {
    says: 'a file that HAProxy has not loaded',
    finds: 'file-not-loaded',
    fix: /systemctl reload haproxy/,
    plant: async (stage) => put(stage, 'b.pem', (await leaf(stage, ['b.test'])).combined),
  },
  {
    says: 'a file that was changed behind HAProxy',
    finds: 'file-differs',
    fix: /pemfleet-agent sync/,
    plant: async (stage) => {
      const before = stage.pem('shop');
      put(stage, 'shop.pem', (await leaf(stage, ['shop.test'])).combined);
      return { mend: () => put(stage, 'shop.pem', before) };
    },
  },
  {
    says: 'two files with one name',
    finds: 'names-overlap',
    fix: /^mv --backup=numbered \S*a\.pem \/root\/; then reload HAProxy$/,
    plant: async (stage) => put(stage, 'a.pem', (await leaf(stage, ['shop.test', 'a.test'])).combined),
  },
];

/** What stops HAProxy's start; each is shown to `haproxy -c` as well. */
export const strayRows: { name: string; plant(stage: Stage, name: string): Planted | Promise<Planted> }[] = [
  { name: 'README', plant: (stage, name) => put(stage, name, 'certificates of the shop\n') },
  { name: 'empty.pem', plant: (stage, name) => put(stage, name, '') },
  { name: 'half.pem.tmp', plant: (stage, name) => put(stage, name, stage.pem('shop').slice(0, 300)) },
  {
    name: 'cert.crt',
    plant: async (stage, name) => put(stage, name, (await leaf(stage, ['c.test'])).leafPem),
  },
  {
    name: 'mixed.pem',
    plant: async (stage, name) => {
      const [a, b] = [await leaf(stage, ['a.test']), await leaf(stage, ['b.test'])];
      return put(stage, name, a.leafPem + a.chainPem.join('') + b.keyPem);
    },
  },
  {
    name: 'weak.pem',
    plant: async (stage, name) =>
      put(stage, name, (await leaf(stage, ['weak.test'], { keyType: 'rsa-1024' })).combined),
  },
  {
    name: 'dangling.pem',
    plant: (stage, name) => {
      symlinkSync('/nonexistent.pem', inCerts(stage, name));
      return { mend: () => rmSync(inCerts(stage, name)) };
    },
  },
];
