/** The exit status and the error of a command that another user must type. */

/** sysexits(3): EX_NOPERM. */
export const EXIT_WRONG_USER = 77;

/** This user may not do it: the message says who may, and what to type. */
export class WrongUser extends Error {
  override name = 'WrongUser';
  readonly code = 'ERR_USER';
}
