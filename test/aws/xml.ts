// XML in and out, by fast-xml-parser; values stay strings, and what may repeat is told by name.
import { XMLBuilder, XMLParser } from 'fast-xml-parser';

const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n';
const builder = new XMLBuilder({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  suppressEmptyNode: true,
});

/** @param root one element; attributes are named `@name` */
export const toXml = (root: Record<string, unknown>): string => declaration + builder.build(root);

/** @param repeated names of elements that are arrays even when there is one */
export function fromXml(text: string, repeated: readonly string[] = []): Record<string, unknown> {
  const parser = new XMLParser({
    parseTagValue: false,
    trimValues: false,
    isArray: (name) => repeated.includes(name),
  });
  return parser.parse(text);
}
