/** `keys.json` of each fleet: by its statements a host that knows an old key finds today's. Whatever else stands there is written over. */
import { BucketError, ContractError, isObjectFault } from '#contract/errors.ts';
import { parseKeys, serializeKeys } from '#contract/key-chain.ts';
import { type FleetName, layout } from '#contract/layout.ts';
import type { Bucket, PutCondition } from '#storage/bucket.ts';

export interface PublishedKeys {
  fleet: FleetName;
  /** None, if they cannot be read. */
  statements: readonly string[];
  /** Undefined if there is no such object, or none that can be read. */
  text: string | undefined;
  /** Under which it may be replaced; absent: what stands there is nobody's word. */
  condition?: PutCondition | undefined;
}

/** @throws BucketError */
export function readPublishedKeys(bucket: Bucket, fleets: readonly FleetName[]): Promise<PublishedKeys[]> {
  return Promise.all(fleets.map((fleet) => readKeysOf(bucket, fleet)));
}

async function readKeysOf(bucket: Bucket, fleet: FleetName): Promise<PublishedKeys> {
  try {
    const object = await bucket.get(layout.keys(fleet));
    if (object === undefined) {
      return { fleet, statements: [], text: undefined, condition: { ifNoneMatch: '*' } };
    }
    const text = object.body.toString('utf8');
    return { fleet, statements: statementsOf(fleet, object.body), text, condition: { ifMatch: object.etag } };
  } catch (error) {
    if (!isObjectFault(error)) throw error;
    return { fleet, statements: [], text: undefined };
  }
}

function statementsOf(fleet: FleetName, body: Buffer): string[] {
  try {
    return parseKeys(fleet, body);
  } catch (error) {
    if (error instanceof ContractError) return [];
    throw error;
  }
}

/** What became of `keys.json` where it differed. */
export interface KeysWritten {
  /** Another writer was faster. */
  late: FleetName[];
  /** Why it stays as it was. */
  failed: Map<FleetName, BucketError>;
}

/** Writes nothing where nothing differs; a list without a statement, too: hosts look for it. One fleet's failure is that fleet's. */
export async function publishKeys(
  bucket: Bucket,
  published: readonly PublishedKeys[],
  statements: readonly string[],
): Promise<KeysWritten> {
  const wanted = serializeKeys(statements);
  const differing = published.filter(({ text }) => text !== wanted);
  const written: KeysWritten = { late: [], failed: new Map() };
  await Promise.all(
    differing.map(async ({ fleet, condition }) => {
      try {
        const result = await bucket.put(layout.keys(fleet), wanted, condition);
        if (result === 'precondition-failed') written.late.push(fleet);
      } catch (error) {
        if (!(error instanceof BucketError)) throw error;
        written.failed.set(fleet, error);
      }
    }),
  );
  return written;
}
