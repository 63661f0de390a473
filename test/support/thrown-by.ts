import assert from 'node:assert/strict';

/** What `work` throws, which must be of this class: for tests of more than one of its members. */
export function thrownBy<E extends Error>(type: new (...args: never[]) => E, work: () => unknown): E {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof type, `${error}`);
    return error;
  }
  return assert.fail('nothing was thrown');
}
