// Several parts that belong together: where one of them cannot be started, those before it do not stay behind.

type Stop = () => unknown;

/** @param start hands on how each part is stopped as soon as it stands; the last one is stopped first */
export async function startTogether<T extends object>(
  start: (keep: (stop: Stop) => void) => Promise<T>,
): Promise<T & { stop(): Promise<void> }> {
  const stops: Stop[] = [];
  const stop = async () => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  try {
    return { ...(await start((end) => void stops.push(end))), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
