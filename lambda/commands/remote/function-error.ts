/** Why a command did not come through the function, or its answer not back. */
export type FunctionErrorCode =
  | 'ERR_FUNCTION_DENIED'
  | 'ERR_FUNCTION_MISSING'
  | 'ERR_FUNCTION_BUSY'
  | 'ERR_FUNCTION_FAILED'
  | 'ERR_FUNCTION_LOST'
  | 'ERR_FUNCTION_ANSWER';

export class FunctionError extends Error {
  override name = 'FunctionError';
  readonly code: FunctionErrorCode;

  constructor(code: FunctionErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
