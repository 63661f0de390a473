/** Keys are ours (layout.ts), so a bad one is a bug and not an input. @throws TypeError */
export function keySegments(key: string): string[] {
  const segments = key.replace(/\/$/, '').split('/');
  if (segments.some((segment) => segment === '' || segment.startsWith('.')))
    throw new TypeError(`not a bucket key: ${key}`);
  return segments;
}
