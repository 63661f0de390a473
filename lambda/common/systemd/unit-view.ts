/** What a unit of systemd sees of this machine (systemd.exec(5)), by the properties that `systemctl show` prints. Pure. */

export type UnitProperties = Readonly<Record<string, string | undefined>>;

/** For `systemctl show -p`. */
export const UNIT_PROPERTIES = [
  ...['LoadState', 'UnitFileState', 'ActiveState', 'Result', 'User', 'LimitCORE', 'ExecStart', 'WantedBy'],
  ...['ConditionResult', 'NRestarts'],
  ...['ProtectSystem', 'ProtectHome', 'PrivateTmp', 'ReadWritePaths', 'ReadOnlyPaths', 'InaccessiblePaths'],
  ...['BindPaths', 'StateDirectory', 'CacheDirectory', 'LogsDirectory', 'RuntimeDirectory'],
].join(',');

/** The package enables it as a whole. */
export const PEMFLEET_TARGET = 'pemfleet.target';

const isOfTarget = ({ WantedBy = '' }: UnitProperties): boolean =>
  WantedBy.split(' ').includes(PEMFLEET_TARGET);

/** By itself, or by pemfleet.target: `TargetFileState` and `TargetActiveState` are those of `showUnit`. */
export const isEnabled = (unit: UnitProperties): boolean =>
  unit['UnitFileState'] === 'enabled' || (isOfTarget(unit) && unit['TargetFileState'] !== 'disabled');

/** What starts it, now and at boot. */
export function startWords(unit: UnitProperties, name: string): string[] {
  const { UnitFileState, TargetFileState, TargetActiveState } = unit;
  if (UnitFileState === 'enabled' || UnitFileState === 'static') return ['systemctl', 'start', name];
  if (!isOfTarget(unit)) return ['systemctl', 'enable', '--now', name];
  const isTargetWell = TargetFileState !== 'disabled' && TargetActiveState !== 'inactive';
  return isTargetWell ? ['systemctl', 'start', name] : ['systemctl', 'enable', '--now', PEMFLEET_TARGET];
}

export function parseProperties(text: string): UnitProperties {
  const pairs = text.split('\n').flatMap((line) => {
    const at = line.indexOf('=');
    return at < 1 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
  });
  return Object.fromEntries(pairs);
}

/** Directories that systemd makes when it starts the unit. */
export const stateDirectoriesOf = (unit: UnitProperties): string[] =>
  wordsIn(unit['StateDirectory']).map((word) => `/var/lib/${word.split(':')[0]}`);

interface Rule {
  prefix: string;
  isWritable: boolean;
  /** The line of the unit that says so. */
  by: string;
}

/** @returns the line of the unit that keeps it from writing to `path`; undefined: nothing does */
export function writeBar(unit: UnitProperties, path: string): string | undefined {
  let best: Rule | undefined;
  for (const rule of rulesOf(unit)) {
    if (!isIn(path, rule.prefix)) continue;
    const isNearer = best === undefined || rule.prefix.length > best.prefix.length;
    // Of two rules for one directory, the one that was added on purpose opens it.
    if (isNearer || (rule.prefix === best?.prefix && rule.isWritable)) best = rule;
  }
  return best === undefined || best.isWritable ? undefined : best.by;
}

const isIn = (path: string, prefix: string) =>
  prefix === '/' || path === prefix || path.startsWith(`${prefix}/`);

const SYSTEM: Readonly<Record<string, readonly string[]>> = {
  strict: ['/'],
  full: ['/usr', '/boot', '/efi', '/etc'],
  yes: ['/usr', '/boot', '/efi'],
};

function rulesOf(unit: UnitProperties): Rule[] {
  const rules = (property: string, prefixes: readonly string[], isWritable: boolean): Rule[] =>
    prefixes.map((prefix) => ({ prefix, isWritable, by: `${property}=${unit[property] ?? ''}` }));
  const listed = (property: string, isWritable: boolean) =>
    rules(property, pathsIn(unit[property]), isWritable);
  const below = (property: string, directory: string) =>
    rules(
      property,
      wordsIn(unit[property]).map((word) => `${directory}/${word.split(':')[0]}`),
      true,
    );
  const isHomeShut = !['', 'no'].includes(unit['ProtectHome'] ?? '');
  return [
    ...rules('ProtectSystem', SYSTEM[unit['ProtectSystem'] ?? ''] ?? [], false),
    ...rules('ProtectHome', isHomeShut ? ['/home', '/root', '/run/user'] : [], false),
    // The unit has its own: what it writes there, nobody else finds.
    ...rules('PrivateTmp', unit['PrivateTmp'] === 'yes' ? ['/tmp', '/var/tmp'] : [], false),
    ...listed('ReadOnlyPaths', false),
    ...listed('InaccessiblePaths', false),
    ...listed('ReadWritePaths', true),
    ...listed('BindPaths', true),
    ...below('StateDirectory', '/var/lib'),
    ...below('CacheDirectory', '/var/cache'),
    ...below('LogsDirectory', '/var/log'),
    ...below('RuntimeDirectory', '/run'),
  ];
}

/** systemd quotes a word that has spaces, and escapes with a backslash. */
function wordsIn(text = ''): string[] {
  const words = [...text.matchAll(/"((?:[^"\\]|\\.)*)"|((?:[^\s"\\]|\\.)+)/g)];
  return words.map(([, inQuotes, bare = '']) =>
    (inQuotes ?? bare).replaceAll(/\\x([0-9a-f]{2})|\\(.)/g, (_all, hex: string | undefined, char: string) =>
      hex === undefined ? char : String.fromCharCode(Number.parseInt(hex, 16)),
    ),
  );
}

/** `-` stands before what may be missing, `+` before what is of the unit's root; of a bind, the first path is this machine's. */
const pathsIn = (text: string | undefined): string[] =>
  wordsIn(text).map((word) => (word.replace(/^[-+]+/, '').split(':')[0] ?? '').replace(/(.)\/+$/, '$1'));
