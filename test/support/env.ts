// The environment of this process, for code that reads no other: the AWS SDK's chain, a Lambda's handler.

export type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Sets variables; `undefined` removes one.
 * @returns what puts back those that were there before: for `t.after`, because files share a process
 */
export function setEnv(changes: Variables): () => void {
  const before = Object.fromEntries(Object.keys(changes).map((name) => [name, process.env[name]]));
  assign(changes);
  return () => assign(before);
}

function assign(variables: Variables): void {
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}
