/**
 * Drop-ins of our units (systemd.unit(5)): what a program may write to follows its configuration, for the units themselves name the
 * default directories only, and the rest of the file system is read-only for them (ProtectSystem=strict).
 */
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface UnitPlaces {
  /** The bucket's URL; only a directory needs rights on this machine. */
  bucket: string;
  /** Directories, also those of files, that the program writes to beside the bucket. */
  writes: readonly string[];
}

/** A file of /etc/systemd/system; without `text` there is none. */
export interface DropIn {
  path: string;
  text: string | undefined;
}

/** The units of each program; `isReader`: it only reads the bucket. */
const UNITS = {
  issuer: [
    { unit: 'pemfleet.service' },
    { unit: 'pemfleet-status.service' },
    { unit: 'pemfleet-responder.service', isReader: true },
  ],
  agent: [{ unit: 'pemfleet-agent.service' }, { unit: 'pemfleet-agent-first.service' }],
} as const satisfies Record<string, readonly { unit: string; isReader?: boolean }[]>;

/** Those that the units name themselves. */
const DEFAULTS = {
  issuer: ['/var/lib/pemfleet', '/var/lib/node_exporter', '/var/lib/prometheus/node-exporter'],
  agent: [
    '/etc/haproxy/certs',
    '/var/lib/pemfleet/bucket',
    '/var/lib/pemfleet-agent',
    '/var/lib/node_exporter',
    '/var/lib/prometheus/node-exporter',
  ],
} as const;

/** What ProtectHome= and PrivateTmp= of the units hide. */
const HIDDEN = ['/home', '/root', '/run/user', '/tmp', '/var/tmp'];

/** The drop-ins that fit a configuration: one for each unit of the program. Pure. */
export function unitDropIns(program: keyof typeof UNITS, { bucket, writes }: UnitPlaces): DropIn[] {
  const directory = directoryOf(bucket);
  const isIn = (path: string, places: readonly string[]) =>
    places.some((place) => path === place || path.startsWith(`${place}/`));
  return UNITS[program].map((each) => {
    const isReader = 'isReader' in each;
    const all = [...(directory === undefined ? [] : [directory]), ...(isReader ? [] : writes)];
    const others = [...new Set(all)].filter((path) => !isIn(path, DEFAULTS[program]));
    const [hidden, plain] = [true, false].map((isHidden) =>
      others.filter((path) => isIn(path, HIDDEN) === isHidden),
    ) as [string[], string[]];
    const lines = [
      ...(isReader ? [] : plain.map((path) => `ReadWritePaths=${quoted(path)}`)),
      ...(hidden.length === 0
        ? []
        : ['# The unit does not see this directory otherwise.', 'ProtectHome=tmpfs']),
      ...hidden.map((path) => `${isReader ? 'BindReadOnlyPaths' : 'BindPaths'}=${quoted(path)}`),
      ...inaccessible(program, isReader, others.includes(directory ?? '') ? directory : undefined),
    ];
    const path = `/etc/systemd/system/${each.unit}.d/pemfleet-paths.conf`;
    return { path, text: lines.length === 0 ? undefined : textOf(program, lines) };
  });
}

/** The issuer's keys, in a directory of the operator's choice, are the issuer's alone. */
function inaccessible(program: string, isReader: boolean, directory: string | undefined): string[] {
  if (directory === undefined || (program === 'issuer' && !isReader)) return [];
  return [`InaccessiblePaths=${quoted(join(directory, 'issuer'))}`];
}

const textOf = (program: string, lines: readonly string[]) =>
  `# The directories that /etc/pemfleet/${program === 'issuer' ? 'pemfleet' : 'agent'}.yaml names. Written by pemfleet, which writes it anew.
[Service]
${lines.join('\n')}
`;

function directoryOf(bucket: string): string | undefined {
  if (!bucket.startsWith('file:') || !URL.canParse(bucket)) return undefined;
  return fileURLToPath(bucket).replace(/(.)\/+$/, '$1');
}

/** systemd.exec(5): "-" for what may be missing; "%" begins a specifier, a space ends a path. */
function quoted(path: string): string {
  const text = `-${path.replaceAll('%', '%%')}`;
  return /[\s"\\']/.test(text) ? `"${text.replaceAll(/["\\]/g, '\\$&')}"` : text;
}

/**
 * Makes the files of /etc what the drop-ins say.
 * @param root for a tree that is not booted
 * @returns the paths that have changed: then systemd wants `systemctl daemon-reload`, and the units a restart
 */
export async function writeDropIns(dropIns: readonly DropIn[], root = '/'): Promise<string[]> {
  const changed: string[] = [];
  for (const { path, text } of dropIns) {
    const file = join(root, path);
    if ((await readIfThere(file)) === text) continue;
    if (text === undefined) await rm(file);
    else {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
      // Whatever the umask: `systemctl cat` shows it to everybody.
      await chmod(dirname(file), 0o755);
      await chmod(file, 0o644);
    }
    changed.push(path);
  }
  return changed;
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
}
