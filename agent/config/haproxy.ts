/** Settings of one HAProxy: its socket, how it loads certificates, which binds prove them, how to reload it. */
import * as z from 'zod';
import { SECOND_MS } from '#common/time.ts';

/** `;` and line ends separate commands of the Runtime API and cannot be escaped. */
const haproxyPath = z.string().regex(/^\/[^;\n\r\0]*$/, 'must be an absolute path without ";" or line ends');
/** A crt-list has no quotes and no escapes. */
const CRT_LIST_PATH = /^\/[^;\s\0[\]#]*$/;
/** A bare name is one of a program in the usual directories. */
const program = z.string().regex(/^[^\s\0]+$/, 'must be the path or the name of a program');
const BIND_FORMS =
  'must be HOST:PORT, such as 127.0.0.1:443, or unix@/PATH or abns@NAME; for a bind with accept-proxy, proxy@HOST:PORT or { address: HOST:PORT, proxy: true }';
const TCP_FORM = String.raw`(\[[0-9a-fA-F:.]+(%[\w.-]+)?\]|[A-Za-z0-9._-]+|\*):\d{1,5}`;
const UNIX_FORM = String.raw`unix@\/[^,\s\0]+|abnsz?@[^,\s\0]+`;
const address = z.string().regex(new RegExp(`^(proxy@)?(${TCP_FORM}|${UNIX_FORM})$`), BIND_FORMS);
/** With `proxy`, a bind that expects a PROXY header: `proxy@HOST:PORT`, the same in one word. */
const bindToProve = z
  .strictObject({
    address: address
      .refine((text) => !text.startsWith('proxy@'), 'must be HOST:PORT, unix@/PATH or abns@NAME')
      .describe('HOST:PORT, unix@/PATH or abns@NAME.'),
    proxy: z.boolean().describe('Whether the bind expects a PROXY header (accept-proxy).'),
  })
  .transform(({ address: text, proxy }) => (proxy ? `proxy@${text}` : text));
const list = z.preprocess(
  (value) => (typeof value === 'string' ? value.split(',').filter(Boolean) : value),
  z.array(
    z.union([address, bindToProve], {
      error: BIND_FORMS,
    }),
  ),
);

/** Words of a command, without a shell. */
const argv = z
  .array(
    z
      .string()
      .min(1)
      .regex(/^[^\0]*$/),
  )
  .min(1);
const seconds = z.coerce.number().min(1).max(86_400);
const reload = z
  .strictObject({
    command: argv.describe('Command that reloads HAProxy: [systemctl, reload, haproxy].'),
    check: argv
      .default(['haproxy', '-c', '-f', '/etc/haproxy/haproxy.cfg'])
      .describe('Command that must succeed before each reload.'),
    window: seconds.default(300).describe('Seconds during which HAProxy is reloaded at most once.'),
    timeout: seconds
      .default(120)
      .describe('Seconds allowed for the check, for the command, and for the new worker to answer.'),
  })
  .transform(({ window, timeout, ...commands }) => ({
    ...commands,
    windowMs: window * SECOND_MS,
    timeoutMs: timeout * SECOND_MS,
  }));

export type ReloadSettings = z.infer<typeof reload>;

export const haproxySchema = z
  .strictObject({
    statsSocket: z
      .string()
      .regex(/^(master@)?\/[^;\n\r\0]*$/, 'must be an absolute path, or master@ followed by one')
      .default('/run/haproxy/admin.sock')
      .describe(
        'HAProxy\'s "stats socket", level admin; or master@ followed by the path of its master socket ("-S").',
      ),
    certsDir: haproxyPath
      .default('/etc/haproxy/certs')
      .describe('Directory for the PEM files; a bind names it as "crt".'),
    crtListFile: z
      .string()
      .regex(CRT_LIST_PATH, 'must be an absolute path without spaces, ";", "#" or brackets')
      .optional()
      .describe(
        'File that a bind names as "crt-list"; the agent keeps its lines, and certsDir only holds the PEM files.',
      ),
    program: program
      .default('haproxy')
      .describe("HAProxy's program, which checks a new line of crtListFile (haproxy -c)."),
    crtList: z
      .string()
      .regex(/^[^;\n\r\0]+$/, 'must not hold ";" or line ends')
      .optional()
      .describe(
        "HAProxy's own name for certsDir where paths differ (chroot, container); default: discovered.",
      ),
    handshake: list
      .default(['127.0.0.1:443'])
      .describe(
        'Binds on which a TLS handshake must prove each certificate; unix@/PATH and abns@NAME for sockets, proxy@ before either: with a PROXY header; [] turns the proof off.',
      ),
    paths: z
      .strictObject({
        host: haproxyPath.describe('As this host names it.'),
        haproxy: haproxyPath.describe('As HAProxy names it.'),
      })
      .optional()
      .describe('A directory of this host, and its name inside the container or chroot of HAProxy.'),
    reload: reload
      .optional()
      .describe('How to reload HAProxy for what the Runtime API cannot do; default: the operator reloads.'),
    bufsize: z.coerce
      .number()
      .int()
      .min(1024)
      .default(16_384)
      .describe("HAProxy's tune.bufsize, which limits the size of a PEM that is loaded at run time."),
    pace: z.coerce
      .number()
      .int()
      .min(0)
      .max(10_000)
      .optional()
      .describe('Updates per second at most, 0: no limit; default: 50 before HAProxy 3.0, then no limit.'),
    placeholder: z
      // Of a flag or a variable it is a text; in the file, YAML's yes is one, too, and is refused.
      .union([z.boolean(), z.stringbool({ truthy: ['true', '1'], falsy: ['false', '0'] })])
      .default(false)
      .describe('With "sync --wait": install a self-signed certificate if there would be none at all.'),
  })
  .refine(({ crtListFile, certsDir }) => crtListFile === undefined || CRT_LIST_PATH.test(certsDir), {
    path: ['certsDir'],
    error: 'must not hold spaces, "#" or brackets: the lines of crtListFile name it',
  });

/** In a list each HAProxy has a name: the status shows it, and the state directory has a directory of that name. */
export const haproxyList = z
  .array(
    haproxySchema.safeExtend({
      name: z
        .string()
        .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'must match [a-z0-9][a-z0-9_-]*')
        .describe('Its name in the status, and of its directory below stateDir.'),
    }),
  )
  .min(1)
  .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, 'two have the same name');

/** The settings of one HAProxy; in a list, with its name. */
export type HaproxySettings = z.output<typeof haproxySchema> & { name?: string | undefined };
