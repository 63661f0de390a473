import type { Bucket, HostBucket } from '#storage/bucket.ts';

/** `bucket` with the verbs of `changes` in the place of its own. */
export function interposed(bucket: Bucket, changes: Partial<Bucket> | HostBucket): Bucket {
  return new Proxy(bucket, {
    get: (target, name) => {
      const owner = name in changes ? changes : target;
      const member: unknown = Reflect.get(owner, name);
      return typeof member === 'function' ? member.bind(owner) : member;
    },
  });
}
