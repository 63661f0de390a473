/** Cuts long text from outside, and keeps its links whole: a link that is cut is of no use to whoever has to follow it. */

const LINK = /https?:\/\/[^\s"'<>()]+/g;
/** Longer ones are no links for people; Boulder's, which unpauses an account, has some 900 characters. */
const [MAX_LINKS, MAX_LINK] = [2, 1500];

/** Of `shortened` text at most: what a document that keeps such texts has to take. */
export const longestShortened = (max: number) => max + MAX_LINKS * (MAX_LINK + 3);

/** At most `max` characters, and after them the first links that were cut. */
export function shortened(text: string, max: number): string {
  if (text.length <= max) return text;
  const links = [...text.matchAll(LINK)].filter(({ 0: link }) => link.length <= MAX_LINK);
  const cut = links.filter(({ index, 0: link }) => index + link.length > max).slice(0, MAX_LINKS);
  const [first] = cut;
  const end = first === undefined ? max : Math.min(first.index, max);
  return [text.slice(0, end).trimEnd(), ...cut.map(([link]) => link)].join(' … ');
}
