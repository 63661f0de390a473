/**
 * The services of a compose file without a container engine: each in a root, mount and network namespace of its own, with the file's
 * mounts, user and read-only root. This machine's C library and shell stand in for the images, whose programs a test gives.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';

export interface Service {
  image: string;
  user: string;
  command?: string[];
  volumes: string[];
  depends_on?: string[] | Record<string, { condition: string }>;
  read_only?: boolean;
}

export interface Containers {
  services: Readonly<Record<string, Service>>;
  /** Program and arguments that run this command as the service. */
  wordsOf(name: string, command: readonly string[]): [string, ...string[]];
}

const isRoot = process.getuid?.() === 0;

/** @param mounts further ones of every service, `SOURCE:TARGET`, and other sources of the file's own, by target */
export function openContainers(
  file: string,
  { mounts, sources }: { mounts: readonly string[]; sources: Readonly<Record<string, string>> },
): Containers {
  const { services } = parse(readFileSync(file, 'utf8')) as { services: Record<string, Service> };
  const folder = dirname(resolve(file));
  const wordsOf = (name: string, command: readonly string[]): [string, ...string[]] => {
    const service = services[name];
    if (service === undefined) throw new Error(`${file} has no service ${name}`);
    const root = join(folder, `.root-${name}`);
    mkdirSync(root, { recursive: true });
    const binds = [...service.volumes, ...mounts].map((volume) => {
      const [source = '', target = '', mode = 'rw'] = volume.split(':');
      return `bind '${resolve(folder, sources[target] ?? source)}' '${target}' ${mode}`;
    });
    const script = join(folder, `.${name}.sh`);
    const user = isRoot ? `--userspec=${service.user}` : '';
    writeFileSync(
      script,
      [
        PRELUDE.replace('@ROOT@', root),
        ...binds,
        service.read_only ? READ_ONLY : '',
        `exec chroot ${user} "$root" "$@"`,
      ].join('\n'),
    );
    const namespaces = ['--mount', '--net', ...(isRoot ? [] : ['--map-root-user'])];
    return ['unshare', ...namespaces, 'sh', '-e', script, ...command];
  };
  return { services, wordsOf };
}

const PRELUDE = `root='@ROOT@'
mount -t tmpfs -o mode=755 tmpfs "$root"
mkdir -p "$root/usr/bin" "$root/tmp" "$root/dev" "$root/proc" "$root/host"
for one in lib lib64; do
  [ -d "/usr/$one" ] || continue
  mkdir "$root/usr/$one"; mount --rbind "/usr/$one" "$root/usr/$one"; ln -s "usr/$one" "$root/$one"
done
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
mount --rbind /usr/bin "$root/host"
ln -s usr/bin "$root/bin"
for one in sh flock cat; do ln -s "/host/$one" "$root/usr/bin/$one"; done
bind() {
  if [ -d "$1" ]; then mkdir -p "$root$2"; else mkdir -p "$(dirname "$root$2")"; : > "$root$2"; fi
  mount --bind "$1" "$root$2"
  [ "$3" != ro ] || mount -o remount,bind,ro "$root$2"
}`;

const READ_ONLY = 'mount -o remount,ro "$root"';

/** As `install -d -o 99 -g 99 -m 0700`. */
export function giveTo(user: string, ...paths: string[]): void {
  for (const path of paths) mkdirSync(path, { recursive: true, mode: 0o700 });
  if (!isRoot) return;
  const { status, stderr } = spawnSync('chown', ['-R', user, ...paths], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}
