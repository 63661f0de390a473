/** What the set-up brings; `npm` are the packages of package-lock.json; `machine` only when it is asked for. */
export type PartName =
  | 'npm'
  | `haproxy-${'2.6' | '3.0' | '3.2' | '3.4'}`
  | 'openssl'
  | 'pebble'
  | 'caddy'
  | 'moto'
  | 'prometheus'
  | 'machine';
export type ProgramName =
  | Exclude<PartName, 'npm' | 'machine' | 'prometheus'>
  | 'promtool'
  | 'challtestsrv'
  | 'nspawn';
export function setUp(names?: readonly PartName[]): Promise<void>;
export function programPath(name: ProgramName): string;
