/** A command that was typed rightly, and must not do what it says as things stand: exit status 1. */
export class CommandRefused extends Error {
  override name = 'CommandRefused';
  readonly code = 'ERR_REFUSED';
}
