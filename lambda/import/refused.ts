/** What cannot be imported, though its PEM breaks no rule. Nothing is changed then. */
export class ImportRefused extends Error {
  override name = 'ImportRefused';
  readonly code = 'ERR_IMPORT';
}
