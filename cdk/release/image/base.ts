/**
 * What the executable stands on in the image, and no more: glibc, libstdc++, and flock(1) with the sh and cat that hold a lock. From
 * Debian 12's packages, pinned by SHA-256; the licences go with them.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Arch } from '../runtime.ts';

const run = promisify(execFile);

interface BasePackage {
  /** Below the mirror's pool/main/, without architecture. */
  path: string;
  sha256: Readonly<Record<Arch, string>>;
  /** Files and folders that the image gets, with %T for the architecture's own name; those that an architecture lacks are left out. */
  taken: readonly string[];
}

const LIBRARIES = ['lib', 'lib64', 'usr/lib/%T/libstdc++.so.6', 'usr/lib/%T/libstdc++.so.6.0.30'];

/** Whatever the packages are, without these nothing starts. */
const NEEDED = ['libc.so.6', 'libm.so.6', 'libdl.so.2', 'libpthread.so.0', 'libgcc_s.so.1']
  .map((library) => `lib/%T/${library}`)
  .concat('usr/lib/%T/libstdc++.so.6', 'bin/dash', 'bin/cat', 'usr/bin/flock');

const BASE_PACKAGES: readonly BasePackage[] = [
  {
    path: 'g/glibc/libc6_2.36-9+deb12u14',
    sha256: {
      x64: 'ba4f88f73dbc3ae9055f3c20f4523bfdbaf1ad13ff95e258924f77d20b4fbedf',
      arm64: '01f4330719fd4f65580e16ea5a0527f372fca750e8f588d26deaf09f2d3b1cf4',
    },
    taken: LIBRARIES,
  },
  {
    path: 'g/gcc-12/libgcc-s1_12.2.0-14+deb12u1',
    sha256: {
      x64: '3016e62cb4b7cd8038822870601f5ed131befe942774d0f745622cc77d8a88f7',
      arm64: '576926b283613db80168ddf76380a3bd877602778cf0d226caa7bfbfa71eacf3',
    },
    taken: LIBRARIES,
  },
  {
    path: 'g/gcc-12/libstdc++6_12.2.0-14+deb12u1',
    sha256: {
      x64: '5cd3171216d4ab0fc911cfe9c35509bf2dd8f47761c43b7f6a4296701551a24d',
      arm64: '26e138c677a985775331373828a6c286c551ff397cb735d00e2383cb273d1cb2',
    },
    taken: LIBRARIES,
  },
  {
    path: 'd/dash/dash_0.5.12-2',
    sha256: {
      x64: '33ea40061da2f1a861ec46212b2b6a34f0776a049b1a3f0abce2fb8cb994258f',
      arm64: 'c1358e2a8054eb93efd460adf480224a16ea9e0b4d7b4c6cbcf8c8c91902a1d7',
    },
    taken: ['bin/dash'],
  },
  {
    path: 'c/coreutils/coreutils_9.1-1',
    sha256: {
      x64: '61038f857e346e8500adf53a2a0a20859f4d3a3b51570cc876b153a2d51a3091',
      arm64: 'ec8f090a14c684879dce251254d8d9ed0876d4480f750d5807ef04e5435e1c4d',
    },
    taken: ['bin/cat'],
  },
  {
    path: 'u/util-linux/util-linux_2.38.1-5+deb12u3',
    sha256: {
      x64: '8eb241ff24b2e1ee9c0373f4fc9bc728b85bf5966c1496154df7da01c0e42f34',
      arm64: 'c30366915d4dc21106d69c3d5a2bf6b010c4c2ff508a1231ede4620aed9874fc',
    },
    taken: ['usr/bin/flock'],
  },
];

const DEBIAN = {
  x64: { arch: 'amd64', triplet: 'x86_64-linux-gnu' },
  arm64: { arch: 'arm64', triplet: 'aarch64-linux-gnu' },
};

/** The user that the image's programs run as. */
export const IMAGE_USER = 10001;

/**
 * Puts the base of the image into `folder`.
 * @param cache where packages stay for the next build
 * @param mirror of Debian, by HTTP: the address above its `pool/`
 */
export async function placeBase(
  folder: string,
  arch: Arch,
  { cache, mirror }: { cache: string; mirror: () => string },
): Promise<void> {
  for (const one of BASE_PACKAGES) {
    const unpacked = `${folder}.package`;
    await run('dpkg-deb', ['-x', await fetchDebian(one, arch, cache, mirror), unpacked]);
    const name = basename(one.path).split('_')[0];
    for (const path of [...one.taken, `usr/share/doc/${name}/copyright`]) {
      const file = path.replace('%T', DEBIAN[arch].triplet);
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await cp(join(unpacked, file), join(folder, file), { recursive: true, verbatimSymlinks: true }).catch(
        (error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOENT') throw error;
        },
      );
    }
    await rm(unpacked, { recursive: true });
  }
  for (const path of NEEDED) await access(join(folder, path.replace('%T', DEBIAN[arch].triplet)));
  await symlink('dash', join(folder, 'bin/sh'));
  await mkdir(join(folder, 'etc'), { recursive: true });
  const user = `pemfleet:x:${IMAGE_USER}:${IMAGE_USER}::/var/lib/pemfleet:/usr/sbin/nologin`;
  await writeFile(join(folder, 'etc/passwd'), `root:x:0:0::/:/usr/sbin/nologin\n${user}\n`);
  await writeFile(join(folder, 'etc/group'), `root:x:0:\npemfleet:x:${IMAGE_USER}:\n`);
}

async function fetchDebian(
  { path, sha256 }: BasePackage,
  arch: Arch,
  cache: string,
  mirror: () => string,
): Promise<string> {
  const name = `${basename(path)}_${DEBIAN[arch].arch}.deb`;
  const file = join(cache, name);
  const digest = (body: Buffer) => createHash('sha256').update(body).digest('hex');
  const cached = await readFile(file).catch(() => undefined);
  if (cached !== undefined && digest(cached) === sha256[arch]) return file;
  const url = `${mirror().replace(/\/$/, '')}/pool/main/${path}_${DEBIAN[arch].arch}.deb`;
  const answer = await fetch(url);
  if (!answer.ok) {
    const advice = `the mirror may have a newer one: raise the pin in cdk/release/image/base.ts, or name another mirror in PEMFLEET_DEBIAN_MIRROR`;
    throw new Error(`${url}: wanted the package, saw HTTP ${answer.status}: ${advice}`);
  }
  const body = Buffer.from(await answer.arrayBuffer());
  if (digest(body) !== sha256[arch]) {
    throw new Error(
      `${url}: wanted the SHA-256 ${sha256[arch]}, saw ${digest(body)}: do not build from this mirror`,
    );
  }
  await mkdir(cache, { recursive: true });
  await writeFile(file, body);
  return file;
}
