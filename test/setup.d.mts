/** What the set-up brings; `npm` are the packages of package-lock.json. */
export type PartName = 'npm' | 'haproxy-2.6' | 'haproxy-3.0' | 'haproxy-3.2' | 'pebble' | 'moto';
export type ProgramName = Exclude<PartName, 'npm'> | 'challtestsrv';
export function setUp(names?: readonly PartName[]): Promise<void>;
export function programPath(name: ProgramName): string;
