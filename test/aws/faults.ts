// What goes wrong on purpose: answers in the service's place, and answers that get lost or spoiled on the way.
import type { Wire } from '../support/hostile-ca/wire.ts';
import { AwsFailure } from './wire.ts';

/** Which requests; what is left out matches all. */
export interface FaultPlace {
  service?: string;
  /** as the API calls it, e.g. `PutObject` */
  operation?: string;
  /** the S3 key, the zone's id, the document's name */
  subject?: string | RegExp;
  /** default: all until it is lifted */
  times?: number;
  /** how many it lets pass first */
  after?: number;
}

export type Fault =
  /** AWS refuses, and does nothing */
  | { refuse: AwsFailure }
  /** nothing is done: the connection is reset, or no answer comes */
  | { before: 'reset' | 'hang' }
  /** it is done, and the answer is spoiled on the way */
  | { wire: Wire }
  /** one byte of the body is another; the checksum is not */
  | 'corrupt-body';

/** Refusals as AWS words them. */
export const refusals = {
  slowDown: () => refuse(503, 'SlowDown', 'Please reduce your request rate.'),
  serviceUnavailable: () => refuse(503, 'ServiceUnavailable', 'Service is unable to handle request.'),
  internalError: () => refuse(500, 'InternalError', 'We encountered an internal error. Please try again.'),
  /** as Route 53 and STS word it */
  throttling: () => refuse(400, 'Throttling', 'Rate exceeded'),
  /** as SSM words it */
  throttlingException: () => refuse(400, 'ThrottlingException', 'Rate exceeded'),
  conditionalRequestConflict: () =>
    refuse(
      409,
      'ConditionalRequestConflict',
      'The conditional request cannot succeed due to a conflicting operation against this resource.',
    ),
  /** Ceph's RADOS gateway: two conditional writes of one object at once. */
  concurrentModification: () => refuse(409, 'ConcurrentModification', 'UnknownError'),
  kmsDenied: () =>
    refuse(
      403,
      'AccessDenied',
      'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.',
    ),
  kmsDisabled: () =>
    refuse(400, 'KMS.DisabledException', 'The KMS key is disabled and cannot be used for this request.'),
  priorRequestNotComplete: () =>
    refuse(
      400,
      'PriorRequestNotComplete',
      'The request was rejected because Route 53 was still processing a prior request.',
    ),
} satisfies Record<string, () => { refuse: AwsFailure }>;

function refuse(status: number, code: string, message: string): { refuse: AwsFailure } {
  return { refuse: new AwsFailure(status, code, message) };
}

export interface FaultTarget {
  service: string;
  operation: string;
  subject: string;
}

export type Faults = ReturnType<typeof createFaults>;

export function createFaults() {
  let places: { place: FaultPlace; fault: Fault; passes: number; left: number }[] = [];
  return {
    /** @returns what lifts it */
    add(place: FaultPlace, fault: Fault): () => void {
      const { times = Number.POSITIVE_INFINITY, after = 0 } = place;
      const set = { place, fault, passes: after, left: times };
      places.push(set);
      return () => {
        places = places.filter((other) => other !== set);
      };
    },
    clear(): void {
      places = [];
    },
    /** The first that is due; the request counts against each that matches up to it. */
    next(target: FaultTarget): Fault | undefined {
      for (const set of places) {
        if (!matches(set.place, target)) continue;
        if (set.passes > 0) {
          set.passes -= 1;
          continue;
        }
        set.left -= 1;
        if (set.left >= 0) return set.fault;
      }
      return undefined;
    },
  };
}

function matches(place: FaultPlace, target: FaultTarget): boolean {
  if (place.service !== undefined && place.service !== target.service) return false;
  if (place.operation !== undefined && place.operation !== target.operation) return false;
  const { subject } = place;
  if (subject === undefined) return true;
  return typeof subject === 'string' ? subject === target.subject : subject.test(target.subject);
}
