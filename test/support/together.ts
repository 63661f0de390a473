// Several parts that belong together: where one of them cannot be started, those before it do not stay behind.

/** To be called as soon as a part stands. */
export type Keep = (stop: () => unknown) => void;

/** The part that was started last is stopped first; one that cannot be stopped keeps no other. */
export async function startTogether<T extends object>(
  start: (keep: Keep) => Promise<T>,
): Promise<T & { stop(): Promise<void> }> {
  const stops: (() => unknown)[] = [];
  const stop = async () => {
    const errors: unknown[] = [];
    for (const end of stops.splice(0).reverse()) {
      try {
        await end();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'parts that could not be stopped');
  };
  try {
    return { ...(await start((end) => void stops.push(end))), stop };
  } catch (error) {
    await stop().catch((cause: unknown) => {
      throw new AggregateError([error, cause], String(error));
    });
    throw error;
  }
}
