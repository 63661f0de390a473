/** What people write in place of a name. Apart from identifier.ts, which refuses it: the Lambda needs no advice. */

/** @returns what it is, and what to write; undefined for a text that is near nothing */
export function identifierAdvice(value: string): string | undefined {
  const [, host] = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/@]*@)?(\[[^\]]*\]|[^/:]*)/i.exec(value) ?? [];
  if (host !== undefined) return `is a URL: wanted the name alone${host === '' ? '' : `, ${bare(host)}`}`;
  const [, beforePort] = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+):\d+$/.exec(value) ?? [];
  if (beforePort !== undefined)
    return `has a port: wanted ${bare(beforePort)}; a certificate holds for all ports`;
  if (/^\[.*\]$/.test(value)) return `has brackets: wanted ${bare(value)}`;
  if (/[\s,;]/.test(value.trim())) {
    return `holds several names: wanted each for itself, [${value
      .trim()
      .split(/[\s,;]+/)
      .slice(0, 3)
      .join(', ')}]`;
  }
  if (value !== value.trim()) return 'has spaces around it';
  if (/^[^@/]+@[^@/]+$/.test(value))
    return 'is an e-mail address: wanted a DNS name; acme.contact takes mailto: URLs';
  if (/^[0-9a-fA-F:.]+\/\d{1,3}$/.test(value))
    return 'is a network: wanted an address, without / and what follows';
  if (/[^.]\.$/.test(value)) return `has a dot at its end: wanted ${value.slice(0, -1)}`;
  return undefined;
}

const bare = (host: string) => host.replace(/^\[|\]$/g, '');
