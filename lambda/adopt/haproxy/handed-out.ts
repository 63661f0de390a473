/** Which of the certificates of a name a visitor gets at each bind: by handshakes, and where HAProxy does not answer, the one that it loads first. */
import { atMost } from '#common/in-parallel.ts';
import type { HaproxyConfiguration } from '../../init/plan/haproxy-config.ts';
import { type BindLine, bindsOf, isFront } from '../../init/plan/sections.ts';
import { handshakeAddressesOf, sourcesOf } from '../../init/plan/tls-binds.ts';
import type { KeyKind } from '../../probe/handshake.ts';
import type { LoadedFile } from '../plan/choose-files.ts';
import { type HeldFile, type ServedName, type SharedName, sharedNamesOf } from '../plan/shared-names.ts';

const CONCURRENCY = 8;
/** A handshake that nobody answers takes five seconds. */
const MAX_ASKED = 200;
/** One that no certificate names, to ask for a wildcard. */
const LABEL = 'pemfleet-adopt';

/** @returns a certificate's SHA-256, as Node has it; undefined: no handshake */
export type HandedOut = (address: string, name: string, kind: KeyKind) => Promise<string | undefined>;

export interface HandedOutNames {
  served: readonly ServedName[];
  /** For what no handshake has told. */
  notes: readonly string[];
}

/** @param handedOut undefined: HAProxy does not run, which is said elsewhere */
export async function handedOutNames(
  config: HaproxyConfiguration,
  loaded: readonly LoadedFile[],
  handedOut: HandedOut | undefined,
): Promise<HandedOutNames> {
  const binds = config.sections
    .filter(isFront)
    .flatMap(bindsOf)
    .filter(({ isTls }) => isTls);
  const shared = binds.flatMap((bind) =>
    sharedNamesOf(filesOf(bind, config, loaded)).map((one) => ({ bind, one })),
  );
  const limited = atMost(CONCURRENCY);
  const untold: string[] = [];
  const served = await Promise.all(
    shared.map(({ bind, one }, index) =>
      limited(async () => {
        const shown = index < MAX_ASKED ? await shownAt(bind, one, handedOut) : undefined;
        if (shown === undefined) untold.push(one.name);
        return { ...one, served: shown ?? firstOf(one) };
      }),
    ),
  );
  return { served, notes: handedOut === undefined ? [] : untoldNotes(untold) };
}

function untoldNotes(names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const some = [...new Set(names)].slice(0, MAX_NAMED).join(', ');
  return [
    `several certificates have one name, and no handshake told which of them visitors get (${names.length}: ${some}${names.length > MAX_NAMED ? ', …' : ''}): the one that HAProxy loads first is taken for it`,
  ];
}

const MAX_NAMED = 5;

function filesOf(bind: BindLine, config: HaproxyConfiguration, loaded: readonly LoadedFile[]): LoadedFile[] {
  return sourcesOf(bind, config).flatMap((named) => loaded.filter(({ source }) => source === named));
}

/** @returns undefined: no handshake, or with a certificate that is none of these */
async function shownAt(
  bind: BindLine,
  { name, kind, held }: SharedName,
  handedOut: HandedOut | undefined,
): Promise<HeldFile | undefined> {
  const [address] = handshakeAddressesOf(bind);
  const shown =
    address === undefined ? undefined : await handedOut?.(address, name.replace(/^\*\./, `${LABEL}.`), kind);
  return held.find(({ leaf }) => leaf.fingerprint256 === shown);
}

function firstOf({ name, held: [first] }: SharedName): HeldFile {
  if (first === undefined) throw new TypeError(`nobody has ${name}`);
  return first;
}
