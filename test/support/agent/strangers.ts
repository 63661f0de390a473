// What other people have in HAProxy's directory and around it, and a memory of it: inode, mode, owner, times and content.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { digest } from '#contract/combined-pem.ts';
import type { Pki } from '../parts/pki.ts';

export interface Place {
  certs: string;
  /** A directory of other people, to which and from which links lead. */
  outside: string;
  pki: Pki;
}

export interface Stranger {
  says: string;
  /** HAProxy does not start with it in a directory of certificates (`crt DIR`); a crt-list does not name it. */
  isListOnly?: true;
  /** The manifest has a certificate of this name, too. */
  namesake?: string;
  put(place: Place): Promise<void> | void;
}

/** A certificate and key of somebody else: the only copy of the key there is. */
async function handMade({ pki }: Place, name: string): Promise<string> {
  return (await pki.issue({ names: [`${name}.stranger.test`] })).combined;
}

const pemOf =
  (name: string, mode = 0o600) =>
  async (place: Place) => {
    const path = join(place.certs, `${name}.pem`);
    writeFileSync(path, await handMade(place, name), { mode });
    chmodSync(path, mode);
  };
const textOf = (name: string, text: string) => (place: Place) => writeFileSync(join(place.certs, name), text);
const directoryOf = (name: string) => async (place: Place) => {
  mkdirSync(join(place.certs, name));
  writeFileSync(join(place.certs, name, 'shop.pem'), await handMade(place, 'archived'));
  writeFileSync(join(place.certs, name, '.shop.pem.pemfleet-previous'), 'of an archive');
};

const certificates: Stranger[] = [
  { says: 'a certificate', put: pemOf('foreign', 0o640) },
  { says: 'a certificate whose name the manifest has', namesake: 'legacy', put: pemOf('legacy') },
  { says: 'a certificate that looks like our placeholder', put: pemOf('PLACEHOLDER') },
  {
    says: "another user's certificate whose name the manifest has",
    namesake: 'theirs',
    put: async (place) => {
      await pemOf('theirs')(place);
      if (process.getuid?.() === 0) chownSync(join(place.certs, 'theirs.pem'), 65_534, 65_534);
    },
  },
  {
    says: 'a link to a certificate elsewhere',
    namesake: 'linked',
    put: async (place) => {
      writeFileSync(join(place.outside, 'linked.pem'), await handMade(place, 'linked'), { mode: 0o600 });
      symlinkSync(join(place.outside, 'linked.pem'), join(place.certs, 'linked.pem'));
    },
  },
  {
    says: 'a hard link of a certificate elsewhere',
    namesake: 'hard',
    put: async (place) => {
      writeFileSync(join(place.outside, 'hard.pem'), await handMade(place, 'hard'), { mode: 0o600 });
      linkSync(join(place.outside, 'hard.pem'), join(place.certs, 'hard.pem'));
    },
  },
  {
    says: 'a link from elsewhere to a certificate here',
    put: async (place) => {
      await pemOf('pointed')(place);
      symlinkSync(join(place.certs, 'pointed.pem'), join(place.outside, 'pointed.pem'));
    },
  },
];

const others: Stranger[] = [
  {
    says: 'a FIFO',
    namesake: 'queue',
    put: ({ certs }) => void execFileSync('mkfifo', [join(certs, 'queue.pem')]),
  },
  { says: 'a sub-directory', put: directoryOf('archive') },
  { says: 'a sub-directory whose name the manifest has', namesake: 'folder', put: directoryOf('folder.pem') },
  { says: 'a lock of another program', put: textOf('.certbot.lock', '') },
  { says: 'a copy of an editor', put: textOf('.shop.pem.swp', 'edited') },
  { says: 'a hidden directory', put: directoryOf('.acme.sh') },
  { says: 'a file that only ends as our temporary ones', put: textOf('.notes.pemfleet-tmp', 'notes') },
  { says: 'a directory that ends as our temporary ones', put: directoryOf('.old.pemfleet-tmp') },
  {
    says: 'a directory that is named as our temporary files are',
    put: directoryOf('.shop.pem.0123456789ab.pemfleet-tmp'),
  },
  {
    says: 'a previous content of a file that was never ours',
    put: textOf('.foreign.pem.pemfleet-previous', 'kept by hand'),
  },
  {
    says: 'a previous content of a file that is not there',
    put: textOf('.never.pem.pemfleet-previous', 'kept by hand'),
  },
  { says: 'a directory that ends as previous contents do', put: directoryOf('.old.pemfleet-previous') },
];

/** HAProxy reads them at its start if it loads the directory, and stops at what they hold. */
const besideList: Stranger[] = [
  { says: 'a README', isListOnly: true, put: textOf('README', 'who does what\n') },
  { says: 'a draft of a certificate', isListOnly: true, put: textOf('draft.pem', 'not yet\n') },
  {
    says: 'an empty file whose name the manifest has',
    isListOnly: true,
    namesake: 'empty',
    put: textOf('empty.pem', ''),
  },
  {
    says: 'a link to nowhere whose name the manifest has',
    isListOnly: true,
    namesake: 'dangling',
    put: ({ certs, outside }) => symlinkSync(join(outside, 'gone.pem'), join(certs, 'dangling.pem')),
  },
  {
    says: 'a link to itself whose name the manifest has',
    isListOnly: true,
    namesake: 'looped',
    put: ({ certs }) => symlinkSync('looped.pem', join(certs, 'looped.pem')),
  },
  {
    says: 'a file that ends as our temporary ones, without a dot',
    isListOnly: true,
    put: textOf('upload.pemfleet-tmp', 'half an upload'),
  },
  ...['key', 'ocsp', 'issuer', 'sctl'].map(
    (suffix): Stranger => ({
      says: `a side file (.${suffix}) beside a file that is not ours`,
      isListOnly: true,
      put: textOf(`draft.pem.${suffix}`, 'of somebody else'),
    }),
  ),
];

/** Beside files of ours: HAProxy reads them with these, so they hold what it can use. */
const besideOurs: Stranger[] = [
  {
    says: 'a key beside a certificate of ours',
    put: async ({ certs, pki }) =>
      writeFileSync(join(certs, 'shop.pem.key'), (await pki.issue({ names: ['key.test'] })).keyPem, {
        mode: 0o600,
      }),
  },
  {
    says: 'an OCSP response beside a certificate of ours',
    put: textOf('shop.pem.ocsp', 'fetched by a job of somebody else'),
  },
  {
    says: 'an issuer beside a certificate of ours',
    put: ({ certs, pki }) => writeFileSync(join(certs, 'shop.pem.issuer'), pki.intermediatePem),
  },
];

export const strangers: readonly Stranger[] = [...certificates, ...others, ...besideList, ...besideOurs];

/** Everything below `directories` but the directories themselves: their times tell of us, too. */
export function pathsBelow(...directories: readonly string[]): string[] {
  return directories.flatMap((directory) =>
    readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
      const path = join(directory, entry.name);
      return entry.isDirectory() ? [path, ...pathsBelow(path)] : [path];
    }),
  );
}

/** Without a time of reading: to look is no touch. */
export function factsOf(path: string): object {
  const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return { isMissing: true };
  const { ino, mode, uid, gid, nlink, size, mtimeNs, ctimeNs } = stats;
  return { ino, mode, uid, gid, nlink, size, mtimeNs, ctimeNs, content: contentOf(path, stats) };
}

function contentOf(path: string, stats: { isFile(): boolean; isSymbolicLink(): boolean }): string {
  if (stats.isSymbolicLink()) return readlinkSync(path);
  return stats.isFile() ? digest(readFileSync(path)) : '';
}
