/** Why a file or a directory could not be used, and what to type: who owns it, how it is mounted, how much room there is. */
import { lstat, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from '#contract/errors.ts';
import { MAX_FOREIGN_BYTES } from '#contract/limits.ts';
import { readRegularFile } from '#storage/atomic-file.ts';

/**
 * @param path what was to be read or written
 * @param neededBytes size of what was to be written
 * @returns half a sentence that begins with the errno: "EACCES: /var/lib/x belongs to root …"
 */
export async function ioProblem(path: string, error: unknown, neededBytes = 0): Promise<string> {
  const code = codeOf(error);
  return `${code}: ${await (EXPLANATIONS[code] ?? unexplained)(path, neededBytes)}`;
}

type Explain = (path: string, neededBytes: number) => Promise<string>;

const EXPLANATIONS: Readonly<Record<string, Explain | undefined>> = {
  EACCES: owned,
  EPERM: owned,
  EROFS: async (path) => {
    const directory = await existing(path);
    return `${directory} is read-only: mount it read-write; under systemd, ReadWritePaths=${directory} makes it writable for the unit`;
  },
  ENOSPC: full,
  EDQUOT: async (path) =>
    `the disk quota of ${await ownName()} is used up on ${await existing(path)}: quota -u ${await ownName()}`,
  ENOTDIR: notDirectory,
  // mkdir(2), where a file has the name.
  EEXIST: notDirectory,
  ENOENT: async (path) =>
    `${path} does not exist: install -d -m 0750 -o ${await ownName()} ${path}, and give it to HAProxy as "crt"`,
  ELOOP: async (path) => `${path} is a symbolic link that leads nowhere: remove it`,
  EISDIR: async (path) => `${path} is a directory: move it away`,
};

const unexplained: Explain = async (path) => `${path} cannot be used`;

/** The owner, the agent's user, and the mode if it is that. */
async function owned(path: string): Promise<string> {
  const at = await existing(path);
  // Of a link that leads where this user may not go, the link's own.
  const { uid, mode } = await stat(at).catch(() => lstat(at));
  const [owner, user] = [await nameOf(uid), await ownName()];
  const bits = (mode & 0o7777).toString(8).padStart(4, '0');
  if (uid !== process.getuid?.()) {
    return `${at} belongs to ${owner} (mode ${bits}), and the agent runs as ${user}: chown -R ${user} ${at}`;
  }
  if ((mode & 0o700) !== 0o700 && (await isDirectory(at))) return `${at} has mode ${bits}: chmod u+rwx ${at}`;
  return `${at} belongs to ${user} (mode ${bits}), and the kernel does not allow it: lsattr -d ${at} (chattr -i ${at}), or a security module`;
}

async function notDirectory(path: string): Promise<string> {
  const file = await existing(path);
  return `${file} is not a directory: move it away, then install -d -m 0700 -o ${await ownName()} ${file}`;
}

async function full(path: string, neededBytes: number): Promise<string> {
  const at = await existing(path);
  const { bavail, bsize, blocks, ffree, files } = await statfs(at);
  if (files > 0 && ffree === 0) return `no inode is free on the file system of ${at}: df -i ${at}`;
  const needed = neededBytes > 0 ? `, ${neededBytes} bytes are needed` : '';
  return `${bavail * bsize} of ${blocks * bsize} bytes are free on the file system of ${at}${needed}: make room, df ${at}`;
}

/** The path itself, or the nearest directory above it that this user can see. */
async function existing(path: string): Promise<string> {
  const isThere = await lstat(path).then(
    () => true,
    () => false,
  );
  return isThere || dirname(path) === path ? path : existing(dirname(path));
}

const isDirectory = async (path: string) => (await stat(path)).isDirectory();

const ownName = () => nameOf(process.geteuid?.() ?? -1);

async function nameOf(uid: number): Promise<string> {
  const users = (await readRegularFile('/etc/passwd', MAX_FOREIGN_BYTES).catch(() => '')).toString();
  const line = users.split('\n').find((one) => one.split(':')[2] === String(uid));
  return line?.split(':')[0] || `uid ${uid}`;
}
