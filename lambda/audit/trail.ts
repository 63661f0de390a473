/**
 * Appends to the audit trail, `issuer/audit/`. An object takes lines until it has `FULL_BYTES`; whether it is full follows from its content
 * alone, so that two writers never go on at two places. Each write is conditional: of two, one comes first and the other reads again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BucketError, isObjectFault } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { Bucket, PutCondition, StoredObject } from '#storage/bucket.ts';
import { type AuditHead, headText, readAuditHead } from './head.ts';
import {
  type AuditActor,
  type AuditFact,
  CHAIN_START,
  type ChainEnd,
  lineHash,
  nextLine,
  parseLine,
} from './line.ts';

/** Some thousand lines: a year of twenty certificates, a day of a large installation. */
const FULL_BYTES = 512 * 1024;
/** Of one write; an object of 4 MiB takes them whatever they say. */
const MAX_LINES = 500;
const MAX_TRIES = 50;

/** The object that takes the next lines. */
interface Tail {
  object: number;
  text: string;
  etag: string | undefined;
  end: ChainEnd;
}

export class AuditTrail {
  readonly #bucket: Bucket;
  readonly #actor: AuditActor;
  readonly #now: () => Date;
  /** Not written yet. */
  #pending: AuditFact[] = [];
  /** Writes of one process go one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(bucket: Bucket, actor: AuditActor, now: () => Date) {
    this.#bucket = bucket;
    this.#actor = actor;
    this.#now = now;
  }

  get actor(): AuditActor {
    return this.#actor;
  }

  /** What was done is done: where the store fails, the facts wait for the next call, and for `flush`. */
  async record(facts: readonly AuditFact[]): Promise<void> {
    this.#pending.push(...facts);
    await this.flush().catch((error: unknown) => {
      if (!(error instanceof BucketError)) throw error;
    });
  }

  /** Writes what waits. @throws BucketError */
  flush(): Promise<void> {
    const next = this.#last.catch(() => undefined).then(() => this.#write());
    this.#last = next;
    return next;
  }

  async #write(): Promise<void> {
    while (this.#pending.length > 0) {
      const some = this.#pending.slice(0, MAX_LINES);
      await this.#appendSome(some);
      this.#pending.splice(0, some.length);
    }
  }

  async #appendSome(facts: readonly AuditFact[]): Promise<void> {
    for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
      const { head } = await readAuditHead(this.#bucket);
      const tail = await this.#findTail(head);
      let { end } = tail;
      let text = tail.text;
      const at = this.#bucket.answeredAt ?? this.#now();
      // Somebody has taken the head away, or a process was killed before it wrote the first one.
      const isHeadless = head === undefined && end.sequence > 0;
      for (const fact of isHeadless ? [{ action: 'head-restored' }, ...facts] : facts) {
        const line = nextLine(end, this.#actor, fact, at);
        text += `${line.text}\n`;
        end = line.end;
      }
      const condition: PutCondition = tail.etag === undefined ? { ifNoneMatch: '*' } : { ifMatch: tail.etag };
      const result = await this.#bucket.put(layout.auditLines(tail.object), text, condition);
      if (result !== 'precondition-failed') return this.#moveHead({ ...end, object: tail.object });
      await sleep(Math.random() * 20 * Math.min(attempt, 10));
    }
    throw conflict(layout.auditTrail);
  }

  /** What somebody has taken out is not made good: the chain goes on behind it, and `pemfleet audit --verify` names the gap. */
  async #findTail(head: AuditHead | undefined): Promise<Tail> {
    let [object, end]: [number, ChainEnd] = [head?.object ?? 1, head ?? CHAIN_START];
    for (;;) {
      const stored = await this.#readLines(object);
      if (stored === 'spoilt') {
        object += 1;
        continue;
      }
      if (stored === undefined) return { object, text: '', etag: undefined, end };
      const text = stored.body.toString('utf8');
      end = endOf(text, end);
      if (text.length < FULL_BYTES) return { object, text: closed(text), etag: stored.etag, end };
      object += 1;
    }
  }

  /** One that cannot be read takes no line any more. */
  async #readLines(object: number): Promise<StoredObject | 'spoilt' | undefined> {
    try {
      return await this.#bucket.get(layout.auditLines(object));
    } catch (error) {
      if (isObjectFault(error)) return 'spoilt';
      throw error;
    }
  }

  async #moveHead(to: AuditHead): Promise<void> {
    for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
      const { head, etag } = await readAuditHead(this.#bucket);
      if (head !== undefined && head.sequence >= to.sequence) return;
      const condition: PutCondition = etag === undefined ? { ifNoneMatch: '*' } : { ifMatch: etag };
      const result = await this.#bucket.put(layout.auditHead, headText(to), condition);
      if (result !== 'precondition-failed') return;
    }
    throw conflict(layout.auditHead);
  }
}

/** The later one of what the object's last line says, and of what was known before: a last line that was changed does not count. */
function endOf(text: string, before: ChainEnd): ChainEnd {
  const last = text.trimEnd().split('\n').at(-1) ?? '';
  const line = parseLine(last);
  if (line === undefined || line.sequence <= before.sequence) return before;
  return { sequence: line.sequence, hash: lineHash(last) };
}

/** A last line without its line feed was cut by somebody: the next one does not run into it. */
function closed(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

function conflict(key: string): BucketError {
  const says = `other writers were faster ${MAX_TRIES} times`;
  return new BucketError('ERR_BUCKET_CONFLICT', key, says);
}
