/** What is true of this host as a whole without being a failure of one file: for the status, the log and `doctor`. */
import { CLOCK_SLACK_MS, clockOffsetText } from '#common/clock.ts';
import { DAY_MS } from '#common/time.ts';
import type { Manifest } from '#contract/manifest.ts';
import type { Refusal } from './accept.ts';
import type { TrustRecord } from './record.ts';

type TrustCondition =
  | Refusal['condition']
  | 'key-unverified'
  | 'frozen-manifest'
  | 'unsigned-manifest'
  | 'clock-off';

export interface Condition<Name extends string = TrustCondition> {
  condition: Name;
  /** Both stay the same as long as the condition lasts: a status is reported when it changes. */
  saw: string;
  fix: string;
}

export function conditionMessage({ saw, fix }: Condition<string>): string {
  return `${saw}: ${fix}`;
}

/** The issuer signs twice a day: of two lost passes one is missed. */
const FROZEN_MS = DAY_MS;

export interface TrustFacts {
  /** In force. */
  manifest: Manifest | undefined;
  trust: TrustRecord | undefined;
  refusal: Refusal | undefined;
  /** Code of what keeps the host from the parameter that could confirm its key. */
  parameterError?: string | undefined;
  /** By the store's clock; `undefined`: it did not answer. */
  storeTime: Date | undefined;
  /** By how much this host's clock is ahead of the store's, in ms (behind: negative); absent: the store has not answered now, or has no clock of its own. */
  clockOffsetMs?: number | undefined;
}

export function conditionsOf({
  manifest,
  trust,
  refusal,
  parameterError,
  storeTime,
  clockOffsetMs = 0,
}: TrustFacts): Condition[] {
  const unverified = trust !== undefined && !trust.isConfirmed && keyUnverified(trust, parameterError);
  const frozen = manifest && storeTime && isFrozen(manifest, storeTime) && frozenManifest(manifest);
  const unsigned = manifest?.version === 1 && UNSIGNED;
  const clock = Math.abs(clockOffsetMs) > CLOCK_SLACK_MS && clockOff(clockOffsetMs);
  return [refusal, unverified, frozen, unsigned, clock].filter((one) => one !== undefined && one !== false);
}

function isFrozen({ signedAt }: Manifest, storeTime: Date): boolean {
  return signedAt !== undefined && storeTime.getTime() - Date.parse(signedAt) > FROZEN_MS;
}

function frozenManifest({ signedAt }: Manifest): Condition {
  const saw = `the manifest was signed at ${signedAt}, more than a day ago by the store's clock; the issuer signs it twice a day`;
  const fix = 'see whether it runs (pemfleet status, its timer); else somebody holds its manifests back';
  return { condition: 'frozen-manifest', saw, fix };
}

function clockOff(offsetMs: number): Condition {
  const saw = `this host's clock is ${clockOffsetText(offsetMs)} of the store's`;
  const fix =
    'timedatectl set-ntp true; until then it takes valid certificates for expired or not yet valid ones, and the other way round';
  return { condition: 'clock-off', saw, fix };
}

function keyUnverified({ trusted: { key } }: TrustRecord, parameterError: string | undefined): Condition {
  const unread = parameterError === undefined ? '' : ` (the parameter cannot be read: ${parameterError})`;
  const saw = `key ${key} was taken from the bucket at first contact, and nobody has confirmed it${unread}`;
  const fix = `compare with "pemfleet key show" on the issuer, then pemfleet-agent trust --confirm ${key}, or trust.key in the agent's file`;
  return { condition: 'key-unverified', saw, fix };
}

const UNSIGNED: Condition = {
  condition: 'unsigned-manifest',
  saw: 'the manifest is of version 1, without a signature: whoever may write to the bucket decides what this host serves',
  fix: "upgrade the issuer; take trust.version1Until out of the agent's file",
};
