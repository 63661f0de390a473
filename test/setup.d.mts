/** What the set-up brings; `npm` are the packages of package-lock.json; machines only when they are asked for. */
export type PartName =
  | 'npm'
  | `haproxy-${'2.6' | '3.0' | '3.2' | '3.4'}`
  | 'openssl'
  | 'pebble'
  | 'caddy'
  | 'moto'
  | 'prometheus'
  | 'chromium'
  | 'rpm'
  | 'machine'
  | 'machine-13'
  | 'machine-rpm';
export type ProgramName =
  | Exclude<PartName, 'npm' | `machine${string}` | 'prometheus'>
  | 'promtool'
  | 'challtestsrv'
  | 'rpmbuild'
  | 'rpm2archive'
  | `nspawn${'' | '-13' | '-rpm'}`;
export function setUp(names?: readonly PartName[]): Promise<void>;
export function programPath(name: ProgramName): string;
