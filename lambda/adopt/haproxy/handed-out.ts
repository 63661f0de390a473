/** Which of the certificates of a name a visitor gets at each bind: by handshakes, and where HAProxy does not answer, the one that it loads first. */
import { atMost } from '#common/in-parallel.ts';
import type { HaproxyConfiguration } from '../../init/plan/haproxy-config.ts';
import { type BindLine, bindsOf, isFront } from '../../init/plan/sections.ts';
import { handshakeAddressesOf, sourcesOf } from '../../init/plan/tls-binds.ts';
import type { KeyKind } from '../../probe/handshake.ts';
import type { LoadedFile } from '../plan/choose-files.ts';
import { type HeldFile, type ServedName, type SharedName, sharedNamesOf } from '../plan/shared-names.ts';

const CONCURRENCY = 8;
/** One that no certificate names, to ask for a wildcard. */
const LABEL = 'pemfleet-adopt';

/** @returns a certificate's SHA-256, as Node has it; undefined: no handshake */
export type HandedOut = (address: string, name: string, kind: KeyKind) => Promise<string | undefined>;

/** @param handedOut undefined: HAProxy does not run */
export async function handedOutNames(
  config: HaproxyConfiguration,
  loaded: readonly LoadedFile[],
  handedOut: HandedOut | undefined,
): Promise<ServedName[]> {
  const binds = config.sections
    .filter(isFront)
    .flatMap(bindsOf)
    .filter(({ isTls }) => isTls);
  const shared = binds.flatMap((bind) =>
    sharedNamesOf(filesOf(bind, config, loaded)).map((one) => ({ bind, one })),
  );
  const limited = atMost(CONCURRENCY);
  return Promise.all(
    shared.map(({ bind, one }) =>
      limited(async () => ({ ...one, served: await servedOf(bind, one, handedOut) })),
    ),
  );
}

function filesOf(bind: BindLine, config: HaproxyConfiguration, loaded: readonly LoadedFile[]): LoadedFile[] {
  return sourcesOf(bind, config).flatMap((named) => loaded.filter(({ source }) => source === named));
}

async function servedOf(
  bind: BindLine,
  { name, kind, held }: SharedName,
  handedOut: HandedOut | undefined,
): Promise<HeldFile> {
  const [address] = handshakeAddressesOf(bind);
  const shown =
    address === undefined ? undefined : await handedOut?.(address, name.replace(/^\*\./, `${LABEL}.`), kind);
  const served = held.find(({ leaf }) => leaf.fingerprint256 === shown) ?? held[0];
  if (served === undefined) throw new TypeError(`nobody has ${name}`);
  return served;
}
