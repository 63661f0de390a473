// Chooses the suite that a part comes from: suites move on, and where one has lost a version, the next may have it.
// Plain JavaScript, as debian.mjs; pure.

/**
 * The newest version that `wanted` accepts; where several suites have it, the first of them.
 * @param offers for each suite, in the order of preference, its versions of the package, or `undefined` when the suite
 *   cannot be read
 * @returns `{ suite, version }`, or `{ refusal }`: what each suite has instead
 */
export function chooseVersion(wanted, offers) {
  const acceptable = offers.flatMap(({ suite, versions = [] }) =>
    versions.filter((version) => wanted.test(version)).map((version) => ({ suite, version })),
  );
  // the sort is stable: equal versions stay in the order of their suites
  const [newest] = acceptable.sort((a, b) => compareVersions(b.version, a.version));
  if (newest) return newest;
  const present = offers.map(
    ({ suite, versions }) => `${suite} ${versions ? has(versions) : 'cannot be read'}`,
  );
  return { refusal: `no suite of Debian has a version that matches ${wanted}: ${present.join(', ')}` };
}

const has = (versions) => `has ${versions.length > 0 ? versions.join(' and ') : 'none'}`;

/** Debian's order of versions, deb-version(7): negative when `a` is the older one. */
export function compareVersions(a, b) {
  const [left, right] = [sortKey(a), sortKey(b)];
  for (const [index, part] of left.entries()) {
    if (part !== right[index]) return part < right[index] ? -1 : 1;
  }
  return 0;
}

/** Epoch, upstream's version and Debian's revision, each as a text that sorts as its part does. */
function sortKey(version) {
  const [, epoch = '0', upstream, revision = '0'] = /^(?:(\d+):)?(.*?)(?:-([^-]*))?$/.exec(version);
  return [epoch, upstream, revision].map((part) =>
    // the last match is an empty one: the end sorts after `~` and before all else
    part.replace(/(\D*)(\d*)/g, (_, text, digits) => `${sortable(text)}${END}${digits.padStart(20, '0')}`),
  );
}

const END = '\u0002';
/** `~` first, then letters, then the other characters. */
const sortable = (text) =>
  text.replace(/[^a-z]/gi, (char) =>
    char === '~' ? '\u0001' : String.fromCharCode(char.charCodeAt(0) + 256),
  );
