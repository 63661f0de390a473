/** What tells a command from whatever else the function is invoked for. */

/** Aliases of the function that take commands: by one nothing can be changed. */
export const COMMAND_ALIASES = ['read', 'change'] as const;
export type CommandAlias = (typeof COMMAND_ALIASES)[number];

/** The alias by which the function was invoked, if it is one for commands. */
export function commandAlias(functionArn: string): CommandAlias | undefined {
  const qualifier = functionArn.split(':')[7];
  return COMMAND_ALIASES.find((alias) => alias === qualifier);
}

/** Whether it is a command at all, also one that cannot be read. */
export function isCommandEvent(event: unknown): boolean {
  return typeof event === 'object' && event !== null && 'pemfleetCommand' in event;
}
